/* session_restore.c: the way back to a parked copy, when an interpreter has died or is to be as it was. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "json.h"
#include "metrics.h"
#include "session_checkpoints_private.h"

static const struct execution_state LOST  = {.kind = STATE_LOST};
static const struct execution_state FRESH = {.kind = STATE_ROLLED_BACK, .restored_to = 0};

/* Nobody runs anything that could be told, and nobody asked for it: the next execution says so. */
static void leave_notice(struct session *session, const struct execution_state *after)
{
    char text[160];
    if (after->kind == STATE_LOST)
        (void)snprintf(text, sizeof text, "The interpreter died after the previous execution had ended; what it held is lost.");
    else
        (void)snprintf(text, sizeof text,
                       "The interpreter died after the previous execution had ended; it is as it was after execution %" PRIu64 ".",
                       after->restored_to);
    session_set_notice(session, text);
}

static void tell(struct session *session, const struct execution_state *after)
{
    struct session_checkpoints *own    = session->checkpoints;
    bool                        is_due = own->running == NULL && !own->wants_fresh && own->state != 0;
    if (session->running != NULL && execution_is_dying(session->running))
        execution_on_state(session->running, after);
    else if (is_due && !session_inspect_runs(session))
        leave_notice(session, after);
    session_inspect_on_state(session, after);
}

/* What is told to an interpreter once: this one may be older. */
static void forget_told(struct session *session)
{
    session->profile_sent = false;
    session_packages_on_fresh(session);
}

static void respawn(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    tell(session, own->state == 0 ? &FRESH : &LOST);
    if (session->state == SESSION_ENDED)
        return;
    session_checkpoints_answer(session, CHECKPOINT_GONE, NULL);
    session_park_drop_own(session, NULL);
    checkpoints_leave(&own->all);
    own->state           = 0;
    own->memory_bytes    = 0;
    own->execution_count = 0;
    forget_told(session);
    session_respawn(session);
}

/* Each attempt that fails costs a copy, so this ends. */
static void wake_next(struct session *session)
{
    struct session_checkpoints *own  = session->checkpoints;
    struct checkpoint          *next = own->wanted != NULL ? own->wanted : checkpoints_nearest(&own->all);
    own->wanted                      = NULL;
    if (next == NULL || own->wants_fresh) {
        respawn(session);
        return;
    }
    own->target  = next;
    next->status = CHECKPOINT_AWAKE;
    worker_wake_copy(session->worker, next->pid);
}

/* What was under way when the interpreter died: a copy being taken, or one being woken. */
static void abandon(struct session *session, enum checkpoint_end end)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->purpose == PARK_NAMED)
        session_checkpoints_answer(session, end, NULL);
    if (own->target != NULL)
        checkpoints_lose(&own->all, own->target);
    own->target  = NULL;
    own->purpose = PARK_NONE;
}

void session_restore_on_exit(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->wanted == NULL && own->target == NULL)
        own->started_us = metrics_now_us();
    abandon(session, CHECKPOINT_DIED);
    wake_next(session);
}

/* The copy lives on as the interpreter; what is parked again takes its place, so that the next death, too, leads back to it. */
static void park_again(struct session *session)
{
    struct session_checkpoints *own    = session->checkpoints;
    struct checkpoint          *target = own->target;
    session_park_drop_own(session, target);
    if (own->mode == CHECKPOINTS_OFF && !target->is_named) {
        own->target = NULL;
        checkpoints_remove(&own->all, target);
        return;
    }
    (void)session_park_begin(session, PARK_AGAIN);
}

static void on_restored(struct session *session)
{
    struct session_checkpoints *own    = session->checkpoints;
    struct checkpoint          *target = own->target;
    struct execution_state      after  = {.kind = STATE_ROLLED_BACK, .restored_to = target->execution_count};
    bool                        is_it  = own->running != NULL && checkpoints_find(&own->all, own->running->which) == target;

    metrics_observe(METRICS_RESTORE, (uint64_t)(metrics_now_us() - own->started_us));
    tell(session, &after);
    if (session->state == SESSION_ENDED)
        return;
    own->state           = target->state;
    own->memory_bytes    = target->memory_bytes;
    own->execution_count = target->execution_count;
    checkpoints_return(&own->all, target);
    forget_told(session);
    json_decref(session->uploads);
    session->uploads    = json_true(); /* it does not know what has become of the files since */
    session->changed_ms = json_time_now();
    event_log_commit(session->log);
    session_checkpoints_answer(session, is_it ? CHECKPOINT_DONE : CHECKPOINT_GONE, target);
    park_again(session);
}

void session_restore_on_ready(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    if (own->wants_fresh && own->target != NULL)
        return; /* a restart has overtaken it: it is being killed */
    if (own->target != NULL)
        on_restored(session);
    own->wants_fresh = false;
    if (session->state == SESSION_ENDED)
        return;
    session_set_state(session, SESSION_READY);
    session_go_on(session);
}

void session_restore_on_copy_gone(struct session *session, int32_t pid, int status)
{
    struct session_checkpoints *own       = session->checkpoints;
    struct checkpoint          *gone      = checkpoints_of_pid(&own->all, pid);
    bool                        is_waking = gone != NULL && gone == own->target;
    if (gone == NULL)
        return;
    if (gone == own->wanted)
        own->wanted = NULL;
    checkpoints_lose(&own->all, gone);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && session->running == NULL)
        (void)worker_ask_stats(session->worker); /* if the kernel did it for want of memory, that was no cell's death */
    if (!is_waking)
        return;
    own->target = NULL;
    if (session->state != SESSION_ENDED)
        wake_next(session);
}

static void lose_all(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    struct checkpoint          *one, *next;
    abandon(session, CHECKPOINT_DIED);
    session_checkpoints_answer(session, CHECKPOINT_DIED, NULL);
    for (one = TAILQ_FIRST(&own->all.list); one != NULL; one = next) {
        next = TAILQ_NEXT(one, entry);
        if (one->status != CHECKPOINT_LOST)
            checkpoints_lose(&own->all, one);
    }
    checkpoints_leave(&own->all);
    own->wanted      = NULL;
    own->wants_fresh = false;
}

void session_restore_on_jail_gone(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    tell(session, &LOST);
    lose_all(session);
    own->state           = 0;
    own->memory_bytes    = 0;
    own->execution_count = 0;
    forget_told(session);
}

void session_restore_on_exchange(struct session *session)
{
    abandon(session, CHECKPOINT_DIED);
    session->checkpoints->wanted      = NULL;
    session->checkpoints->wants_fresh = false;
}

void session_restore_begin(struct session *session, struct checkpoint *wanted)
{
    session->checkpoints->wanted     = wanted;
    session->checkpoints->started_us = metrics_now_us();
    session_set_state(session, SESSION_RECOVERING);
    event_log_commit(session->log); /* whoever takes over is to know what the interpreter dies for */
    worker_kill_interpreter(session->worker);
}

void session_restore_undo(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    session_restore_begin(session, checkpoints_at(&own->all, own->state));
}

bool session_restore_fresh(struct session *session)
{
    struct session_checkpoints *own = session->checkpoints;
    session_checkpoints_end_all(session);
    session_park_drop_own(session, own->target);
    checkpoints_leave(&own->all);
    own->wanted      = NULL;
    own->wants_fresh = true;
    own->state       = 0;
    event_log_commit(session->log);
    if (session->worker == NULL)
        return false;
    switch (worker_state(session->worker)) {
    case WORKER_SPAWNING:
    case WORKER_STARTING:
    case WORKER_ABSENT:
    case WORKER_ENDING: return false;
    default: return true;
    }
}
