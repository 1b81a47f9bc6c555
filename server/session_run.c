/* session_run.c: the executions of a session: their queue, their turn, what is kept of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "session_given.h"
#include "session_keep.h"
#include "session_limits.h"
#include "session_network.h"
#include "session_private.h"
#include "session_transfer.h"
#include "sessions.h"
#include "watcher.h"

enum { EXECUTIONS_KEPT = 128 /* ended ones per session, for their results and events */ };

static bool has_other_profile(const struct session *session)
{
    return strcmp(session->profile, sessions_settings(session->sessions)->profile) != 0;
}

json_t *session_own_options(struct session *session)
{
    json_t *options;
    json_t *packages     = session_packages_options(session);
    bool    with_profile = !session->profile_sent && has_other_profile(session);
    if (session->variables == NULL && session->environment == NULL && !with_profile && session->uploads == NULL && packages == NULL)
        return NULL;
    options = json_object();
    if (packages != NULL)
        (void)json_object_set_new(options, "packages", packages);
    if (session->uploads != NULL)
        (void)json_object_set_new(options, "uploads", session->uploads);
    session->uploads = NULL;
    if (session->variables != NULL)
        (void)json_object_set(options, "variables", session->variables);
    if (session->environment != NULL)
        (void)json_object_set(options, "envVars", session->environment);
    if (with_profile)
        (void)json_object_set_new(options, "profile", json_string(session->profile));
    session->variables_sent = session->variables != NULL;
    session->profile_sent   = true;
    session_keep(session);
    return options;
}

static void deliver_late(struct session *session)
{
    for (int i = 0; i < PIPES_STREAM_COUNT; i++) {
        if (session->late[i].length > 0)
            execution_on_raw(session->running, (enum pipes_stream)i, session->late[i].data, session->late[i].length);
        session->late_changed |= session->late[i].length > 0;
        bytes_done(&session->late[i]);
    }
}

void session_on_value(enum event_kind kind, const json_t *value, uint64_t seq, void *arg)
{
    struct session *session = arg;
    session_plots_note(session->plots, execution_id(session->running), kind, value, seq);
}

/* What it leaves is noted together with its end. */
void session_on_run_end(struct execution *execution, void *arg)
{
    struct session *session = arg;
    if (session->running != execution || execution_state(execution)->kind != STATE_KEPT)
        return;
    session_note_execution(session, execution_outcome(execution));
    if (session->variables_sent) {
        json_decref(session->variables);
        session->variables = NULL;
        session_keep_values(session);
    }
}

static void start(struct session *session, struct execution *execution)
{
    json_t *options = session_network_apply(session, execution, session_limits_apply(session, execution, session_own_options(session)));

    session->running = execution;
    if (session_is_seated(session))
        execution_keep(execution, &session->seat->run);
    sessions_on_start(session->sessions, session);
    execution_watch_values(execution, session_on_value, session);
    execution_set_on_end(execution, session_on_run_end);
    execution_set_notice(execution, session->notice);
    session_set_notice(session, NULL);
    execution_start(execution, session->worker, ++session->executions, options);
    json_decref(options);
    if (session->running == execution) /* else it could not be started and has ended */
        deliver_late(session);
    if (watcher_count(execution_track(execution)) > 0)
        event_log_flush(session->log);
}

static struct execution *take_from_queue(struct session *session, struct execution_node *node)
{
    TAILQ_REMOVE(&session->queue, node, queue);
    session->queue_count--;
    sessions_on_queued(session->sessions, -1);
    return node->execution;
}

/* If not, what is transactional is refused, and has ended. */
static bool can_be_undone(struct session *session, struct execution *execution)
{
    char        message[CHECKPOINT_REASON + 96];
    const char *reason;
    if (!execution_is_transactional(execution) || session_park_is_exact(session, &reason))
        return true;
    (void)snprintf(message, sizeof message, "A transactional execution needs a checkpoint of what is there before, which can't be had: %s",
                   reason);
    execution_reject(execution, "CheckpointError", message);
    return false;
}

void session_go_on(struct session *session)
{
    struct execution_node *first;
    if (session->held > 0 || session_park_go_on(session) || session_fork_go_on(session) || session_inspect_go_on(session))
        return;
    first = TAILQ_FIRST(&session->queue);
    if (session->state != SESSION_READY || session->running != NULL || first == NULL || worker_state(session->worker) != WORKER_IDLE)
        return;
    if (session_packages_are_ready(session, first->execution) && session_given_is_ready(session, first->execution) &&
        sessions_may_run(session->sessions, session) && can_be_undone(session, first->execution))
        start(session, take_from_queue(session, first));
}

static void on_run_ended(struct session *session, struct execution *execution)
{
    const struct outcome *outcome = execution_outcome(execution);
    session->running              = NULL;
    session_limits_lift(session);
    session_network_lift(session);
    session->execution_ms += execution_ms(execution);
    session->cpu_us += outcome->cpu_user_us + outcome->cpu_system_us;
    if (outcome->cpu_is_split)
        session->jail_cpu_us += outcome->cpu_user_us + outcome->cpu_system_us;
    if (outcome->memory_bytes > 0)
        session->memory_bytes = outcome->memory_bytes;
    session->variables_sent = false;
    session->changed_ms     = json_time_now();
    if (session->seat != NULL)
        session->seat->run.serial = 0;
    sessions_on_stop(session->sessions, session);
}

void session_on_finished(struct execution *execution, void *arg)
{
    struct session *session = arg;
    if (execution == session->running)
        on_run_ended(session, execution);
    else
        (void)take_from_queue(session, execution_node(execution));
    session_touch(session);
    session_go_on(session);
    sessions_on_progress(session->sessions);
}

void session_forget_execution(struct session *session, struct execution *execution)
{
    if (session->given_to == execution)
        session->given_to = NULL;
    if (session->packages != NULL)
        session_packages_forget_execution(session, execution);
    TAILQ_REMOVE(&session->all, execution_node(execution), all);
    session->all_count--;
    sessions_remove_execution(session->sessions, execution);
    execution_free(execution);
}

/* Never from inside a flush, where a track must not go. */
static void trim(struct session *session)
{
    while (session->all_count > EXECUTIONS_KEPT) {
        struct execution *oldest = TAILQ_FIRST(&session->all)->execution;
        if (!execution_has_ended(oldest) || watcher_count(execution_track(oldest)) > 0)
            return;
        session_forget_execution(session, oldest);
    }
}

bool session_has_work(const struct session *session)
{
    return session->running != NULL || session->queue_count > 0 || !TAILQ_EMPTY(&session->races);
}

struct execution_place session_execution_place(struct session *session, execution_on_finished on_end, void *arg)
{
    return (struct execution_place){.base        = sessions_base(session->sessions),
                                    .log         = session->log,
                                    .session     = &session->id,
                                    .owner       = session->owner,
                                    .limits      = &sessions_settings(session->sessions)->output,
                                    .on_finished = on_end,
                                    .arg         = arg};
}

int session_list_execution(struct session *session, struct execution *execution, struct err *err)
{
    if (sessions_add_execution(session->sessions, execution) < 0)
        return err_set(err, ENOMEM, "no memory for an execution");
    TAILQ_INSERT_TAIL(&session->all, execution_node(execution), all);
    session->all_count++;
    return 0;
}

struct execution *session_add_execution(struct session *session, const struct execution_request *request, execution_on_finished on_end,
                                        void *arg, struct err *err)
{
    struct execution_place place = session_execution_place(session, on_end, arg);
    struct execution      *execution;

    trim(session);
    execution = execution_new(&place, sessions_next_serial(session->sessions), request, err);
    if (execution == NULL)
        return NULL;
    if (session_list_execution(session, execution, err) < 0) {
        (void)execution_take_files(execution); /* the caller's still */
        execution_free(execution);
        return NULL;
    }
    return execution;
}

struct execution *session_submit(struct session *session, const struct execution_request *request, bool may_queue,
                                 execution_on_result on_result, void *arg, struct err *err)
{
    const struct sessions_settings *settings = sessions_settings(session->sessions);
    struct execution               *execution;

    if (session_is_in_transfer(session)) {
        (void)err_set(err, EINPROGRESS, "the session is being moved");
        return NULL;
    }
    if (tenant_check_run(session->owner, may_queue, settings->max_queue, json_time_monotonic(), err) < 0)
        return NULL;
    if (!may_queue && session_has_work(session)) {
        (void)err_set(err, EBUSY, "the session runs something else");
        return NULL;
    }
    if (session->queue_count >= settings->max_queue && session_has_work(session)) {
        (void)err_set(err, ENOBUFS, "%zu executions wait in this session already", session->queue_count);
        return NULL;
    }
    execution = session_add_execution(session, request, session_on_finished, session, err);
    if (execution == NULL)
        return NULL;
    if (on_result != NULL)
        execution_set_waiter(execution, on_result, arg);
    TAILQ_INSERT_TAIL(&session->queue, execution_node(execution), queue);
    session->queue_count++;
    sessions_on_queued(session->sessions, 1);
    session_touch(session);
    if (session_is_seated(session))
        execution_keep_files(execution);
    session_go_on(session);
    if (!execution_has_ended(execution) && (session->running != execution || execution_label(execution) != NULL))
        session_keep_waiting(session, execution);
    return execution;
}

bool session_interrupt(struct session *session)
{
    session_touch(session);
    if (session_race_interrupt(session))
        return true;
    if (session->running == NULL)
        return false;
    execution_interrupt(session->running);
    return true;
}

void session_end_executions(struct session *session, const char *reason)
{
    static const struct execution_state lost = {.kind = STATE_LOST};
    while (!TAILQ_EMPTY(&session->queue))
        execution_kill(TAILQ_FIRST(&session->queue)->execution, reason, &lost);
    if (session->running != NULL)
        execution_kill(session->running, reason, &lost);
    session_race_end_all(session, reason);
}

void session_restart(struct session *session)
{
    bool must_kill;
    if (session->state == SESSION_ENDED)
        return;
    session_set_state(session, SESSION_RECOVERING); /* before the executions end, so that none starts */
    session_end_executions(session, "the session was restarted");
    must_kill = session_restore_fresh(session);
    session_set_notice(session, NULL);
    session_touch(session);
    if (must_kill)
        worker_kill_interpreter(session->worker);
}
