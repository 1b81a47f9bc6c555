#define _GNU_SOURCE
#include "session_fork.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "log.h"
#include "session_private.h"
#include "sessions.h"

enum { REASON_BYTES = 256 };

static const char NO_CHANNEL[] = "code of the session has closed descriptor 5, by which copies get pipes of their own";

struct fork_request {
    TAILQ_ENTRY(fork_request) entry;
    struct session    *session;
    fork_on_answer     on_answer; /* NULL: who asked has left */
    void              *arg;
    size_t             count, made;       /* wanted; ready */
    bool               is_to_hold, holds; /* the session */
    struct worker     *workers[FORK_COUNT_MAX];
    struct worker     *parent; /* whose copy it is */
    int32_t            copy;   /* pid; 0: none */
    struct fork_moment moment;
};

TAILQ_HEAD(fork_list, fork_request);

struct session_forks {
    struct fork_list     waiting, forking;
    size_t               waiting_count;
    struct fork_request *parking; /* of neither list */
};

struct session_forks *session_forks_new(void)
{
    struct session_forks *forks = calloc(1, sizeof *forks);
    if (forks == NULL)
        return NULL;
    TAILQ_INIT(&forks->waiting);
    TAILQ_INIT(&forks->forking);
    return forks;
}

/* With what is not the receiver's. */
static void request_free(struct fork_request *request)
{
    for (size_t i = 0; i < FORK_COUNT_MAX; i++)
        worker_release(request->workers[i]);
    if (request->copy != 0 && request->session->worker == request->parent)
        worker_drop_copy(request->parent, request->copy);
    if (request->holds)
        request->session->held--;
    json_decref(request->moment.variables);
    free(request);
}

static struct fork_request *take_first(struct fork_list *list)
{
    struct fork_request *first = TAILQ_FIRST(list);
    if (first != NULL)
        TAILQ_REMOVE(list, first, entry);
    return first;
}

void session_forks_free(struct session_forks *forks)
{
    struct fork_request *request;
    if (forks == NULL)
        return;
    while ((request = take_first(&forks->waiting)) != NULL || (request = take_first(&forks->forking)) != NULL)
        request_free(request);
    if (forks->parking != NULL)
        request_free(forks->parking);
    free(forks);
}

/* It is in no list any more. */
static void answer(struct fork_request *request, enum fork_end end, const char *reason)
{
    const struct fork_answer answer = {.end     = end,
                                       .reason  = reason,
                                       .workers = request->workers,
                                       .count   = request->made,
                                       .moment  = &request->moment,
                                       .holds   = request->holds};
    if (request->on_answer != NULL) {
        request->holds = false; /* the receiver's */
        request->on_answer(&answer, request->arg);
        if (end == FORK_DONE)
            memset(request->workers, 0, sizeof request->workers);
    }
    request_free(request);
}

static void conclude(struct fork_request *request, enum fork_end end, const char *reason)
{
    TAILQ_REMOVE(&request->session->forks->forking, request, entry);
    answer(request, end, reason);
}

/* ---- the forks ---- */

static void next_fork(struct fork_request *request);

static void on_ready(void *arg)
{
    struct fork_request *request = arg;
    request->made++;
    next_fork(request);
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct fork_request *request = arg;
    char                 reason[REASON_BYTES];
    (void)snprintf(reason, sizeof reason, "%s", death->reason[0] != '\0' ? death->reason : "the copy has died");
    request->workers[request->made] = NULL; /* only the one that is being made has this owner's ear */
    conclude(request, FORK_FAILED, reason);
}

static void on_exit_of(int status, void *arg)
{
    struct fork_request *request = arg;
    (void)status;
    conclude(request, FORK_FAILED, "the copy has died");
}

static void forget_gone(const struct worker_death *death, void *arg)
{
    struct worker **place = arg;
    (void)death;
    *place = NULL;
}

static const struct worker_events making_events = {.on_ready = on_ready, .on_exit = on_exit_of, .on_gone = on_gone};
/* One that is ready waits for the others: should its interpreter die meanwhile, its next owner is told, or finds it absent. */
static const struct worker_events made_events = {.on_gone = forget_gone};

static bool are_all_alive(const struct fork_request *request)
{
    for (size_t i = 0; i < request->count; i++)
        if (request->workers[i] == NULL || worker_state(request->workers[i]) != WORKER_IDLE)
            return false;
    return true;
}

/* The last one is the parked copy itself. */
static void next_fork(struct fork_request *request)
{
    struct err     err = {0};
    size_t         n   = request->made;
    struct worker *worker;
    if (n > 0)
        worker_set_owner(request->workers[n - 1], &made_events, &request->workers[n - 1]);
    if (n == request->count) {
        request->copy = 0;
        if (are_all_alive(request))
            conclude(request, FORK_DONE, NULL);
        else
            conclude(request, FORK_FAILED, "a copy has died");
        return;
    }
    worker              = request->session->worker == request->parent
                              ? worker_fork(request->parent, request->copy, n + 1 < request->count, &making_events, request, &err)
                              : NULL;
    request->workers[n] = worker;
    if (worker == NULL)
        conclude(request, FORK_FAILED, err.message[0] != '\0' ? err.message : "the interpreter has died");
}

/* ---- the copy ---- */

static int ask(struct session *session, size_t count, bool is_to_hold, fork_on_answer on_answer, void *arg, struct err *err)
{
    size_t                family = sessions_settings(session->sessions)->policies->family;
    struct session_forks *forks  = session->forks;
    struct fork_request  *request;

    if (session->state == SESSION_ENDED)
        return err_set(err, EINVAL, "the session is over");
    if (forks->waiting_count >= FORK_QUEUE_MAX)
        return err_set(err, ENOBUFS, "too many forks wait for this session already");
    if (count > FORK_COUNT_MAX || (session->worker != NULL && worker_family(session->worker) + count > family))
        return err_set(err, EAGAIN, "a session and its forks may be %zu together", family);
    request = calloc(1, sizeof *request);
    if (request == NULL)
        return err_set(err, ENOMEM, "no memory for a fork");
    request->session    = session;
    request->count      = count;
    request->is_to_hold = is_to_hold;
    request->on_answer  = on_answer;
    request->arg        = arg;
    TAILQ_INSERT_TAIL(&forks->waiting, request, entry);
    forks->waiting_count++;
    session_touch(session);
    session_go_on(session);
    return 0;
}

int session_fork(struct session *session, size_t count, bool may_wait, fork_on_answer on_answer, void *arg, struct err *err)
{
    if (!may_wait && session_has_work(session))
        return err_set(err, EBUSY, "the session runs something else");
    return ask(session, count, false, on_answer, arg, err);
}

int session_fork_and_hold(struct session *session, size_t count, fork_on_answer on_answer, void *arg, struct err *err)
{
    return ask(session, count, true, on_answer, arg, err);
}

static void forget(struct fork_request *request, const void *arg)
{
    if (request == NULL || request->arg != arg)
        return;
    request->on_answer  = NULL;
    request->is_to_hold = false;
    if (request->holds)
        request->session->held--;
    request->holds = false;
}

void session_fork_forget(struct session *session, const void *arg)
{
    struct fork_request *request;
    forget(session->forks->parking, arg);
    TAILQ_FOREACH(request, &session->forks->waiting, entry)
    {
        forget(request, arg);
    }
    TAILQ_FOREACH(request, &session->forks->forking, entry)
    {
        forget(request, arg);
    }
}

bool session_fork_parks(const struct session *session)
{
    return session->forks->parking != NULL;
}

bool session_fork_go_on(struct session *session)
{
    struct session_forks *forks = session->forks;
    struct err            err   = {0};

    if (forks->parking != NULL || session->held > 0)
        return true;
    if (session->state != SESSION_READY || session->running != NULL || worker_state(session->worker) != WORKER_IDLE ||
        TAILQ_EMPTY(&forks->waiting))
        return false;
    if (TAILQ_FIRST(&forks->waiting)->is_to_hold && !sessions_may_run(session->sessions, session))
        return true;
    forks->parking = take_first(&forks->waiting);
    forks->waiting_count--;
    forks->parking->holds = forks->parking->is_to_hold;
    session->held += forks->parking->holds;
    if (worker_park(session->worker, &err) < 0)
        worker_end(session->worker, err.message); /* its end answers */
    return true;
}

static void note_moment(struct fork_request *request)
{
    const struct session *session = request->session;
    request->parent               = session->worker;
    request->moment               = (struct fork_moment){.executions   = session->executions,
                                                         .live         = session_state_number(session),
                                                         .profile_sent = session->profile_sent,
                                                         .variables    = json_incref(session->variables)};
}

void session_fork_on_parked(struct session *session, const struct frame *frame)
{
    struct session_forks *forks   = session->forks;
    struct fork_request  *request = forks->parking;
    json_error_t          error;
    json_t               *said   = json_loadb(frame->payload, frame->length, 0, &error);
    json_int_t            pid    = json_integer_value(json_object_get(said, "pid"));
    const char           *reason = json_string_value(json_object_get(said, "reason"));

    forks->parking = NULL;
    note_moment(request);
    if (pid > 1 && pid <= INT32_MAX) {
        worker_keep_copy(session->worker, (int32_t)pid);
        request->copy = (int32_t)pid;
    }
    if (request->copy == 0) {
        answer(request, FORK_REFUSED, reason != NULL ? reason : "the interpreter does not say why");
    } else if (!json_is_true(json_object_get(said, "channel"))) {
        answer(request, FORK_REFUSED, NO_CHANNEL);
    } else {
        TAILQ_INSERT_TAIL(&forks->forking, request, entry);
        next_fork(request);
    }
    json_decref(said);
    session_go_on(session);
}

void session_fork_on_death(struct session *session)
{
    struct fork_request *parking = session->forks->parking;
    session->forks->parking      = NULL;
    if (parking != NULL)
        answer(parking, FORK_DIED, "the interpreter died while it was copied");
}

void session_fork_end_all(struct session *session)
{
    static const char     over[]  = "the session is over";
    struct session_forks *forks   = session->forks;
    struct fork_request  *request = forks->parking;
    forks->parking                = NULL;
    if (request != NULL)
        answer(request, FORK_OVER, over);
    while ((request = take_first(&forks->waiting)) != NULL || (request = take_first(&forks->forking)) != NULL)
        answer(request, FORK_OVER, over);
    forks->waiting_count = 0;
}
