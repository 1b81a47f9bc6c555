#define _GNU_SOURCE
#include "worker_inner.h"

#include <stdio.h>
#include <string.h>

#include "fdio.h"
#include "wire.h"
#include "workers.h"

static struct worker *worker_of(struct jail_member *member)
{
    return (struct worker *)member;
}

/* It has no process any more: what it still had to say is handed on, then the owner is told. */
static void on_gone(struct jail_member *member, const struct worker_death *death)
{
    struct worker *worker = worker_of(member);
    if (death == NULL) {
        worker_drop(worker);
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
    worker_drop(worker);
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
    worker_set_state(worker, waits ? WORKER_INPUT : WORKER_IDLE);
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
        worker_set_state(worker, WORKER_IDLE);
        if (worker->events->on_ready != NULL)
            worker->events->on_ready(worker->arg);
        return generation == worker->pipes.generation;
    }
    if (frame->type == EVENT_PARKED && !worker->is_killing)
        (void)evtimer_del(&worker->timer);
    if (frame->type == EVENT_DONE || frame->type == EVENT_REPLY || frame->type == EVENT_PARKED)
        worker_set_state(worker, WORKER_IDLE);
    else if (frame->type == EVENT_INPUT_REQUEST)
        worker_set_state(worker, WORKER_INPUT);
    if (worker->events->on_frame != NULL)
        worker->events->on_frame(frame, worker->arg);
    return generation == worker->pipes.generation;
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct worker *worker = arg;
    if (worker->events->on_raw != NULL)
        worker->events->on_raw(stream, data, length, worker->arg);
}

static void on_turn(void *arg)
{
    struct worker *worker = arg;
    if (worker->events != NULL && worker->events->on_turn != NULL)
        worker->events->on_turn(worker->arg);
}

/* The end of the pipe says that init is gone, too, which alone keeps it open: that is a death, and no fault of what was sent. */
static void on_broken(const struct err *err, void *arg)
{
    worker_end(arg, err->code == EPIPE ? "" : err->message);
}

static const struct pipes_events pipes_events = {on_frame, on_raw, on_turn, on_broken};

void worker_on_interpreter_exit(struct worker *worker, int status)
{
    if (worker->state == WORKER_ENDING || worker->state == WORKER_ABSENT)
        return;
    pipes_drain(&worker->pipes);
    if (worker->state == WORKER_ENDING)
        return;
    pipes_reset(&worker->pipes);
    worker->is_killing = false;
    (void)evtimer_del(&worker->timer);
    worker_set_state(worker, WORKER_ABSENT);
    if (worker->events->on_exit != NULL)
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
        worker_set_state(worker, WORKER_ENDING);
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
        worker_set_state(worker, WORKER_ABSENT);
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

static void on_exit_of(struct worker *worker, int status)
{
    if (!worker_is_folded(worker)) {
        worker_on_interpreter_exit(worker, status);
        return;
    }
    worker->has_exited  = true;
    worker->exit_status = status;
    (void)evtimer_del(&worker->timer); /* for its pipes to come there is another limit */
    worker_unfold(worker);
}

static void on_unfolded(struct jail_member *member, const int *fds)
{
    worker_on_unfolded(worker_of(member), fds);
}

static void on_control(struct jail_member *member, const struct control_message *message)
{
    struct worker *worker = worker_of(member);
    switch ((enum control_type)message->type) {
    case CONTROL_WORKER_EXITED: on_exit_of(worker, message->status); break;
    case CONTROL_PARKED_EXITED: on_copy_exit(worker, message); break;
    case CONTROL_ADOPT_FAILED: on_fork_failed(worker, message->status); break;
    default: /* WORKER_STARTED: EVENT_READY says more */ break;
    }
}

void worker_on_timer(evutil_socket_t fd, short what, void *arg)
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

int worker_watch(struct worker *worker, struct err *err)
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
    worker_note_descriptors(worker);
    if (worker->state == WORKER_ENDING) { /* released while it was made */
        worker_close(worker);
        return;
    }
    worker_set_state(worker, WORKER_STARTING);
    worker_set_timer(worker, START_LIMIT_S);
    if (worker_watch(worker, &err) < 0)
        worker_end(worker, err.message);
}

static void on_stats(struct jail_member *member, const struct session_stats *stats)
{
    struct worker *worker = worker_of(member);
    if (worker->events != NULL && worker->events->on_stats != NULL)
        worker->events->on_stats(stats, worker->arg);
}

const struct jail_events worker_jail_events = {on_up, on_control, on_file, on_unfolded, on_stats, on_init_gone, on_failed, on_gone};
