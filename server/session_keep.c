#define _GNU_SOURCE
#include "session_keep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_record.h"
#include "log.h"
#include "session_private.h"
#include "sessions.h"

static struct keep *keep_of(const struct session *session)
{
    return sessions_settings(session->sessions)->keep;
}

bool session_is_seated(const struct session *session)
{
    return session->seat != NULL && keep_is_shared(keep_of(session), session->seat);
}

static int on_record(enum pipes_record kind, const void *data, size_t length, uint64_t *ret_at, void *arg)
{
    struct session *session = arg;
    unsigned        type    = kind == PIPES_RECORD_PENDING ? EVENT_RECORD_PENDING : EVENT_RECORD_REQUEST;
    if (kind == PIPES_RECORD_REQUEST)
        event_log_erase(session->log, session->request_at);
    if (event_log_record(session->log, type, 0, data, length, ret_at, NULL) < 0)
        return -1;
    if (kind == PIPES_RECORD_REQUEST) {
        session->request_at = *ret_at;
        event_log_flush(session->log); /* before the first byte of it leaves */
    }
    return 0;
}

static void on_commit_now(void *arg)
{
    struct session *session = arg;
    event_log_commit(session->log);
}

static const struct pipes_store store = {on_record, on_commit_now};

static void record_late(struct session *session)
{
    const struct bytes *late    = session->late;
    uint32_t            first   = (uint32_t)late[PIPES_STDOUT].length;
    struct bytes        payload = {0};

    session->late_changed = false;
    session->late_is_kept = false;
    if (late[PIPES_STDOUT].length + late[PIPES_STDERR].length == 0)
        return;
    if (bytes_append(&payload, &first, sizeof first) && bytes_append(&payload, late[PIPES_STDOUT].data, late[PIPES_STDOUT].length) &&
        bytes_append(&payload, late[PIPES_STDERR].data, late[PIPES_STDERR].length) &&
        event_log_record(session->log, EVENT_RECORD_LATE, 0, payload.data, payload.length, &session->late_at, NULL) == 0)
        session->late_is_kept = true;
    bytes_done(&payload);
}

/* Ends what a flush writes. */
static void on_commit(void *arg)
{
    struct session       *session = arg;
    struct session_commit commit;

    memset(&commit, 0, sizeof commit);
    if (session->late_changed)
        record_late(session);
    if (session->worker != NULL) {
        commit.worker_state = (uint32_t)worker_state(session->worker);
        commit.execution    = worker_execution(session->worker);
        commit.waking_pid   = worker_waking(session->worker);
        if (worker_commit(session->worker, &commit.position) < 0)
            log_warn("session %s: no memory to note what it has said half", session->id_text);
    }
    session_copies_commit(session, &commit.copies);
    commit.requests = session->seat->request.count;
    commit.has_late = session->late_is_kept;
    commit.late_at  = session->late_at;
    if (session->running != NULL)
        execution_kept(session->running, &commit.running);
    if (event_log_record(session->log, EVENT_RECORD_COMMIT, 0, &commit, sizeof commit, NULL, NULL) < 0)
        log_warn("session %s: no memory for a commit", session->id_text);
}

/* Before anybody is told of it: who has been may kill us, and what was told must be kept. */
static void on_written(void *arg)
{
    struct session *session   = arg;
    session->seat->is_unsaved = event_log_is_in_memory(session->log);
}

void session_keep(struct session *session)
{
    struct keep_seat *seat = session->seat;
    if (seat == NULL)
        return;
    seat->idle_timeout_ms  = session->idle_timeout_ms;
    seat->failed_starts    = session->failed_starts;
    seat->variables_sent   = session->variables_sent;
    seat->profile_sent     = session->profile_sent;
    seat->history_at       = session->history_at;
    seat->notice           = session->notice != NULL;
    seat->oom_kills        = session->oom_kills;
    seat->last_activity_us = session->last_activity_us;
    seat->active_ms        = session->active_ms;
    seat->changed_ms       = session->changed_ms;
    seat->executions       = session->executions;
    seat->deadline_ms      = session->deadline_ms;
    seat->deadline_at_ms   = session->deadline_at_ms;
    seat->pauses           = session->pauses;
    seat->paused           = session->paused;
    seat->is_casual        = session->is_casual;
    seat->is_fork          = session->is_fork;
    seat->is_part          = session->is_part;
    seat->forked_from      = session->forked_from;
    seat->checkpoint_mode  = (uint32_t)session_copies_mode(session);
    seat->memory_bytes     = session->memory_bytes;
    seat->cpu_us           = session->cpu_us;
    seat->jail_cpu_us      = session->jail_cpu_us;
    seat->execution_ms     = session->execution_ms;
}

static void fill_seat(const struct session *session, struct keep_seat *seat)
{
    seat->id              = session->id;
    seat->memory_limit    = session->limits.memory_bytes;
    seat->workspace_limit = session->limits.workspace_bytes;
    seat->cpu_percent     = session->limits.cpu_percent;
    seat->processes       = session->limits.processes;
    seat->created_us      = session->created_us;
    seat->has_owner       = session->owner != NULL;
    (void)snprintf(seat->owner, sizeof seat->owner, "%s", session->owner != NULL ? tenant_name(session->owner) : "");
    (void)snprintf(seat->profile, sizeof seat->profile, "%s", session->profile);
}

void session_keep_values(struct session *session)
{
    uint64_t before = session->seat != NULL ? session->seat->record_at : 0, at;
    json_t  *values, *packages;
    char    *text;

    if (!session_is_seated(session))
        return;
    packages = json_array_size(session_packages_list(session)) > 0 ? (json_t *)session_packages_list(session) : NULL;
    values   = json_pack("{s:O*, s:O*, s:O*, s:O*}", "metadata", session->metadata, "variables", session->variables, "environment",
                         session->environment, "packages", packages);
    text     = json_object_size(values) > 0 ? json_dumps(values, JSON_COMPACT) : NULL;
    at       = UINT64_MAX;
    if (text != NULL && event_log_record(session->log, EVENT_RECORD_SESSION, 0, text, strlen(text), &at, NULL) == 0)
        event_log_flush(session->log);
    session->seat->record_at = at + 1; /* 0: none */
    if (before > 0)
        event_log_erase(session->log, before - 1);
    free(text);
    json_decref(values);
}

int session_keep_begin(struct session *session)
{
    session->seat = keep_take_seat(keep_of(session));
    if (session->seat == NULL)
        return -1;
    fill_seat(session, session->seat);
    session_keep(session);
    if (!session_is_seated(session))
        return 0;
    event_log_set_committer(session->log, on_commit, on_written, session);
    if (session->metadata != NULL || session->variables != NULL || session->environment != NULL)
        session_keep_values(session);
    return 0;
}

int session_keep_again(struct session *session, struct keep_seat *seat)
{
    session->seat = seat;
    event_log_set_committer(session->log, on_commit, on_written, session);
    return 0;
}

void session_keep_worker(struct session *session)
{
    struct keep_seat *seat = session->seat;
    uint32_t          jail;
    if (!session_is_seated(session))
        return;
    if (session->worker == NULL) {
        seat->jail = 0;
        return;
    }
    worker_keep(session->worker, keep_of(session), keep_index(keep_of(session), seat), &seat->request, &store, session);
    if (seat->used == KEEP_FILLED) { /* another jail: it must hold the log, and what the old one left half-said is void */
        worker_give_log(session->worker, event_log_descriptor(session->log));
        event_log_commit(session->log);
    }
    worker_place(session->worker, &jail, &seat->member);
    seat->jail = jail;
    keep_order();
    seat->used = KEEP_FILLED;
}

void session_keep_worker_again(struct session *session)
{
    struct keep *keep = keep_of(session);
    worker_keep(session->worker, keep, keep_index(keep, session->seat), &session->seat->request, &store, session);
}

void session_keep_end(struct session *session)
{
    if (session->seat == NULL)
        return;
    if (session->log != NULL)
        event_log_set_committer(session->log, NULL, NULL, NULL);
    keep_free_seat(keep_of(session), session->seat);
    session->seat = NULL;
}

void session_keep_waiting(struct session *session, struct execution *execution)
{
    json_t    *note = session_is_seated(session) ? execution_note(execution) : NULL;
    char      *text = note != NULL ? json_dumps(note, JSON_COMPACT) : NULL;
    struct err err  = {0};
    if (text != NULL && event_track_keep(execution_track(execution), text, strlen(text), &err) < 0)
        log_warn("execution %s would be lost with this process: %s", execution_id_text(execution), err.message);
    if (text != NULL)
        event_log_flush(session->log);
    free(text);
    json_decref(note);
}

void session_keep_turn(struct session *session)
{
    if (event_log_is_dirty(session->log))
        event_log_flush(session->log);
    else if (session->worker != NULL && worker_needs_commit(session->worker))
        event_log_commit(session->log);
}
