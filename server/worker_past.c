#define _GNU_SOURCE
#include "worker_inner.h"

#include <stdio.h>

#include "fdio.h"
#include "frame.h"
#include "wire.h"

void worker_keep(struct worker *worker, struct keep *keep, uint32_t seat, struct keep_request *request, const struct pipes_store *store,
                 void *arg)
{
    pipes_keep(&worker->pipes, keep, seat, request, store, arg);
    worker_rest(worker); /* it has an owner now */
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
    fdio_close(&worker->fds[SESSION_FD_LOG]); /* its own, which nobody has taken */
}

struct worker *worker_take_over(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS], bool folded,
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
    jail_add_as(jail, &worker->member, reply->member, &worker_jail_events);
    if (folded)
        worker_start_folded(worker);
    worker_note_descriptors(worker);
    worker_set_state(worker, WORKER_STARTING);
    return worker;
}

int worker_open(struct worker *worker, struct err *err)
{
    if (worker_watch(worker, err) < 0)
        return -1;
    worker_open_folded(worker);
    return 0;
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
    worker_set_state(worker, past->state);
    if (past->state == WORKER_STARTING)
        worker_set_timer(worker, START_LIMIT_S);
    if (past->state == WORKER_PARKING)
        worker_set_timer(worker, PARK_LIMIT_S);
    if (past->state == WORKER_WAKING)
        worker_set_timer(worker, WAKE_LIMIT_S);
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
    if (worker->state != WORKER_IDLE)
        worker_unfold(worker);
    return worker->state != WORKER_ENDING ? 0 : -1;
}

void worker_interpreter_is_gone(struct worker *worker, int status)
{
    if (worker->state == WORKER_ABSENT) /* the process before this one had seen it, and done nothing about it yet */
        worker_set_state(worker, WORKER_IDLE);
    worker_on_interpreter_exit(worker, status);
}
