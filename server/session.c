#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bytes.h"
#include "fdio.h"
#include "json.h"
#include "log.h"
#include "pool.h"
#include "sessions.h"
#include "stats_wait.h"
#include "watcher.h"
#include "wire.h"

enum {
    EXECUTIONS_KEPT = 256,       /* ended ones per session, for their results and events */
    LATE_MAX        = 64 * 1024, /* text that came while nothing ran; beyond it its writers wait */
    STARTS_MAX      = 3,         /* interpreters, or jails, in a row that die before they are ready */
};

static const char DIED_IDLE[] = "The interpreter died after the previous execution had ended; what it held is lost.";

struct session {
    struct session_node   node;
    struct sessions      *sessions;
    struct id             id;
    char                  id_text[ID_TEXT_BYTES];
    enum session_state    state;
    struct worker        *worker; /* NULL while a new jail is waited for, and when the last one is gone */
    struct pool_claim    *claim;
    struct event_log     *log;
    struct execution_list all, queue; /* oldest first */
    size_t                all_count, queue_count;
    struct execution     *running;
    json_t               *metadata, *environment;
    json_t               *variables; /* for the next cell; kept until one has ended well with them */
    bool                  variables_sent, profile_sent;
    char                  profile[16];
    struct worker_limits  limits;
    uint32_t              idle_timeout_ms;
    int64_t               created_us, last_activity_us, ended_ms; /* since 1970 */
    int64_t               active_ms;                              /* monotonic */
    uint64_t              executions, live;                       /* started ever; ended well on this interpreter */
    unsigned              failed_starts;
    struct bytes          late[PIPES_STREAM_COUNT];
    const char           *notice; /* for the next execution */
    uint64_t              memory_bytes, cpu_us, jail_cpu_us;
    uint32_t              oom_kills;
    double                execution_ms;
    struct stats_wait     stats;
    void (*on_gone)(void *arg);
    void *gone_arg;
};

static const struct worker_events worker_events;

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void touch(struct session *session)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    session->last_activity_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    session->active_ms        = monotonic_ms();
}

static void session_set_state(struct session *session, enum session_state state)
{
    static const char *const names[] = {"ready", "recovering", "ended"};
    if (session->state == state)
        return;
    log_debug("session %s: %s -> %s", session->id_text, names[session->state], names[state]);
    session->state = state;
}

/* ---- executions ---- */

static bool has_other_profile(const struct session *session)
{
    return strcmp(session->profile, sessions_settings(session->sessions)->profile) != 0;
}

/* Options that the session adds to those of its next execution; NULL: none. */
static json_t *own_options(struct session *session)
{
    json_t *options;
    bool    with_profile = !session->profile_sent && has_other_profile(session);
    if (session->variables == NULL && session->environment == NULL && !with_profile)
        return NULL;
    options = json_object();
    if (session->variables != NULL)
        (void)json_object_set(options, "variables", session->variables);
    if (session->environment != NULL)
        (void)json_object_set(options, "envVars", session->environment);
    if (with_profile)
        (void)json_object_set_new(options, "profile", json_string(session->profile));
    session->variables_sent = session->variables != NULL;
    session->profile_sent   = true;
    return options;
}

static void deliver_late(struct session *session)
{
    for (int i = 0; i < PIPES_STREAM_COUNT; i++) {
        if (session->late[i].length > 0)
            execution_on_raw(session->running, (enum pipes_stream)i, session->late[i].data, session->late[i].length);
        bytes_done(&session->late[i]);
    }
}

static void start(struct session *session, struct execution *execution)
{
    json_t *options = own_options(session);

    session->running = execution;
    sessions_on_start(session->sessions);
    execution_set_notice(execution, session->notice);
    session->notice = NULL;
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

void session_go_on(struct session *session)
{
    struct execution_node *first = TAILQ_FIRST(&session->queue);
    if (session->state != SESSION_READY || session->running != NULL || first == NULL || worker_state(session->worker) != WORKER_IDLE)
        return;
    if (sessions_may_run(session->sessions, session))
        start(session, take_from_queue(session, first));
}

static void on_run_ended(struct session *session, struct execution *execution)
{
    const struct outcome *outcome = execution_outcome(execution);
    session->running              = NULL;
    session->execution_ms += execution_ms(execution);
    session->cpu_us += outcome->cpu_user_us + outcome->cpu_system_us;
    if (outcome->cpu_is_split)
        session->jail_cpu_us += outcome->cpu_user_us + outcome->cpu_system_us;
    if (outcome->memory_bytes > 0)
        session->memory_bytes = outcome->memory_bytes;
    if (session->worker != NULL && worker_state(session->worker) == WORKER_IDLE) {
        session->live++;
        if (session->variables_sent) {
            json_decref(session->variables);
            session->variables = NULL;
        }
    }
    session->variables_sent = false;
    sessions_on_stop(session->sessions);
}

static void on_finished(struct execution *execution, void *arg)
{
    struct session *session = arg;
    if (execution == session->running)
        on_run_ended(session, execution);
    else
        (void)take_from_queue(session, execution_node(execution));
    touch(session);
    session_go_on(session);
    sessions_on_progress(session->sessions);
}

static void forget(struct session *session, struct execution *execution)
{
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
        forget(session, oldest);
    }
}

static bool has_something_to_run(const struct session *session)
{
    return session->running != NULL || session->queue_count > 0;
}

struct execution *session_submit(struct session *session, const struct execution_request *request, bool may_queue,
                                 execution_on_result on_result, void *arg, struct err *err)
{
    const struct sessions_settings *settings = sessions_settings(session->sessions);
    struct execution               *execution;

    if (!may_queue && has_something_to_run(session)) {
        (void)err_set(err, EBUSY, "the session runs something else");
        return NULL;
    }
    if (session->queue_count >= settings->max_queue && has_something_to_run(session)) {
        (void)err_set(err, ENOBUFS, "%zu executions wait in this session already", session->queue_count);
        return NULL;
    }
    trim(session);
    execution = execution_new(sessions_base(session->sessions), session->log, sessions_next_serial(session->sessions), &session->id,
                              &settings->output, request, on_finished, session, err);
    if (execution == NULL)
        return NULL;
    if (sessions_add_execution(session->sessions, execution) < 0) {
        execution_free(execution);
        (void)err_set(err, ENOMEM, "no memory for an execution");
        return NULL;
    }
    if (on_result != NULL)
        execution_set_waiter(execution, on_result, arg);
    TAILQ_INSERT_TAIL(&session->all, execution_node(execution), all);
    session->all_count++;
    TAILQ_INSERT_TAIL(&session->queue, execution_node(execution), queue);
    session->queue_count++;
    sessions_on_queued(session->sessions, 1);
    touch(session);
    session_go_on(session);
    return execution;
}

bool session_interrupt(struct session *session)
{
    touch(session);
    if (session->running == NULL)
        return false;
    execution_interrupt(session->running);
    return true;
}

static void end_executions(struct session *session, const char *reason)
{
    static const struct execution_state lost = {.kind = STATE_LOST};
    while (!TAILQ_EMPTY(&session->queue))
        execution_kill(TAILQ_FIRST(&session->queue)->execution, reason, &lost);
    if (session->running != NULL)
        execution_kill(session->running, reason, &lost);
}

void session_restart(struct session *session)
{
    bool is_ready = session->state == SESSION_READY;
    if (session->state == SESSION_ENDED)
        return;
    session_set_state(session, SESSION_RECOVERING); /* before the executions end, so that none starts */
    end_executions(session, "the session was restarted");
    session->live   = 0;
    session->notice = NULL;
    touch(session);
    if (is_ready)
        worker_kill_interpreter(session->worker);
}

/* ---- the worker ---- */

static void on_ready(void *arg)
{
    struct session *session = arg;
    session->failed_starts  = 0;
    session_set_state(session, SESSION_READY);
    session_go_on(session);
}

static void keep_late(struct session *session, enum pipes_stream stream, const char *data, size_t length)
{
    struct bytes *late = &session->late[stream];
    if (!bytes_append(late, data, length))
        log_warn("session %s: %zu bytes of output between executions are lost for want of memory", session->id_text, length);
    if (late->length >= LATE_MAX)
        worker_pause(session->worker);
}

static bool takes_output(const struct session *session)
{
    return session->running != NULL && !execution_is_dying(session->running);
}

static void on_frame(const struct frame *frame, void *arg)
{
    struct session *session = arg;
    if (takes_output(session))
        execution_on_frame(session->running, frame);
    else if (frame->type == EVENT_STDOUT || frame->type == EVENT_STDERR)
        keep_late(session, frame->type == EVENT_STDERR ? PIPES_STDERR : PIPES_STDOUT, frame->payload, frame->length);
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct session *session = arg;
    if (takes_output(session))
        execution_on_raw(session->running, stream, data, length);
    else
        keep_late(session, stream, data, length);
}

static void on_turn(void *arg)
{
    struct session *session = arg;
    if (event_log_is_dirty(session->log))
        event_log_flush(session->log);
}

/* What the death of an interpreter leaves: that of one that has run nothing yet is no loss. */
static struct execution_state state_after_death(const struct session *session)
{
    struct execution_state lost = {.kind = STATE_LOST}, fresh = {.kind = STATE_ROLLED_BACK, .restored_to = 0};
    return session->live > 0 ? lost : fresh;
}

static void on_interpreter_exit(int status, void *arg)
{
    struct session        *session = arg;
    struct execution_state after   = state_after_death(session);

    session_set_state(session, SESSION_RECOVERING);
    if (takes_output(session))
        execution_on_exit(session->running, status, &after);
    else if (session->live > 0)
        session->notice = DIED_IDLE;
    if (session->state == SESSION_ENDED)
        return;
    session->live         = 0;
    session->profile_sent = false;
    if (++session->failed_starts > STARTS_MAX)
        worker_end(session->worker, "its interpreter dies before it is ready");
    else
        worker_respawn(session->worker);
}

static void on_stats(const struct session_stats *stats, void *arg)
{
    struct session *session = arg;
    bool            oom     = stats->oom_kills > session->oom_kills;
    uint64_t        cpu_us  = stats->cpu_us > session->jail_cpu_us ? stats->cpu_us - session->jail_cpu_us : 0;

    session->oom_kills    = stats->oom_kills;
    session->jail_cpu_us  = stats->cpu_us;
    session->memory_bytes = stats->memory_bytes;
    if (session->running != NULL)
        execution_on_stats(session->running, stats, oom, cpu_us);
    stats_wait_answer(&session->stats, stats);
}

static void tell_gone(struct session *session)
{
    void (*on_gone)(void *arg) = session->on_gone;
    session->on_gone           = NULL;
    if (on_gone != NULL)
        on_gone(session->gone_arg);
    sessions_on_gone(session->sessions);
}

static void take_worker(struct session *session, struct worker *worker)
{
    session->worker      = worker;
    session->oom_kills   = 0;
    session->jail_cpu_us = 0;
    worker_set_owner(worker, &worker_events, session);
    on_ready(session);
}

static void on_new_jail(struct worker *worker, const char *reason, void *arg)
{
    struct session *session = arg;
    int             log_fd;
    session->claim = NULL;
    if (worker == NULL) {
        log_error("session %s ends, since no new jail can be had: %s", session->id_text, reason);
        session_end(session, "failed", NULL, NULL);
        return;
    }
    log_fd = worker_take_log(worker); /* its events go on in the log it has */
    fdio_close(&log_fd);
    take_worker(session, worker);
}

static void replace_jail(struct session *session)
{
    static const struct worker_limits none = {0};
    struct err                        err  = {0};
    if (++session->failed_starts > STARTS_MAX) {
        session_end(session, "failed", NULL, NULL);
        return;
    }
    session->claim = pool_wait(sessions_pool(session->sessions),
                               memcmp(&session->limits, &none, sizeof none) != 0 ? &session->limits : NULL, on_new_jail, session, &err);
    if (session->claim == NULL)
        session_end(session, "failed", NULL, NULL);
}

static void on_jail_gone(const struct worker_death *death, void *arg)
{
    struct session *session = arg;
    session->worker         = NULL;
    if (session->state == SESSION_ENDED) {
        tell_gone(session);
        return;
    }
    log_warn("session %s: its jail is gone%s%s", session->id_text, death->reason[0] != '\0' ? ": " : "", death->reason);
    session_set_state(session, SESSION_RECOVERING);
    if (session->running != NULL)
        execution_on_gone(session->running, death);
    else if (session->live > 0)
        session->notice = DIED_IDLE;
    session->live         = 0;
    session->profile_sent = false;
    if (session->state != SESSION_ENDED)
        replace_jail(session);
}

static const struct worker_events worker_events = {on_ready, on_frame, on_raw, on_turn, on_interpreter_exit, on_stats, on_jail_gone};

/* ---- its life ---- */

static struct event_log *open_log(struct session *session, struct worker *worker, struct err *err)
{
    int fd = worker_take_log(worker);
    return event_log_open(fd, &sessions_settings(session->sessions)->log, err);
}

static void fill(struct session *session, const struct session_request *request)
{
    const struct sessions_settings *settings = sessions_settings(session->sessions);
    if (request->has_id)
        session->id = request->id;
    else
        id_make(&session->id);
    id_format(&session->id, session->id_text);
    session->metadata        = json_incref(request->metadata);
    session->variables       = json_incref(request->variables);
    session->environment     = json_incref(request->environment);
    session->limits          = request->limits;
    session->idle_timeout_ms = request->idle_timeout_ms != 0 ? request->idle_timeout_ms : settings->idle_timeout_ms;
    (void)snprintf(session->profile, sizeof session->profile, "%s", request->profile[0] != '\0' ? request->profile : settings->profile);
    touch(session);
    session->created_us = session->last_activity_us;
}

struct session *session_new(struct sessions *sessions, const struct session_request *request, struct worker *worker, struct err *err)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        worker_release(worker);
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    session->node.session = session;
    session->sessions     = sessions;
    session->state        = SESSION_RECOVERING;
    TAILQ_INIT(&session->all);
    TAILQ_INIT(&session->queue);
    stats_wait_init(&session->stats, sessions_base(sessions));
    fill(session, request);
    session->log = open_log(session, worker, err);
    if (session->log == NULL) {
        worker_release(worker);
        session_free(session);
        return NULL;
    }
    take_worker(session, worker);
    return session;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    stats_wait_done(&session->stats);
    pool_cancel(session->claim);
    worker_release(session->worker);
    while (!TAILQ_EMPTY(&session->all))
        forget(session, TAILQ_FIRST(&session->all)->execution);
    event_log_free(session->log);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        bytes_done(&session->late[i]);
    json_decref(session->metadata);
    json_decref(session->variables);
    json_decref(session->environment);
    free(session);
}

void session_end(struct session *session, const char *reason, void (*on_gone)(void *arg), void *arg)
{
    char text[64];
    (void)snprintf(text, sizeof text, "the session %s", reason);
    session->on_gone  = on_gone;
    session->gone_arg = arg;
    session_set_state(session, SESSION_ENDED);
    session->ended_ms = json_time_now();
    sessions_on_ended(session->sessions, session, reason);
    end_executions(session, text);
    pool_cancel(session->claim);
    session->claim = NULL;
    if (session->worker != NULL)
        worker_end(session->worker, text);
    else
        tell_gone(session);
}

void session_forget_gone(struct session *session, void *arg)
{
    if (session->gone_arg == arg)
        session->on_gone = NULL;
}

int session_update(struct session *session, json_t *metadata, json_t *variables)
{
    touch(session);
    if (metadata != NULL) {
        json_t *merged = session->metadata != NULL ? json_copy(session->metadata) : json_object();
        if (merged == NULL || json_object_update(merged, metadata) < 0)
            return -1;
        json_decref(session->metadata);
        session->metadata = merged;
    }
    if (variables != NULL) {
        json_t *merged = session->variables != NULL ? json_copy(session->variables) : json_object();
        if (merged == NULL || json_object_update(merged, variables) < 0)
            return -1;
        json_decref(session->variables);
        session->variables      = merged;
        session->variables_sent = false;
    }
    return 0;
}

void session_ask_stats(struct session *session, void (*on_stats)(const struct session_stats *stats, void *arg), void *arg)
{
    if (session->worker == NULL || !stats_wait_add(&session->stats, on_stats, arg)) {
        on_stats(NULL, arg);
        return;
    }
    if (!worker_ask_stats(session->worker)) {
        stats_wait_remove(&session->stats, arg);
        on_stats(NULL, arg);
    }
}

void session_forget_stats(struct session *session, void *arg)
{
    stats_wait_remove(&session->stats, arg);
}

void session_get_info(const struct session *session, struct session_info *ret)
{
    *ret = (struct session_info){
        .id               = &session->id,
        .id_text          = session->id_text,
        .created_us       = session->created_us,
        .last_activity_us = session->last_activity_us,
        .expires_ms       = session->last_activity_us / 1000 + session->idle_timeout_ms,
        .busy             = has_something_to_run(session),
        .metadata         = session->metadata,
        .profile          = session->profile,
        .limits           = session->limits,
        .executions       = session->executions,
        .memory_bytes     = session->memory_bytes,
        .cpu_us           = session->cpu_us,
        .execution_ms     = session->execution_ms,
    };
}

struct session_node *session_node(struct session *session)
{
    return &session->node;
}

enum session_state session_state(const struct session *session)
{
    return session->state;
}

const struct id *session_id(const struct session *session)
{
    return &session->id;
}

struct event_log *session_log(struct session *session)
{
    return session->log;
}

size_t session_queue_length(const struct session *session)
{
    return session->queue_count;
}

bool session_is_expired(const struct session *session, int64_t now_ms)
{
    bool runs = session->running != NULL && execution_status(session->running) != EXECUTION_INPUT_REQUIRED;
    return !runs && session->active_ms + session->idle_timeout_ms <= now_ms;
}

bool session_is_over(const struct session *session)
{
    struct execution_node *node;
    if (session->state != SESSION_ENDED || session->worker != NULL)
        return false;
    TAILQ_FOREACH(node, &session->all, all)
    {
        if (watcher_count(execution_track(node->execution)) > 0)
            return false;
    }
    return true;
}

int64_t session_ended_ms(const struct session *session)
{
    return session->ended_ms;
}
