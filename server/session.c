#define _GNU_SOURCE
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "log.h"
#include "session_given.h"
#include "session_keep.h"
#include "session_private.h"
#include "sessions.h"
#include "watcher.h"

enum { SHED_AFTER_MS = 1000 /* who makes a session and has something to run runs it at once */ };

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void session_touch(struct session *session)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    session->last_activity_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    session->active_ms        = monotonic_ms();
    session->hibernated       = false;
    session_keep(session);
}

void session_set_state(struct session *session, enum session_state state)
{
    static const char *const names[] = {"ready", "recovering", "ended"};
    if (session->state == state)
        return;
    log_debug("session %s: %s -> %s", session->id_text, names[session->state], names[state]);
    session->state = state;
}

void session_set_notice(struct session *session, const char *notice)
{
    free(session->notice);
    session->notice = notice != NULL ? strdup(notice) : NULL;
}

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
    session->owner           = request->owner;
    session->metadata        = json_incref(request->metadata);
    session->variables       = json_incref(request->variables);
    session->environment     = json_incref(request->environment);
    session->limits          = request->limits;
    session->is_casual       = request->is_casual;
    session->is_part         = request->is_part;
    session->idle_timeout_ms = request->idle_timeout_ms != 0 ? request->idle_timeout_ms : settings->idle_timeout_ms;
    (void)snprintf(session->profile, sizeof session->profile, "%s", request->profile[0] != '\0' ? request->profile : settings->profile);
    session_touch(session);
    session->created_us = session->last_activity_us;
    session->changed_ms = session->created_us / 1000;
}

void session_begin(struct session *session, struct sessions *sessions)
{
    session->node.session = session;
    session->sessions     = sessions;
    session->state        = SESSION_RECOVERING;
    TAILQ_INIT(&session->all);
    TAILQ_INIT(&session->queue);
    TAILQ_INIT(&session->races);
    TAILQ_INIT(&session->joins);
    stats_wait_init(&session->stats, sessions_base(sessions));
}

bool session_make_parts(struct session *session, enum checkpoint_mode mode)
{
    struct event_base *base = sessions_base(session->sessions);
    session->inspections    = session_inspect_new(base);
    session->reader         = session_reader_new(session);
    session->forks          = session_forks_new();
    session->checkpoints    = session_checkpoints_new(session, base, mode);
    session->files          = session_files_new(session, base);
    session->packages       = session_packages_new(session, base);
    session->plots          = session_plots_new(sessions_settings(session->sessions)->output.plots);
    return session->inspections != NULL && session->checkpoints != NULL && session->reader != NULL && session->forks != NULL &&
           session->files != NULL && session->packages != NULL && session->plots != NULL;
}

struct session *session_new(struct sessions *sessions, const struct session_request *request, struct worker *worker, struct err *err)
{
    struct session *session = calloc(1, sizeof *session);
    bool            has_parts;
    if (session == NULL) {
        worker_release(worker);
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    session_begin(session, sessions);
    fill(session, request);
    has_parts    = session_make_parts(session, request->has_checkpoints ? request->checkpoints
                                                                        : sessions_settings(sessions)->policies->checkpoint_mode);
    session->log = has_parts ? open_log(session, worker, err) : NULL;
    if (session->log == NULL || session_keep_begin(session) < 0) {
        if (session->log != NULL || !has_parts)
            (void)err_set(err, ENOMEM, "no memory for a session");
        worker_release(worker);
        session_free(session);
        return NULL;
    }
    session_take_worker(session, worker);
    return session;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    session_keep_end(session);
    stats_wait_done(&session->stats);
    session_packages_free(session->packages);
    session->packages = NULL;
    session_inspect_free(session->inspections);
    session_race_free_all(session);
    session_join_free_all(session);
    session_forks_free(session->forks);
    session_reader_free(session->reader);
    session_checkpoints_free(session->checkpoints);
    session_plots_free(session->plots);
    session_given_cancel(session);
    bytes_done(&session->copies);
    json_decref(session->uploads);
    session_files_free(session->files);
    pool_cancel(session->claim);
    worker_release(session->worker);
    while (!TAILQ_EMPTY(&session->all))
        session_forget_execution(session, TAILQ_FIRST(&session->all)->execution);
    event_log_free(session->log);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        bytes_done(&session->late[i]);
    json_decref(session->metadata);
    json_decref(session->variables);
    json_decref(session->environment);
    free(session->notice);
    free(session);
}

void session_inherit(struct session *session, const struct session *parent, const struct fork_moment *moment)
{
    session->is_fork     = true;
    session->forked_from = parent->id;
    session->executions  = moment->executions;
    if (moment->live > 0)
        session_note_inherited(session);
    session->profile_sent = moment->profile_sent;
    session->variables    = json_incref(moment->variables);
    session->uploads      = json_true(); /* whatever the others of the family have written since is none of its next cell's doing */
    session->memory_bytes = parent->memory_bytes;
    session_packages_copy(session, parent);
    session_keep(session);
    session_keep_values(session);
    event_log_commit(session->log);
}

void session_end(struct session *session, const char *reason, void (*on_gone)(void *arg), void *arg)
{
    char text[64];
    (void)snprintf(text, sizeof text, "the session %s", reason);
    session->on_gone  = on_gone;
    session->gone_arg = arg;
    session_set_state(session, SESSION_ENDED);
    session_keep_end(session);
    session->ended_ms = json_time_now();
    session->is_kept |= strcmp(reason, "failed") == 0; /* nobody expected it: what came of its executions can be asked for */
    sessions_on_ended(session->sessions, session, reason);
    session_end_executions(session, text);
    session_inspect_end_all(session);
    session_packages_end_all(session);
    session_fork_end_all(session);
    session_join_end_all(session);
    session_checkpoints_end_all(session);
    session_files_on_end(session);
    pool_cancel(session->claim);
    session->claim = NULL;
    if (session->worker != NULL)
        worker_end(session->worker, text);
    else
        session_tell_gone(session);
}

void session_leave(struct session *session, bool keep)
{
    if (session->state == SESSION_ENDED || session->node.leaves)
        return;
    session->is_kept = keep;
    sessions_on_leaving(session->sessions, session);
}

void session_set_deadline(struct session *session, int64_t in_ms, bool pauses)
{
    session_touch(session);
    session->deadline_ms    = in_ms > 0 ? session->active_ms + in_ms : 0;
    session->deadline_at_ms = in_ms > 0 ? session->last_activity_us / 1000 + in_ms : 0;
    session->pauses         = pauses;
    session->paused         = false;
    session_keep(session);
}

void session_pause(struct session *session)
{
    session->paused         = true;
    session->deadline_ms    = 0;
    session->deadline_at_ms = 0;
    session_keep(session);
}

/* Nobody has to be there when the deadline passes: it is enough that whoever looks sees it. */
static bool is_paused(const struct session *session, int64_t now_ms)
{
    return session->paused || (session->pauses && session->deadline_ms != 0 && session->deadline_ms <= now_ms);
}

void session_forget_gone(struct session *session, void *arg)
{
    if (session->gone_arg == arg)
        session->on_gone = NULL;
}

int session_update(struct session *session, json_t *metadata, json_t *variables)
{
    session_touch(session);
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
    session_keep_values(session);
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
    struct checkpoints_info checkpoints;
    session_checkpoints_info(session, &checkpoints);
    *ret = (struct session_info){
        .id               = &session->id,
        .id_text          = session->id_text,
        .created_us       = session->created_us,
        .last_activity_us = session->last_activity_us,
        .hibernated       = session->hibernated,
        .reclaimed        = session->worker != NULL ? worker_reclaimed(session->worker) : NULL,
        .expires_ms       = session->last_activity_us / 1000 + session->idle_timeout_ms,
        .busy             = session_has_work(session),
        .is_empty         = session_state_number(session) == 0 && session->variables == NULL && session->running == NULL,
        .metadata         = session->metadata,
        .environment      = session->environment,
        .idle_timeout_ms  = session->idle_timeout_ms,
        .profile          = session->profile,
        .limits           = session->limits,
        .checkpoints      = checkpoints.mode,
        .executions       = session->executions,
        .memory_bytes     = session->memory_bytes,
        .cpu_us           = session->cpu_us,
        .execution_ms     = session->execution_ms,
        .changed_ms       = session->changed_ms,
        .forked_from      = session->is_fork ? &session->forked_from : NULL,
        .is_part          = session->is_part,
        .family           = session->worker != NULL ? worker_family(session->worker) : 1,
        .deadline_ms      = session->deadline_at_ms,
        .pauses           = session->pauses,
        .paused           = is_paused(session, monotonic_ms()),
        .moved_to         = session->has_moved ? &session->moved_to : NULL,
    };
}

bool session_hibernate(struct session *session, int64_t now_ms, uint32_t after_ms)
{
    if (session->hibernated || after_ms == 0 || session->active_ms + after_ms > now_ms || session->worker == NULL ||
        session_has_work(session) || session_inspect_runs(session) || session_files_are_used(session))
        return false;
    session->hibernated = worker_reclaim(session->worker);
    return session->hibernated;
}

bool session_shed(struct session *session, int64_t now_ms)
{
    if (session->has_shed || session->executions > 0 || session->active_ms + SHED_AFTER_MS > now_ms || session->worker == NULL ||
        session_has_work(session) || session_inspect_runs(session))
        return false;
    session->has_shed = worker_shed(session->worker);
    return session->has_shed;
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

struct tenant *session_owner(const struct session *session)
{
    return session->owner;
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
    bool races = !TAILQ_EMPTY(&session->races);
    bool runs  = session->running != NULL && execution_status(session->running) != EXECUTION_INPUT_REQUIRED;
    if (session->deadline_ms != 0 && !session->pauses && session->deadline_ms <= now_ms)
        return true;
    return !runs && !races && !session_files_are_used(session) && !session_packages_are_used(session) &&
           session->active_ms + session->idle_timeout_ms <= now_ms;
}

bool session_is_over(const struct session *session)
{
    struct execution_node *node;
    if (session->state != SESSION_ENDED || session->worker != NULL || session->is_kept)
        return false;
    TAILQ_FOREACH(node, &session->all, all)
    {
        if (watcher_count(execution_track(node->execution)) > 0)
            return false;
    }
    return true;
}

bool session_is_kept(const struct session *session)
{
    return session->is_kept;
}

int64_t session_ended_ms(const struct session *session)
{
    return session->ended_ms;
}
