#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdio.h"
#include "log.h"
#include "wire.h"
#include "workers.h"
#include "zygote_client.h"

enum { START_LIMIT_S = 30, END_LIMIT_S = 5, KILL_LIMIT_S = 5 };

struct worker {
    struct workers             *workers;
    const struct worker_events *events; /* NULL: released */
    void                       *arg;
    enum worker_state           state;
    uint32_t                    serial;
    int32_t                     pid; /* of init, on the host */
    uint32_t                    uid;
    uint64_t                    execution; /* the one that runs, or ran last */
    int                         fds[SESSION_FD_COUNT];
    struct pipes                pipes;
    struct event                control_readable;
    struct event                timer;
    bool                        is_watched; /* the control socket is */
    struct worker_death         death;
    void (*on_file)(const struct control_file_reply *reply, int fd, void *arg); /* NULL: nobody */
    void *on_file_arg;
};

union control_packet {
    struct control_message    message;
    struct control_file_reply file;
};

static void set_state(struct worker *worker, enum worker_state state)
{
    log_debug("worker %u: %s -> %s", worker->serial, worker_state_name(worker->state), worker_state_name(state));
    worker->state = state;
}

static void set_timer(struct worker *worker, int seconds)
{
    struct timeval after = {.tv_sec = seconds};
    (void)evtimer_add(&worker->timer, &after);
}

static void close_all(struct worker *worker)
{
    pipes_done(&worker->pipes);
    if (worker->is_watched)
        (void)event_del(&worker->control_readable);
    worker->is_watched = false;
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&worker->fds[i]);
}

void worker_free(struct worker *worker)
{
    close_all(worker);
    (void)evtimer_del(&worker->timer);
    workers_remove(worker->workers, worker->serial);
    free(worker);
}

/* The jail has no process any more: what it still had to say is handed on, then the owner is told. */
static void bury(struct worker *worker)
{
    if (worker->state != WORKER_ENDING)
        pipes_drain(&worker->pipes);
    if (worker->events != NULL)
        worker->events->on_gone(&worker->death, worker->arg);
    worker_free(worker);
}

/* The zygote's EXITED, or the end of the control socket while there is no zygote, completes it. */
static void end_jail(struct worker *worker)
{
    if (worker->state == WORKER_ENDING)
        return;
    if (worker->state != WORKER_SPAWNING && zygote_client_kill(workers_zygote(worker->workers), worker->serial) < 0) {
        struct control_message message = {.type = CONTROL_EXIT};
        (void)fdio_send(worker->fds[SESSION_FD_CONTROL], &message, sizeof message, NULL, 0);
    }
    set_state(worker, WORKER_ENDING);
    set_timer(worker, END_LIMIT_S);
}

void worker_end(struct worker *worker, const char *reason)
{
    if (worker->death.reason[0] == '\0')
        (void)snprintf(worker->death.reason, sizeof worker->death.reason, "%s", reason);
    pipes_done(&worker->pipes);
    end_jail(worker);
}

void worker_release(struct worker *worker)
{
    if (worker == NULL)
        return;
    worker->events  = NULL;
    worker->on_file = NULL;
    pipes_done(&worker->pipes);
    end_jail(worker);
}

static bool on_frame(const struct frame *frame, void *arg)
{
    struct worker *worker     = arg;
    unsigned       generation = worker->pipes.generation;
    char           reason[96];

    if (!worker_rule_permits(worker->state, frame->type) ||
        (worker_rule_names_execution(frame->type) && frame->execution != worker->execution)) {
        (void)snprintf(reason, sizeof reason, "the worker sent a frame of type %u that is not permitted while %s", frame->type,
                       worker_state_name(worker->state));
        worker_end(worker, reason);
        return false;
    }
    if (frame->type == EVENT_READY) {
        (void)evtimer_del(&worker->timer);
        set_state(worker, WORKER_IDLE);
        worker->events->on_ready(worker->arg);
        return generation == worker->pipes.generation;
    }
    if (frame->type == EVENT_DONE || frame->type == EVENT_REPLY)
        set_state(worker, WORKER_IDLE);
    else if (frame->type == EVENT_INPUT_REQUEST)
        set_state(worker, WORKER_INPUT);
    worker->events->on_frame(frame, worker->arg);
    return generation == worker->pipes.generation;
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct worker *worker = arg;
    worker->events->on_raw(stream, data, length, worker->arg);
}

static void on_turn(void *arg)
{
    struct worker *worker = arg;
    if (worker->events != NULL)
        worker->events->on_turn(worker->arg);
}

/* The end of the pipe says that init is gone, too, which alone keeps it open: that is a death, and no fault of what was sent. */
static void on_broken(const struct err *err, void *arg)
{
    worker_end(arg, err->code == EPIPE ? "" : err->message);
}

static const struct pipes_events pipes_events = {on_frame, on_raw, on_turn, on_broken};

static void on_interpreter_exit(struct worker *worker, int status)
{
    if (worker->state == WORKER_ENDING || worker->state == WORKER_ABSENT)
        return;
    pipes_drain(&worker->pipes);
    if (worker->state == WORKER_ENDING)
        return;
    pipes_reset(&worker->pipes);
    (void)evtimer_del(&worker->timer);
    set_state(worker, WORKER_ABSENT);
    worker->events->on_exit(status, worker->arg);
}

static void on_control_end(struct worker *worker)
{
    (void)event_del(&worker->control_readable);
    if (worker->state != WORKER_ENDING)
        pipes_drain(&worker->pipes);
    pipes_done(&worker->pipes);
    if (!zygote_client_is_ready(workers_zygote(worker->workers))) {
        bury(worker);
        return;
    }
    if (worker->state != WORKER_ENDING) {
        set_state(worker, WORKER_ENDING);
        set_timer(worker, END_LIMIT_S);
    }
}

static void hand_on_file(struct worker *worker, const struct control_file_reply *reply, int fd)
{
    if (worker->on_file != NULL)
        worker->on_file(reply, fd, worker->on_file_arg);
    else
        fdio_close(&fd);
}

static void on_control(evutil_socket_t fd, short what, void *arg)
{
    struct worker       *worker = arg;
    union control_packet packet;
    int                  sent_fd  = -1;
    size_t               fd_count = 1;
    ssize_t              n        = fdio_receive(fd, &packet, sizeof packet, &sent_fd, &fd_count);

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == (ssize_t)sizeof packet.file && packet.file.type == CONTROL_FILE_REPLY) {
        hand_on_file(worker, &packet.file, fd_count == 1 ? sent_fd : -1);
        return;
    }
    if (fd_count == 1)
        fdio_close(&sent_fd);
    if (n != (ssize_t)sizeof packet.message)
        on_control_end(worker);
    else if (packet.message.type == CONTROL_WORKER_EXITED)
        on_interpreter_exit(worker, packet.message.status);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    if (worker->state != WORKER_ENDING) {
        worker_end(worker, worker->state == WORKER_SPAWNING || worker->state == WORKER_STARTING
                               ? "the interpreter was not ready in time"
                               : "the interpreter did not end when it was killed");
        return;
    }
    log_error("worker %u: the zygote did not report its end in time", worker->serial);
    bury(worker);
}

static int watch(struct worker *worker, struct err *err)
{
    struct event_base *base = workers_base(worker->workers);
    int               *fds  = worker->fds;
    if (pipes_init(&worker->pipes, base, fds[SESSION_FD_REQUEST], fds[SESSION_FD_EVENT], fds[SESSION_FD_STDOUT], fds[SESSION_FD_STDERR],
                   worker_rule_table(), &pipes_events, worker, err) < 0)
        return -1;
    if (event_assign(&worker->control_readable, base, fds[SESSION_FD_CONTROL], EV_READ | EV_PERSIST, on_control, worker) < 0 ||
        event_add(&worker->control_readable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot watch a session's control socket");
    worker->is_watched = true;
    return 0;
}

static void adopt_fds(struct worker *worker, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    memcpy(worker->fds, fds, sizeof worker->fds);
    worker->pid = message->pid;
    worker->uid = message->uid;
}

void worker_on_spawned(struct worker *worker, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    struct err err = {0};
    if (worker->state == WORKER_ENDING) { /* released while it was made */
        worker->state = WORKER_STARTING;
        adopt_fds(worker, message, fds);
        end_jail(worker);
        close_all(worker);
        return;
    }
    adopt_fds(worker, message, fds);
    set_state(worker, WORKER_STARTING);
    set_timer(worker, START_LIMIT_S);
    if (watch(worker, &err) < 0)
        worker_end(worker, err.message);
}

void worker_on_spawn_failed(struct worker *worker, const char *reason)
{
    worker->death.spawn_failed = true;
    (void)snprintf(worker->death.reason, sizeof worker->death.reason, "%s", reason);
    bury(worker);
}

void worker_on_exited(struct worker *worker, const struct zygote_message *message)
{
    worker->death.status = message->status;
    worker->death.oom    = message->value != 0;
    bury(worker);
}

void worker_on_stats(struct worker *worker, const struct session_stats *stats)
{
    if (worker->events != NULL)
        worker->events->on_stats(stats, worker->arg);
}

void worker_on_zygote(struct worker *worker, bool up)
{
    struct zygote_client *zygote = workers_zygote(worker->workers);
    if (!up && worker->pid == 0) {
        worker_on_spawn_failed(worker, "the zygote died while the session was made");
        return;
    }
    if (!up)
        return;
    (void)zygote_client_adopt(zygote, worker->serial, worker->pid, worker->uid);
    if (worker->state == WORKER_ENDING)
        (void)zygote_client_kill(zygote, worker->serial);
}

static struct worker *worker_new(struct workers *workers, const struct worker_events *events, void *arg)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->workers = workers;
    worker->events  = events;
    worker->arg     = arg;
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        worker->fds[i] = -1;
    (void)evtimer_assign(&worker->timer, workers_base(workers), on_timer, worker);
    worker->serial = workers_add(workers, worker);
    if (worker->serial == 0) {
        free(worker);
        return NULL;
    }
    return worker;
}

struct worker *worker_spawn(struct workers *workers, const struct worker_limits *limits, const struct worker_events *events, void *arg,
                            struct err *err)
{
    struct worker        *worker;
    struct zygote_message message = {.memory_bytes    = limits->memory_bytes,
                                     .workspace_bytes = limits->workspace_bytes,
                                     .cpu_percent     = limits->cpu_percent,
                                     .processes       = limits->processes};
    if (!zygote_client_is_ready(workers_zygote(workers))) {
        (void)err_set(err, EAGAIN, "the zygote is not there at the moment");
        return NULL;
    }
    worker = worker_new(workers, events, arg);
    if (worker == NULL) {
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    message.session = worker->serial;
    if (zygote_client_spawn(workers_zygote(workers), &message) < 0) {
        (void)err_set(err, EAGAIN, "the zygote takes no more requests at the moment");
        worker_free(worker);
        return NULL;
    }
    set_timer(worker, START_LIMIT_S);
    return worker;
}

void worker_set_owner(struct worker *worker, const struct worker_events *events, void *arg)
{
    worker->events = events;
    worker->arg    = arg;
}

enum worker_state worker_state(const struct worker *worker)
{
    return worker->state;
}

int worker_take_log(struct worker *worker)
{
    int fd                      = worker->fds[SESSION_FD_LOG];
    worker->fds[SESSION_FD_LOG] = -1;
    return fd;
}

int worker_execute(struct worker *worker, uint64_t execution, const char *setup, size_t setup_length, const char *code, size_t code_length,
                   struct err *err)
{
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = execution;
    if (setup != NULL && pipes_send(&worker->pipes, REQUEST_SETUP, execution, setup, setup_length, err) < 0)
        return -1;
    if (pipes_send(&worker->pipes, REQUEST_EXECUTE, execution, code, code_length, err) < 0)
        return -1;
    set_state(worker, WORKER_BUSY);
    return 0;
}

int worker_inspect(struct worker *worker, uint64_t serial, const char *request, size_t length, struct err *err)
{
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = serial;
    if (pipes_send(&worker->pipes, REQUEST_INSPECT, serial, request, length, err) < 0)
        return -1;
    set_state(worker, WORKER_INSPECTING);
    return 0;
}

int worker_input(struct worker *worker, const char *text, size_t length, struct err *err)
{
    if (worker->state != WORKER_INPUT)
        return err_set(err, EBUSY, "no input is waited for");
    set_state(worker, WORKER_BUSY);
    return pipes_send(&worker->pipes, REQUEST_INPUT, worker->execution, text, length, err);
}

static void control(struct worker *worker, enum control_type type)
{
    struct control_message message = {.type = type, .execution = worker->execution};
    if (worker->state == WORKER_ENDING || worker->state == WORKER_SPAWNING)
        return;
    if (fdio_send(worker->fds[SESSION_FD_CONTROL], &message, sizeof message, NULL, 0) < 0)
        worker_end(worker, "the session's init does not answer");
}

void worker_interrupt(struct worker *worker)
{
    control(worker, CONTROL_INTERRUPT);
}

void worker_kill_interpreter(struct worker *worker)
{
    control(worker, CONTROL_KILL_WORKER);
    if (worker->state != WORKER_ENDING)
        set_timer(worker, KILL_LIMIT_S);
}

void worker_respawn(struct worker *worker)
{
    /* Its children first, so that none of them writes where the new one does. */
    control(worker, CONTROL_KILL_WORKER);
    control(worker, CONTROL_RESPAWN);
    if (worker->state == WORKER_ENDING)
        return;
    set_state(worker, WORKER_STARTING);
    set_timer(worker, START_LIMIT_S);
}

int worker_file(struct worker *worker, const struct control_file *request, int fd)
{
    if (worker->state == WORKER_ENDING || worker->state == WORKER_SPAWNING)
        return -1;
    return fdio_send(worker->fds[SESSION_FD_CONTROL], request, sizeof *request, &fd, fd >= 0 ? 1 : 0);
}

void worker_set_file_receiver(struct worker *worker, void (*on_file)(const struct control_file_reply *reply, int fd, void *arg), void *arg)
{
    worker->on_file     = on_file;
    worker->on_file_arg = arg;
}

bool worker_ask_stats(struct worker *worker)
{
    return worker->state != WORKER_ENDING && zygote_client_stats(workers_zygote(worker->workers), worker->serial) == 0;
}

void worker_pause(struct worker *worker)
{
    pipes_pause(&worker->pipes, true);
}
