/* session_park.c: when a copy of a session's interpreter is taken, and what becomes of the older ones. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "session_checkpoints_private.h"
#include "sessions.h"
#include "text.h"
#include "wire.h"

enum {
    COST_LEAST_US  = 200,
    COST_WHOLE     = 5,     /* of a copy, by that of its fork */
    FIRST_PAUSE_US = 50000, /* a session that is ended sooner after its first cell is spared its first copy */
};

uint64_t session_state_number(const struct session *session)
{
    return session->checkpoints->state;
}

void session_note_change(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    own->state                      = ++own->last_state;
}

void session_note_execution(struct session *session, const struct outcome *outcome)
{
    session->checkpoints->execution_count = session->executions;
    session->checkpoints->memory_bytes    = outcome->memory_bytes;
    session_note_change(session);
}

void session_note_inherited(struct session *session)
{
    session->checkpoints->execution_count = session->executions;
    session_note_change(session);
}

bool session_park_runs(const struct session *session)
{
    return session->checkpoints->purpose != PARK_NONE;
}

static bool is_held(const struct session_checkpoints *own)
{
    return own->state == 0 || checkpoints_at(&own->all, own->state) != NULL;
}

bool session_park_is_exact(const struct session *session, const char **ret_reason)
{
    const struct session_checkpoints *own = session->checkpoints;
    *ret_reason                           = own->reason;
    return is_held(own);
}

static void refuse(struct session_checkpoints *own, const char *reason)
{
    own->refused_state = own->state;
    (void)snprintf(own->reason, sizeof own->reason, "%.*s", (int)text_cut(reason, strlen(reason), sizeof own->reason - 1), reason);
}

static uint64_t memory_limit(const struct session *session)
{
    const struct policies *policies = sessions_settings(session->sessions)->policies;
    return session->limits.memory_bytes != 0 ? session->limits.memory_bytes : policies->memory_per_session_bytes;
}

/* Where the interpreter changes all it has while a copy holds what it was, both count. Named copies are their maker's to judge. */
static bool has_room(const struct session *session)
{
    return session->checkpoints->memory_bytes * 2 <= memory_limit(session);
}

static void make_room(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *oldest;
    while (own->memory_bytes + checkpoints_own_bytes(&own->all) > memory_limit(session) &&
           (oldest = checkpoints_oldest_own(&own->all, NULL)) != NULL) {
        worker_drop_copy(session->worker, oldest->pid);
        checkpoints_remove(&own->all, oldest);
    }
}

void session_park_drop_own(struct session *session, const struct checkpoint *but)
{
    struct checkpoint *oldest;
    while ((oldest = checkpoints_oldest_own(&session->checkpoints->all, but)) != NULL) {
        if (session->worker != NULL)
            worker_drop_copy(session->worker, oldest->pid);
        checkpoints_remove(&session->checkpoints->all, oldest);
    }
}

bool session_park_begin(struct session *session, enum park_purpose purpose)
{
    struct session_checkpoints *own = session->checkpoints;
    struct err                  err = {0};
    if (worker_park(session->worker, &err) < 0) {
        worker_end(session->worker, err.message);
        return true;
    }
    own->purpose    = purpose;
    own->started_us = metrics_now_us();
    return true;
}

/* Whether something waits for the interpreter, which might be its end. */
static bool is_about_to_run(const struct session *session)
{
    return session->queue_count > 0 || session_inspect_waits(session);
}

static void wait_for_budget(struct session *session, int64_t wait_us)
{
    struct timeval after = {.tv_sec = wait_us / 1000000, .tv_usec = wait_us % 1000000};
    if (!evtimer_pending(&session->checkpoints->timer, NULL))
        (void)evtimer_add(&session->checkpoints->timer, &after);
}

/* Whether nothing has come for a while since a session's first copy was wanted. A third of what a session of one cell costs is that copy. */
static bool has_paused(struct session *session, int64_t now_us)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->first_us == 0)
        own->first_us = now_us;
    if (now_us - own->first_us >= FIRST_PAUSE_US)
        return true;
    wait_for_budget(session, own->first_us + FIRST_PAUSE_US - now_us);
    return false;
}

/*
 * A session's first copy (but not the attempts at it that fail) is worth its price whatever else goes on, just before something runs that could be the end of what it holds. One
 * that nobody has come back to yet is not copied before that: most are used once.
 */
static bool is_affordable(struct session *session)
{
    struct session_checkpoints *own    = session->checkpoints;
    bool                        waits  = is_about_to_run(session);
    int64_t                     now_us = metrics_now_us(), wait_us;
    if (own->mode == CHECKPOINTS_ALWAYS)
        return true;
    if (!waits && session->is_casual && session->executions < 2)
        return false;
    if (waits && checkpoints_nearest(&own->all) == NULL && own->reason[0] == '\0')
        return true;
    if (!waits && checkpoints_nearest(&own->all) == NULL && !has_paused(session, now_us))
        return false;
    wait_us = checkpoint_budget_wait_us(&own->budget, now_us);
    if (wait_us > 0)
        wait_for_budget(session, wait_us);
    return wait_us == 0 && checkpoint_line_ask(own->line, &own->place);
}

static bool is_wanted(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->mode == CHECKPOINTS_OFF || own->refused_state == own->state || is_held(own))
        return false;
    if (own->mode == CHECKPOINTS_ALWAYS || has_room(session))
        return true;
    make_room(session);
    refuse(own, "the session uses so much of its memory that a copy could make it run out");
    return false;
}

/* A transactional execution is next, whose failure must lead back to exactly this state. */
static bool is_needed(const struct session *session)
{
    const struct session_checkpoints *own   = session->checkpoints;
    const struct execution_node      *first = TAILQ_FIRST(&session->queue);
    return first != NULL && execution_is_transactional(first->execution) && own->refused_state != own->state && !is_held(own);
}

/* One that a transactional execution needed. */
static void drop_unwanted(struct session *session)
{
    const struct execution_node *first = TAILQ_FIRST(&session->queue);
    if (session->checkpoints->mode == CHECKPOINTS_OFF && (first == NULL || !execution_is_transactional(first->execution)))
        session_park_drop_own(session, NULL);
}

bool session_park_go_on(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    bool                        wanted;
    if (session_park_runs(session))
        return true;
    if (session->state != SESSION_READY || session->running != NULL || worker_state(session->worker) != WORKER_IDLE)
        return false;
    if (session_checkpoints_go_on(session))
        return true;
    drop_unwanted(session);
    wanted = is_wanted(session);
    if (!wanted) /* the present state has been copied out of turn, or never will be: others go first */
        checkpoint_line_leave(own->line, &own->place);
    if (is_needed(session) || (wanted && is_affordable(session)))
        return session_park_begin(session, PARK_OWN);
    return false;
}

/* ---- what the interpreter says ---- */

static void keep_again(struct session *session, int32_t pid)
{
    struct session_checkpoints *own    = session->checkpoints;
    struct checkpoint          *target = own->target;
    own->target                        = NULL;
    if (pid == 0) {
        checkpoints_lose(&own->all, target);
        return;
    }
    target->pid    = pid;
    target->status = CHECKPOINT_PARKED;
}

static void keep_new(struct session *session, enum park_purpose purpose, int32_t pid)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one = checkpoints_add(&own->all, purpose == PARK_NAMED ? own->running->which : NULL, pid, own->state);
    if (one == NULL) {
        worker_drop_copy(session->worker, pid);
        refuse(own, "no memory for a checkpoint");
    } else {
        one->execution_count = own->execution_count;
        one->memory_bytes    = own->memory_bytes;
        if (purpose == PARK_OWN)
            session_park_drop_own(session, one);
    }
    if (purpose == PARK_NAMED)
        session_checkpoints_answer(session, one != NULL ? CHECKPOINT_DONE : CHECKPOINT_REFUSED, one);
}

static void take(struct session *session, enum park_purpose purpose, int32_t pid)
{
    struct session_checkpoints *own = session->checkpoints;
    metrics_observe(METRICS_CHECKPOINT, (uint64_t)(metrics_now_us() - own->started_us));
    own->reason[0] = '\0';
    worker_keep_copy(session->worker, pid);
    if (purpose == PARK_AGAIN)
        keep_again(session, pid);
    else
        keep_new(session, purpose, pid);
}

static void fail(struct session *session, enum park_purpose purpose, const char *reason)
{
    metrics_add(METRICS_CHECKPOINTS_REFUSED, 1);
    refuse(session->checkpoints, reason);
    if (purpose == PARK_AGAIN)
        keep_again(session, 0);
    if (purpose == PARK_NAMED)
        session_checkpoints_answer(session, CHECKPOINT_REFUSED, NULL);
}

/*
 * What the interpreter says that the fork took of the processor is believed within bounds; the wait for a processor that others held is no
 * cost of ours. The rest of the price comes with it: the copy's start, the end of the one before, the pages that the interpreter copies
 * when it goes on. An attempt that gave nothing has cost something all the same.
 */
static void pay(struct session *session, int64_t said_us)
{
    struct session_checkpoints *own  = session->checkpoints;
    int64_t                     wall = metrics_now_us() - own->started_us, cost = said_us;
    if (own->purpose != PARK_OWN)
        return;
    if (cost < COST_LEAST_US)
        cost = COST_LEAST_US;
    cost = (cost < wall ? cost : wall) * COST_WHOLE;
    checkpoint_budget_spend(&own->budget, cost);
    checkpoint_line_pay(own->line, &own->place, cost);
}

void session_park_on_frame(struct session *session, const struct frame *frame)
{
    struct session_checkpoints *own     = session->checkpoints;
    enum park_purpose           purpose = own->purpose;
    json_error_t                error;
    json_t                     *said   = json_loadb(frame->payload, frame->length, 0, &error);
    json_int_t                  pid    = json_integer_value(json_object_get(said, "pid"));
    const char                 *reason = json_string_value(json_object_get(said, "reason"));

    if (own->wants_fresh) { /* it is being killed, and the copy with it */
        json_decref(said);
        return;
    }
    pay(session, json_integer_value(json_object_get(said, "cpu")));
    own->purpose = PARK_NONE;
    if (pid > 1 && pid <= INT32_MAX)
        take(session, purpose, (int32_t)pid);
    else
        fail(session, purpose, reason != NULL ? reason : "the interpreter does not say why");
    json_decref(said);
    session_go_on(session);
}
