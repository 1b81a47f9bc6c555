/* session_checkpoints.c: what may be asked about a session's copies: one with a name, the way back to it, the list. */
#define _GNU_SOURCE
#include "session_checkpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "session_checkpoints_private.h"
#include "sessions.h"

/* Of one session: a person's cells, some dozens in a row, are copied each; a loop of short ones gives a twentieth of its time. */
enum { SAVED_MOST_US = 80 * 1000, SHARE = 50, BRIEF_US = 30 };

static void on_turn(void *arg)
{
    struct session *session = arg;
    if (session->state == SESSION_ENDED)
        checkpoint_line_leave(session->checkpoints->line, &session->checkpoints->place);
    else
        session_go_on(session);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    session_go_on(arg);
}

struct session_checkpoints *session_checkpoints_new(struct session *session, struct event_base *base, enum checkpoint_mode mode)
{
    struct session_checkpoints *own = calloc(1, sizeof *own);
    if (own == NULL)
        return NULL;
    own->mode = mode;
    checkpoints_init(&own->all);
    checkpoint_budget_init(&own->budget, SAVED_MOST_US, SHARE, BRIEF_US, metrics_now_us());
    TAILQ_INIT(&own->waiting);
    (void)evtimer_assign(&own->timer, base, on_timer, session);
    own->line  = sessions_checkpoint_line(session->sessions);
    own->place = (struct checkpoint_place){.on_turn = on_turn, .arg = session};
    return own;
}

static void request_free(struct checkpoint_request *request)
{
    if (request == NULL)
        return;
    (void)evtimer_del(&request->timer);
    free(request->which);
    free(request);
}

static void remove_request(struct session_checkpoints *own, struct checkpoint_request *request)
{
    TAILQ_REMOVE(&own->waiting, request, entry);
    own->waiting_count--;
}

void session_checkpoints_free(struct session_checkpoints *own)
{
    if (own == NULL)
        return;
    while (!TAILQ_EMPTY(&own->waiting)) {
        struct checkpoint_request *first = TAILQ_FIRST(&own->waiting);
        remove_request(own, first);
        request_free(first);
    }
    request_free(own->running);
    (void)evtimer_del(&own->timer);
    checkpoint_line_leave(own->line, &own->place);
    checkpoints_done(&own->all);
    free(own);
}

static void answer(struct checkpoint_request *request, enum checkpoint_end end, const struct checkpoint *checkpoint)
{
    struct checkpoint_answer answer = {
        .end = end, .checkpoint = checkpoint, .reason = request->session->checkpoints->reason, .given = request->which};
    if (request->on_answer != NULL)
        request->on_answer(&answer, request->arg);
    request_free(request);
}

void session_checkpoints_answer(struct session *session, enum checkpoint_end end, const struct checkpoint *checkpoint)
{
    struct checkpoint_request *running = session->checkpoints->running;
    session->checkpoints->running      = NULL;
    if (running != NULL)
        answer(running, end, checkpoint);
}

void session_checkpoints_end_all(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    session_checkpoints_answer(session, CHECKPOINT_OVER, NULL);
    while (!TAILQ_EMPTY(&own->waiting)) {
        struct checkpoint_request *first = TAILQ_FIRST(&own->waiting);
        remove_request(own, first);
        answer(first, CHECKPOINT_OVER, NULL);
    }
}

static void on_wait_limit(evutil_socket_t fd, short what, void *arg)
{
    struct checkpoint_request *request = arg;
    struct timeval             again   = {.tv_sec = CHECKPOINT_WAIT_MS / 1000, .tv_usec = CHECKPOINT_WAIT_MS % 1000 * 1000};
    (void)fd;
    (void)what;
    if (request->session->running == NULL && ++request->waits < CHECKPOINT_IDLE_WAITS) {
        (void)evtimer_add(&request->timer, &again); /* no cell: it takes moments, or longer on a slow machine */
        return;
    }
    remove_request(request->session->checkpoints, request);
    answer(request, CHECKPOINT_BUSY, NULL);
}

static int ask(struct session *session, bool is_rollback, const char *which, checkpoint_on_answer on_answer, void *arg, struct err *err)
{
    struct session_checkpoints *own   = session->checkpoints;
    struct timeval              after = {.tv_sec = CHECKPOINT_WAIT_MS / 1000, .tv_usec = CHECKPOINT_WAIT_MS % 1000 * 1000};
    struct checkpoint_request  *request;

    if (session->state == SESSION_ENDED)
        return err_set(err, EINVAL, "the session is over");
    if (own->waiting_count >= CHECKPOINT_QUEUE_MAX)
        return err_set(err, ENOBUFS, "too many requests about checkpoints wait in this session already");
    request = calloc(1, sizeof *request);
    if (request == NULL || (which != NULL && (request->which = strdup(which)) == NULL)) {
        free(request);
        return err_set(err, ENOMEM, "no memory for a checkpoint");
    }
    request->session     = session;
    request->is_rollback = is_rollback;
    request->on_answer   = on_answer;
    request->arg         = arg;
    (void)evtimer_assign(&request->timer, sessions_base(session->sessions), on_wait_limit, request);
    (void)evtimer_add(&request->timer, &after);
    TAILQ_INSERT_TAIL(&own->waiting, request, entry);
    own->waiting_count++;
    session_touch(session);
    event_active(&own->timer, 0, 0); /* on the next turn of the loop: no answer comes before this returns */
    return 0;
}

int session_checkpoint(struct session *session, const char *name, checkpoint_on_answer on_answer, void *arg, struct err *err)
{
    return ask(session, false, name, on_answer, arg, err);
}

int session_rollback(struct session *session, const char *which, checkpoint_on_answer on_answer, void *arg, struct err *err)
{
    return ask(session, true, which, on_answer, arg, err);
}

void session_checkpoints_forget(struct session *session, const void *arg)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint_request  *request;
    if (own->running != NULL && own->running->arg == arg)
        own->running->on_answer = NULL;
    TAILQ_FOREACH(request, &own->waiting, entry)
    {
        if (request->arg == arg)
            request->on_answer = NULL;
    }
}

/* A copy of exactly this state that the service took for itself becomes the named one. Returns NULL when there is none. */
static struct checkpoint *promote(struct session *session, const char *name)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one = own->state != 0 ? checkpoints_at(&own->all, own->state) : NULL;
    if (one == NULL || one->is_named)
        return NULL;
    checkpoints_name(&own->all, one, name);
    return one;
}

static void begin_named(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one;
    if (checkpoints_count_named(&own->all) >= sessions_settings(session->sessions)->policies->checkpoints) {
        metrics_deny(METRICS_DENIED_CHECKPOINTS);
        session_checkpoints_answer(session, CHECKPOINT_FULL, NULL);
    } else if ((one = promote(session, own->running->which)) != NULL) {
        session_checkpoints_answer(session, CHECKPOINT_DONE, one);
    } else {
        (void)session_park_begin(session, PARK_NAMED);
    }
}

static void begin_rollback(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one = checkpoints_find(&own->all, own->running->which);
    if (one == NULL)
        session_checkpoints_answer(session, CHECKPOINT_UNKNOWN, NULL);
    else if (one->status != CHECKPOINT_PARKED)
        session_checkpoints_answer(session, CHECKPOINT_GONE, NULL);
    else
        session_restore_begin(session, one);
}

bool session_checkpoints_go_on(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint_request  *first;
    while (own->running == NULL && (first = TAILQ_FIRST(&own->waiting)) != NULL) {
        remove_request(own, first);
        (void)evtimer_del(&first->timer);
        own->running = first;
        if (first->is_rollback)
            begin_rollback(session);
        else
            begin_named(session);
    }
    return own->running != NULL;
}

enum checkpoint_end session_checkpoint_drop(struct session *session, const char *which)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one = checkpoints_find(&own->all, which);
    if (one == NULL)
        return CHECKPOINT_UNKNOWN;
    if (one->status == CHECKPOINT_LOST)
        return CHECKPOINT_GONE;
    if (one->status == CHECKPOINT_AWAKE || one == own->wanted)
        return CHECKPOINT_BUSY;
    session_touch(session);
    if (one == checkpoints_nearest(&own->all) && own->mode != CHECKPOINTS_OFF) {
        checkpoints_unname(one); /* it is what a death would lead back to */
        return CHECKPOINT_DONE;
    }
    worker_drop_copy(session->worker, one->pid);
    checkpoints_remove(&own->all, one);
    event_log_commit(session->log);
    return CHECKPOINT_DONE;
}

void session_set_checkpoints(struct session *session, enum checkpoint_mode mode)
{
    session->checkpoints->mode          = mode;
    session->checkpoints->refused_state = 0;
    if (mode == CHECKPOINTS_OFF)
        session_park_drop_own(session, session->checkpoints->target);
    event_active(&session->checkpoints->timer, 0, 0); /* from the loop it is looked at what is wanted now */
}

void session_checkpoints_info(const struct session *session, struct checkpoints_info *ret)
{
    const struct session_checkpoints *own = session->checkpoints;
    *ret                                  = (struct checkpoints_info){
                                         .mode          = own->mode,
                                         .all           = &own->all,
                                         .newest        = checkpoints_nearest(&own->all),
                                         .is_up_to_date = own->state == 0 || checkpoints_at(&own->all, own->state) != NULL,
                                         .reason        = own->reason[0] != '\0' ? own->reason : NULL,
    };
}
