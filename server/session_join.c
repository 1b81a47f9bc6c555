#define _GNU_SOURCE
#include "session_join.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "session_fork.h"
#include "session_private.h"
#include "sessions.h"

enum { REASON_BYTES = 256 };

struct join {
    TAILQ_ENTRY(join) entry;
    struct session        *host;
    struct session_request request;
    struct worker         *worker;
    join_on_session        on_session; /* NULL: who asked has left */
    void                  *arg;
};

static void join_free(struct join *join)
{
    TAILQ_REMOVE(&join->host->joins, join, entry);
    worker_release(join->worker);
    json_decref(join->request.metadata);
    json_decref(join->request.variables);
    json_decref(join->request.environment);
    free(join);
}

static void answer(struct join *join, struct session *session, const char *reason)
{
    join_on_session on_session = join->on_session;
    void           *arg        = join->arg;
    join_free(join);
    if (on_session != NULL)
        on_session(session, reason, arg);
    else if (session != NULL)
        session_leave(session, false);
}

/* ---- the worker, until it is a session's ---- */

static void on_ready(void *arg)
{
    static const struct fork_moment beginning = {0};
    struct join                    *join      = arg;
    struct worker                  *worker    = join->worker;
    struct err                      err       = {0};

    join->worker = NULL;
    answer(join, sessions_add_fork(join->host->sessions, join->host, &join->request, worker, &beginning, &err), err.message);
}

static void on_exit_of(int status, void *arg)
{
    (void)status;
    answer(arg, NULL, "the interpreter died before it was ready");
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct join *join = arg;
    char         reason[REASON_BYTES];
    (void)snprintf(reason, sizeof reason, "%s", death->reason[0] != '\0' ? death->reason : "its jail is gone");
    join->worker = NULL; /* it frees itself */
    answer(join, NULL, reason);
}

/* What it prints before it is a session is nobody's. */
static const struct worker_events worker_events = {.on_ready = on_ready, .on_exit = on_exit_of, .on_gone = on_gone};

/* ---- asking ---- */

static int check(const struct session *host, struct err *err)
{
    size_t family = sessions_settings(host->sessions)->policies->family;
    if (host->state == SESSION_ENDED)
        return err_set(err, EINVAL, "the session is over");
    if (sessions_are_draining(host->sessions))
        return err_set(err, EAGAIN, "the service is about to stop");
    if (host->worker == NULL)
        return err_set(err, EBUSY, "the session is being given a new jail");
    if (worker_family(host->worker) + 1 > family)
        return err_set(err, EAGAIN, "a session, its forks and its parts may be %zu together", family);
    return sessions_check_room(host->sessions, host->owner, 1, err);
}

static void take_request(struct join *join, const struct session_request *request)
{
    join->request         = *request;
    join->request.has_id  = false;
    join->request.limits  = join->host->limits;
    join->request.owner   = join->host->owner;
    join->request.is_part = true;
    (void)json_incref(request->metadata);
    (void)json_incref(request->variables);
    (void)json_incref(request->environment);
}

int session_join(struct session *host, const struct session_request *request, join_on_session on_session, void *arg, struct err *err)
{
    struct join *join;
    if (check(host, err) < 0)
        return -1;
    join = calloc(1, sizeof *join);
    if (join == NULL)
        return err_set(err, ENOMEM, "no memory for an interpreter");
    join->host       = host;
    join->on_session = on_session;
    join->arg        = arg;
    take_request(join, request);
    TAILQ_INSERT_TAIL(&host->joins, join, entry);
    session_touch(host);
    join->worker = worker_join(host->worker, &worker_events, join, err);
    if (join->worker != NULL)
        return 0;
    join_free(join);
    return -1;
}

void session_join_forget(struct session *host, const void *arg)
{
    for (struct join *join = TAILQ_FIRST(&host->joins); join != NULL; join = TAILQ_NEXT(join, entry)) {
        if (join->arg == arg)
            join->on_session = NULL;
    }
}

void session_join_free_all(struct session *host)
{
    while (!TAILQ_EMPTY(&host->joins))
        join_free(TAILQ_FIRST(&host->joins));
}

void session_join_end_all(struct session *host)
{
    while (!TAILQ_EMPTY(&host->joins))
        answer(TAILQ_FIRST(&host->joins), NULL, "the session is over");
}
