#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdio.h"
#include "log.h"
#include "worker_ends.h"
#include "worker_inner.h"
#include "workers.h"

void worker_set_state(struct worker *worker, enum worker_state state)
{
    log_debug("worker %u.%u: %s -> %s", jail_serial(worker->member.jail), worker->member.number, worker_state_name(worker->state),
              worker_state_name(state));
    worker->state            = state;
    worker->member.is_absent = state == WORKER_ABSENT;
    worker_rest(worker);
}

void worker_set_timer(struct worker *worker, int seconds)
{
    struct timeval after = {.tv_sec = seconds};
    (void)evtimer_add(&worker->timer, &after);
}

void worker_close(struct worker *worker)
{
    pipes_done(&worker->pipes);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&worker->fds[i]);
}

void worker_drop(struct worker *worker)
{
    worker_close(worker);
    (void)evtimer_del(&worker->timer);
    worker_forget_fold(worker);
    jail_remove(&worker->member);
    free(worker);
}

/* The jail's on_gone completes it. */
static void end(struct worker *worker)
{
    if (worker->state == WORKER_ENDING)
        return;
    (void)evtimer_del(&worker->timer);
    worker_set_state(worker, WORKER_ENDING);
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
    worker_set_state(worker, WORKER_ENDING);
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

struct worker *worker_new(struct workers *workers, const struct worker_events *events, void *arg, struct err *err)
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
    (void)evtimer_assign(&worker->timer, workers_base(workers), worker_on_timer, worker);
    return worker;
}

struct worker *worker_spawn(struct workers *workers, const struct worker_limits *limits, const struct worker_events *events, void *arg,
                            struct err *err)
{
    struct worker *worker = worker_new(workers, events, arg, err);
    if (worker == NULL)
        return NULL;
    if (jail_spawn(workers, limits, &worker->member, &worker_jail_events, err) < 0) {
        free(worker);
        return NULL;
    }
    worker_set_timer(worker, START_LIMIT_S);
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
    worker_note_descriptors(worker);
    result = worker_watch(worker, err);
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
    if (jail_add(relative->member.jail, &worker->member, &worker_jail_events, err) < 0) {
        free(worker);
        return NULL;
    }
    if (ask_for_member(worker, pid, flags, err) < 0) {
        worker_drop(worker); /* the relative is a member, too: the jail stays */
        return NULL;
    }
    worker_set_state(worker, WORKER_STARTING);
    worker_set_timer(worker, (flags & ADOPT_FRESH) != 0 ? START_LIMIT_S : FORK_LIMIT_S);
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
