#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdio.h"
#include "jail.h"
#include "log.h"
#include "wire.h"
#include "worker_ends.h"
#include "workers.h"

enum { START_LIMIT_S = 30, FORK_LIMIT_S = 10, KILL_LIMIT_S = 5, PARK_LIMIT_S = 10, WAKE_LIMIT_S = 10 };

struct worker {
    struct jail_member          member; /* first, see worker_of */
    const struct worker_events *events; /* NULL: released */
    void                       *arg;
    enum worker_state           state;
    int32_t                     waking_pid;
    bool                        is_killing;            /* its interpreter */
    uint64_t                    execution;             /* the one that runs, or ran last */
    int                         fds[SESSION_FD_COUNT]; /* that of CONTROL is the jail's */
    struct pipes                pipes;
    struct event                timer;
    bool                        is_unsure; /* whether it has the request that it seems to have */
    void (*on_unsent)(enum worker_state was, void *arg);
    struct worker_death death;
    void (*on_file)(const struct control_file_reply *reply, int fd, void *arg); /* NULL: nobody */
    void *on_file_arg;
};

static const struct jail_events jail_events;

static struct worker *worker_of(struct jail_member *member)
{
    return (struct worker *)member;
}

static void set_state(struct worker *worker, enum worker_state state)
{
    log_debug("worker %u.%u: %s -> %s", jail_serial(worker->member.jail), worker->member.number, worker_state_name(worker->state),
              worker_state_name(state));
    worker->state            = state;
    worker->member.is_absent = state == WORKER_ABSENT;
}

static void set_timer(struct worker *worker, int seconds)
{
    struct timeval after = {.tv_sec = seconds};
    (void)evtimer_add(&worker->timer, &after);
}

static void close_all(struct worker *worker)
{
    pipes_done(&worker->pipes);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&worker->fds[i]);
}

static void drop(struct worker *worker)
{
    close_all(worker);
    (void)evtimer_del(&worker->timer);
    jail_remove(&worker->member);
    free(worker);
}

/* It has no process any more: what it still had to say is handed on, then the owner is told. */
static void on_gone(struct jail_member *member, const struct worker_death *death)
{
    struct worker *worker = worker_of(member);
    if (death == NULL) {
        drop(worker);
        return;
    }
    if (worker->state != WORKER_ENDING)
        pipes_drain(&worker->pipes);
    worker->death.status       = death->status;
    worker->death.oom          = death->oom;
    worker->death.spawn_failed = death->spawn_failed || worker->death.spawn_failed;
    if (worker->death.reason[0] == '\0')
        memcpy(worker->death.reason, death->reason, sizeof worker->death.reason);
    if (worker->events != NULL)
        worker->events->on_gone(&worker->death, worker->arg);
    drop(worker);
}

/* The jail's on_gone completes it. */
static void end(struct worker *worker)
{
    if (worker->state == WORKER_ENDING)
        return;
    (void)evtimer_del(&worker->timer);
    set_state(worker, WORKER_ENDING);
    jail_end_member(&worker->member);
}

void worker_end(struct worker *worker, const char *reason)
{
    if (worker->death.reason[0] == '\0')
        (void)snprintf(worker->death.reason, sizeof worker->death.reason, "%s", reason);
    pipes_done(&worker->pipes);
    end(worker);
}

void worker_succeed(struct worker *worker, struct worker *heir)
{
    worker->events  = NULL;
    worker->on_file = NULL;
    pipes_done(&worker->pipes);
    if (worker->state == WORKER_ENDING)
        return;
    (void)evtimer_del(&worker->timer);
    set_state(worker, WORKER_ENDING);
    jail_succeed(&worker->member, &heir->member);
}

void worker_release(struct worker *worker)
{
    if (worker == NULL)
        return;
    worker->events  = NULL;
    worker->on_file = NULL;
    pipes_done(&worker->pipes);
    end(worker);
}

/* What was sent before the ping would have been answered before it. */
static bool on_pong(struct worker *worker, const struct frame *frame)
{
    enum worker_state was        = worker->state;
    bool              waits      = frame->length == 5 && memcmp(frame->payload, "input", 5) == 0;
    unsigned          generation = worker->pipes.generation;

    if (!worker->is_unsure || (was != WORKER_BUSY && was != WORKER_INSPECTING && was != WORKER_PARKING))
        return true;
    worker->is_unsure = false;
    if (was == WORKER_PARKING)
        (void)evtimer_del(&worker->timer);
    set_state(worker, waits ? WORKER_INPUT : WORKER_IDLE);
    worker->on_unsent(was, worker->arg);
    return generation == worker->pipes.generation;
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
    if (frame->type == EVENT_PONG)
        return on_pong(worker, frame);
    if (worker_rule_names_execution(frame->type) || frame->type == EVENT_PARKED)
        worker->is_unsure = false;
    if (frame->type == EVENT_READY) {
        (void)evtimer_del(&worker->timer);
        set_state(worker, WORKER_IDLE);
        worker->events->on_ready(worker->arg);
        return generation == worker->pipes.generation;
    }
    if (frame->type == EVENT_PARKED && !worker->is_killing)
        (void)evtimer_del(&worker->timer);
    if (frame->type == EVENT_DONE || frame->type == EVENT_REPLY || frame->type == EVENT_PARKED)
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
    worker->is_killing = false;
    (void)evtimer_del(&worker->timer);
    set_state(worker, WORKER_ABSENT);
    worker->events->on_exit(status, worker->arg);
}

static void on_init_gone(struct jail_member *member)
{
    struct worker *worker = worker_of(member);
    if (worker->state != WORKER_ENDING)
        pipes_drain(&worker->pipes);
    pipes_done(&worker->pipes);
    if (worker->state != WORKER_ENDING) {
        (void)evtimer_del(&worker->timer);
        set_state(worker, WORKER_ENDING);
        member->is_ending = true;
    }
}

static void on_failed(struct jail_member *member, const char *reason)
{
    worker_end(worker_of(member), reason);
}

static void on_file(struct jail_member *member, const struct control_file_reply *reply, int fd)
{
    struct worker *worker = worker_of(member);
    if (worker->on_file != NULL)
        worker->on_file(reply, fd, worker->on_file_arg);
    else
        fdio_close(&fd);
}

/* The one that was to be woken: there is no interpreter, as after the exit of the former. */
static void on_copy_exit(struct worker *worker, const struct control_message *message)
{
    if (worker->state == WORKER_WAKING && message->pid == worker->waking_pid) {
        (void)evtimer_del(&worker->timer);
        set_state(worker, WORKER_ABSENT);
    }
    if (worker->events != NULL && worker->events->on_copy_gone != NULL)
        worker->events->on_copy_gone(message->pid, message->status, worker->arg);
}

/* There is no such member of the jail: nothing of it must be ended. */
static void on_fork_failed(struct worker *worker, int error)
{
    struct worker_death death = {.spawn_failed = true};
    (void)snprintf(death.reason, sizeof death.reason, "no fork could be made: %s", strerror(error));
    on_gone(&worker->member, &death);
}

static void on_control(struct jail_member *member, const struct control_message *message)
{
    struct worker *worker = worker_of(member);
    switch ((enum control_type)message->type) {
    case CONTROL_WORKER_EXITED: on_interpreter_exit(worker, message->status); break;
    case CONTROL_PARKED_EXITED: on_copy_exit(worker, message); break;
    case CONTROL_ADOPT_FAILED: on_fork_failed(worker, message->status); break;
    default: /* WORKER_STARTED: EVENT_READY says more */ break;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    (void)fd;
    (void)what;
    if ((worker->state == WORKER_PARKING || worker->state == WORKER_WAKING) && !worker->is_killing)
        worker_kill_interpreter(worker); /* code of the user's runs there too (os.register_at_fork) and may hang */
    else
        worker_end(worker, worker->state == WORKER_SPAWNING || worker->state == WORKER_STARTING
                               ? "the interpreter was not ready in time"
                               : "the interpreter did not end when it was killed");
}

static int watch(struct worker *worker, struct err *err)
{
    int *fds = worker->fds;
    return pipes_init(&worker->pipes, workers_base(jail_workers(worker->member.jail)), fds[SESSION_FD_REQUEST], fds[SESSION_FD_EVENT],
                      fds[SESSION_FD_STDOUT], fds[SESSION_FD_STDERR], worker_rule_table(), &pipes_events, worker, err);
}

static void on_up(struct jail_member *member, const int fds[SESSION_FD_COUNT])
{
    struct worker *worker = worker_of(member);
    struct err     err    = {0};

    memcpy(worker->fds, fds, sizeof worker->fds);
    worker->fds[SESSION_FD_CONTROL] = -1;
    if (worker->state == WORKER_ENDING) { /* released while it was made */
        close_all(worker);
        return;
    }
    set_state(worker, WORKER_STARTING);
    set_timer(worker, START_LIMIT_S);
    if (watch(worker, &err) < 0)
        worker_end(worker, err.message);
}

static void on_stats(struct jail_member *member, const struct session_stats *stats)
{
    struct worker *worker = worker_of(member);
    if (worker->events != NULL)
        worker->events->on_stats(stats, worker->arg);
}

static const struct jail_events jail_events = {on_up, on_control, on_file, on_stats, on_init_gone, on_failed, on_gone};

static struct worker *worker_new(struct workers *workers, const struct worker_events *events, void *arg, struct err *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    worker->events = events;
    worker->arg    = arg;
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        worker->fds[i] = -1;
    (void)evtimer_assign(&worker->timer, workers_base(workers), on_timer, worker);
    return worker;
}

struct worker *worker_spawn(struct workers *workers, const struct worker_limits *limits, const struct worker_events *events, void *arg,
                            struct err *err)
{
    struct worker *worker = worker_new(workers, events, arg, err);
    if (worker == NULL)
        return NULL;
    if (jail_spawn(workers, limits, &worker->member, &jail_events, err) < 0) {
        free(worker);
        return NULL;
    }
    set_timer(worker, START_LIMIT_S);
    return worker;
}

/* Init has heard nothing of it when this fails. */
static int ask_for_member(struct worker *worker, int32_t pid, enum adopt_flags flags, struct err *err)
{
    struct control_message message = {.type = CONTROL_ADOPT, .pid = pid, .status = (int32_t)flags};
    int                    fds[MEMBER_FD_COUNT], result;

    message.member = worker->member.number;
    if (worker_ends_make(worker->fds, fds, err) < 0)
        return -1;
    result = watch(worker, err);
    if (result == 0 && jail_send(worker->member.jail, &message, sizeof message, fds, MEMBER_FD_COUNT) < 0)
        result = err_errno(err, "asking for a fork");
    worker_ends_close(fds);
    return result;
}

static struct worker *add_member(struct worker *relative, int32_t pid, enum adopt_flags flags, const struct worker_events *events,
                                 void *arg, struct err *err)
{
    struct worker *worker = worker_new(jail_workers(relative->member.jail), events, arg, err);
    if (worker == NULL)
        return NULL;
    if (jail_add(relative->member.jail, &worker->member, &jail_events, err) < 0) {
        free(worker);
        return NULL;
    }
    if (ask_for_member(worker, pid, flags, err) < 0) {
        drop(worker); /* the relative is a member, too: the jail stays */
        return NULL;
    }
    set_state(worker, WORKER_STARTING);
    set_timer(worker, (flags & ADOPT_FRESH) != 0 ? START_LIMIT_S : FORK_LIMIT_S);
    return worker;
}

struct worker *worker_fork(struct worker *parent, int32_t pid, bool keep, const struct worker_events *events, void *arg, struct err *err)
{
    return add_member(parent, pid, keep ? ADOPT_KEEP : 0, events, arg, err);
}

struct worker *worker_join(struct worker *relative, const struct worker_events *events, void *arg, struct err *err)
{
    return add_member(relative, 0, ADOPT_FRESH, events, arg, err);
}

void worker_be_guest(struct worker *worker)
{
    worker->member.is_guest = true;
}

size_t worker_family(const struct worker *worker)
{
    return jail_count(worker->member.jail);
}

bool worker_is_relative(const struct worker *worker, const struct worker *other)
{
    return worker->member.jail == other->member.jail;
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
    const struct frame_part parts[] = {{REQUEST_SETUP, setup, setup_length}, {REQUEST_EXECUTE, code, code_length}};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = execution;
    if (pipes_send(&worker->pipes, execution, setup != NULL ? parts : parts + 1, setup != NULL ? 2 : 1, err) < 0)
        return -1;
    set_state(worker, WORKER_BUSY);
    return 0;
}

int worker_inspect(struct worker *worker, uint64_t serial, const char *request, size_t length, struct err *err)
{
    const struct frame_part part = {REQUEST_INSPECT, request, length};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    worker->execution = serial;
    if (pipes_send(&worker->pipes, serial, &part, 1, err) < 0)
        return -1;
    set_state(worker, WORKER_INSPECTING);
    return 0;
}

int worker_park(struct worker *worker, struct err *err)
{
    static const struct frame_part part = {REQUEST_PARK, "", 0};
    if (worker->state != WORKER_IDLE)
        return err_set(err, EBUSY, "the worker is %s", worker_state_name(worker->state));
    pipes_pause(&worker->pipes, false);
    if (pipes_send(&worker->pipes, 0, &part, 1, err) < 0)
        return -1;
    set_state(worker, WORKER_PARKING);
    set_timer(worker, PARK_LIMIT_S);
    return 0;
}

int worker_input(struct worker *worker, const char *text, size_t length, struct err *err)
{
    const struct frame_part part = {REQUEST_INPUT, text, length};
    if (worker->state != WORKER_INPUT)
        return err_set(err, EBUSY, "no input is waited for");
    set_state(worker, WORKER_BUSY);
    return pipes_send(&worker->pipes, worker->execution, &part, 1, err);
}

static void control_pid(struct worker *worker, enum control_type type, int32_t pid)
{
    struct control_message message = {.type = type, .pid = pid, .execution = worker->execution};
    if (worker->state != WORKER_ENDING && worker->state != WORKER_SPAWNING)
        jail_control(&worker->member, message);
}

static void control(struct worker *worker, enum control_type type)
{
    control_pid(worker, type, 0);
}

void worker_keep_copy(struct worker *worker, int32_t pid)
{
    control_pid(worker, CONTROL_PARKED, pid);
}

void worker_drop_copy(struct worker *worker, int32_t pid)
{
    control_pid(worker, CONTROL_DROP, pid);
}

/* Before an order is given by which READY will come: another process must know what it takes over. */
static void commit(struct worker *worker)
{
    if (worker->pipes.store != NULL)
        worker->pipes.store->on_commit(worker->pipes.store_arg);
}

void worker_wake_copy(struct worker *worker, int32_t pid)
{
    /* What the former one started goes first, as in worker_respawn. */
    worker->waking_pid = pid;
    worker->is_killing = false; /* what was to be killed is gone */
    set_state(worker, WORKER_WAKING);
    commit(worker);
    control(worker, CONTROL_KILL_WORKER);
    control_pid(worker, CONTROL_WAKE, pid);
    if (worker->state == WORKER_ENDING)
        return;
    set_timer(worker, WAKE_LIMIT_S);
}

void worker_interrupt(struct worker *worker)
{
    control(worker, CONTROL_INTERRUPT);
}

void worker_kill_interpreter(struct worker *worker)
{
    control(worker, CONTROL_KILL_WORKER);
    worker->is_killing = true;
    if (worker->state != WORKER_ENDING)
        set_timer(worker, KILL_LIMIT_S);
}

void worker_respawn(struct worker *worker)
{
    /* Its children first, so that none of them writes where the new one does. */
    worker->is_killing = false;
    set_state(worker, WORKER_STARTING);
    commit(worker);
    control(worker, CONTROL_KILL_WORKER);
    control(worker, CONTROL_RESPAWN);
    if (worker->state == WORKER_ENDING)
        return;
    set_timer(worker, START_LIMIT_S);
}

int worker_file(struct worker *worker, const struct control_file *request, int fd)
{
    struct control_file own = *request;
    own.member              = worker->member.number;
    if (worker->state == WORKER_ENDING || worker->state == WORKER_SPAWNING)
        return -1;
    return jail_send(worker->member.jail, &own, sizeof own, &fd, fd >= 0 ? 1 : 0);
}

void worker_set_file_receiver(struct worker *worker, void (*on_file)(const struct control_file_reply *reply, int fd, void *arg), void *arg)
{
    worker->on_file     = on_file;
    worker->on_file_arg = arg;
}

bool worker_ask_stats(struct worker *worker)
{
    return worker->state != WORKER_ENDING && jail_ask_stats(&worker->member);
}

bool worker_limit_cpu(struct worker *worker, uint32_t cpu_percent)
{
    return worker->state != WORKER_ENDING && jail_limit_cpu(&worker->member, cpu_percent);
}

bool worker_reclaim(struct worker *worker)
{
    return worker->state == WORKER_IDLE && jail_reclaim(&worker->member);
}

const struct worker_reclaimed *worker_reclaimed(const struct worker *worker)
{
    return jail_reclaimed(&worker->member);
}

void worker_pause(struct worker *worker)
{
    pipes_pause(&worker->pipes, true);
}

/* ---- for the process that comes after this one, and from the one before ---- */

void worker_keep(struct worker *worker, struct keep *keep, uint32_t seat, struct keep_request *request, const struct pipes_store *store,
                 void *arg)
{
    pipes_keep(&worker->pipes, keep, seat, request, store, arg);
}

int worker_commit(struct worker *worker, struct pipes_position *ret)
{
    return pipes_commit(&worker->pipes, ret);
}

bool worker_needs_commit(const struct worker *worker)
{
    return pipes_need_commit(&worker->pipes);
}

uint64_t worker_execution(const struct worker *worker)
{
    return worker->execution;
}

int32_t worker_waking(const struct worker *worker)
{
    return worker->waking_pid;
}

void worker_place(const struct worker *worker, uint32_t *ret_jail, uint32_t *ret_member)
{
    *ret_jail   = jail_serial(worker->member.jail);
    *ret_member = worker->member.number;
}

void worker_give_log(struct worker *worker, int log_fd)
{
    const struct control_message message = {.type = CONTROL_LOG, .member = worker->member.number};
    if (worker->state != WORKER_ENDING && worker->state != WORKER_SPAWNING &&
        jail_send(worker->member.jail, &message, sizeof message, &log_fd, 1) < 0)
        worker_end(worker, "the session's init does not answer");
}

struct worker *worker_take_over(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS],
                                const struct worker_events *events, void *arg, struct err *err)
{
    static const enum session_fd order[MEMBER_SERVER_FDS] = {SESSION_FD_REQUEST, SESSION_FD_EVENT, SESSION_FD_STDOUT, SESSION_FD_STDERR,
                                                             SESSION_FD_LOG};
    struct worker               *worker                   = worker_new(jail_workers(jail), events, arg, err);
    if (worker == NULL) {
        for (int i = 0; i < MEMBER_SERVER_FDS; i++)
            fdio_close(&(int){fds[i]});
        return NULL;
    }
    for (int i = 0; i < MEMBER_SERVER_FDS; i++)
        worker->fds[order[i]] = fds[i];
    jail_add_as(jail, &worker->member, reply->member, &jail_events);
    set_state(worker, WORKER_STARTING);
    return worker;
}

int worker_open(struct worker *worker, struct err *err)
{
    return watch(worker, err);
}

static int ping(const struct worker *worker, struct err *err)
{
    static const struct frame_part part = {REQUEST_PING, "", 0};
    return frame_writer_send_once(worker->fds[SESSION_FD_REQUEST], 0, &part, 1, err) == FRAME_WRITE_ALL ? 0 : -1;
}

static void restore_state(struct worker *worker, const struct worker_past *past)
{
    worker->execution  = past->execution;
    worker->is_unsure  = past->unsure;
    worker->on_unsent  = past->on_unsent;
    worker->waking_pid = past->waking_pid;
    set_state(worker, past->state);
    if (past->state == WORKER_STARTING)
        set_timer(worker, START_LIMIT_S);
    if (past->state == WORKER_PARKING)
        set_timer(worker, PARK_LIMIT_S);
    if (past->state == WORKER_WAKING)
        set_timer(worker, WAKE_LIMIT_S);
}

int worker_resume(struct worker *worker, const struct worker_past *past)
{
    struct err err = {0};
    if (worker->state == WORKER_ENDING)
        return -1;
    restore_state(worker, past);
    if ((past->unsure && ping(worker, &err) < 0) ||
        pipes_resume(&worker->pipes, past->position, past->pending, past->rest, past->rest_length, &err) < 0) {
        worker_end(worker, err.message[0] != '\0' ? err.message : "its request pipe is full");
        return -1;
    }
    return worker->state != WORKER_ENDING ? 0 : -1;
}

void worker_interpreter_is_gone(struct worker *worker, int status)
{
    if (worker->state == WORKER_ABSENT) /* the process before this one had seen it, and done nothing about it yet */
        set_state(worker, WORKER_IDLE);
    on_interpreter_exit(worker, status);
}
