#define _GNU_SOURCE
#include "session_resume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_record.h"
#include "log.h"
#include "outlet.h"
#include "result_read.h"
#include "session_keep.h"
#include "session_private.h"
#include "sessions.h"
#include "wire.h"

static const char NOTICE_LOST[] = "The interpreter died after the previous execution had ended; what it held may be as it was before.";
static const char NOT_KEPT[]    = "The server process died while this execution waited, and it could not be kept.";

static void take_seat(struct session *session, const struct keep_seat *seat)
{
    session->id                     = seat->id;
    session->limits.memory_bytes    = seat->memory_limit;
    session->limits.workspace_bytes = seat->workspace_limit;
    session->limits.cpu_percent     = seat->cpu_percent;
    session->limits.processes       = seat->processes;
    session->idle_timeout_ms        = seat->idle_timeout_ms;
    session->failed_starts          = seat->failed_starts;
    session->variables_sent         = seat->variables_sent != 0;
    session->profile_sent           = seat->profile_sent != 0;
    session->oom_kills              = seat->oom_kills;
    session->created_us             = seat->created_us;
    session->last_activity_us       = seat->last_activity_us;
    session->active_ms              = seat->active_ms;
    session->changed_ms             = seat->changed_ms;
    session->executions             = seat->executions;
    session->deadline_ms            = seat->deadline_ms;
    session->deadline_at_ms         = seat->deadline_at_ms;
    session->pauses                 = seat->pauses != 0;
    session->paused                 = seat->paused != 0;
    session->is_casual              = seat->is_casual != 0;
    session->is_fork                = seat->is_fork != 0;
    session->is_part                = seat->is_part != 0;
    session->forked_from            = seat->forked_from;
    session->memory_bytes           = seat->memory_bytes;
    session->cpu_us                 = seat->cpu_us;
    session->jail_cpu_us            = seat->jail_cpu_us;
    session->execution_ms           = seat->execution_ms;
    session_set_notice(session, seat->notice != 0 ? NOTICE_LOST : NULL);
    (void)snprintf(session->profile, sizeof session->profile, "%.*s", (int)sizeof seat->profile - 1, seat->profile);
    id_format(&session->id, session->id_text);
}

static void take_values(struct session *session, const struct keep_seat *seat)
{
    struct bytes text = {0};
    json_error_t error;
    json_t      *values = NULL;

    if (seat->record_at != 0 && event_log_read(session->log, seat->record_at - 1, EVENT_RECORD_SESSION, &text, NULL) == 0)
        values = json_loadb(text.data, text.length, JSON_ALLOW_NUL, &error);
    session->metadata    = json_incref(json_object_get(values, "metadata"));
    session->variables   = json_incref(json_object_get(values, "variables"));
    session->environment = json_incref(json_object_get(values, "environment"));
    session_packages_restore(session, json_object_get(values, "packages"));
    json_decref(values);
    bytes_done(&text);
}

static void take_late(struct session *session, const struct session_commit *commit)
{
    struct bytes payload = {0};
    uint32_t     first   = 0;

    if (commit->has_late != 0 && event_log_read(session->log, commit->late_at, EVENT_RECORD_LATE, &payload, NULL) == 0 &&
        payload.length >= sizeof first) {
        memcpy(&first, payload.data, sizeof first);
        if (first <= payload.length - sizeof first) {
            (void)bytes_append(&session->late[PIPES_STDOUT], payload.data + sizeof first, first);
            (void)bytes_append(&session->late[PIPES_STDERR], payload.data + sizeof first + first, payload.length - sizeof first - first);
        }
        session->late_changed = true;
    }
    bytes_done(&payload);
}

static void read_commit(const struct event_log *log, struct session_commit *ret)
{
    const struct bytes *last = event_log_last_commit(log);
    memset(ret, 0, sizeof *ret);
    if (last->length == sizeof *ret)
        memcpy(ret, last->data, sizeof *ret);
    else
        ret->worker_state = WORKER_IDLE; /* a seat is filled when the interpreter is ready */
}

/* ---- its executions ---- */

struct plots_reading {
    struct session         *session;
    const struct execution *execution;
};

static void on_value(enum event_kind kind, const json_t *value, uint64_t seq, void *arg)
{
    const struct plots_reading *reading = arg;
    session_plots_note(reading->session->plots, execution_id(reading->execution), kind, value, seq);
}

static int add_execution(struct session *session, struct event_track *track, struct err *err)
{
    struct execution_place place     = session_execution_place(session, session_on_finished, session);
    struct execution      *execution = execution_restore(&place, track, err);
    struct plots_reading   reading   = {session, execution};

    if (execution == NULL)
        return -1;
    if (session_list_execution(session, execution, err) < 0) {
        execution_free(execution);
        return -1;
    }
    result_read_values(track, on_value, &reading);
    return 0;
}

/* Its server process died before it had written that there is one. */
static void renew_running(struct session *session, const struct keep_run *run)
{
    char       text[ID_TEXT_BYTES];
    struct err err = {0};
    id_format(&run->id, text);
    if (run->serial != 0 && event_log_find(session->log, run->serial) == NULL &&
        event_track_renew(session->log, run->serial, text, session->id_text, run->epoch, &err) == NULL)
        log_warn("session %s: execution %s can't be restored: %s", session->id_text, text, err.message);
}

static int add_executions(struct session *session, const struct keep_seat *seat, struct err *err)
{
    struct event_track *track = NULL;
    renew_running(session, &seat->run);
    while ((track = event_log_next(session->log, track)) != NULL)
        if (add_execution(session, track, err) < 0)
            return -1;
    return 0;
}

struct session *session_restore(struct sessions *sessions, const struct session_remains *remains, struct err *err)
{
    struct session *session = calloc(1, sizeof *session);
    bool            has_parts;
    if (session == NULL) {
        worker_release(remains->worker);
        (void)err_set(err, ENOMEM, "no memory for a session");
        return NULL;
    }
    session_begin(session, sessions);
    session->owner = remains->owner;
    take_seat(session, remains->seat);
    session->uploads = json_true();
    session->worker  = remains->worker;
    has_parts        = session_make_parts(session, (enum checkpoint_mode)remains->seat->checkpoint_mode);
    session->log     = event_log_open(remains->log_fd, &sessions_settings(sessions)->log, err);
    if (!has_parts || session->log == NULL || add_executions(session, remains->seat, err) < 0) {
        session_free(session);
        return NULL;
    }
    session_keep_again(session, remains->seat);
    take_values(session, remains->seat);
    session->history_at = remains->seat->history_at;
    return session;
}

/* ---- where the worker was ---- */

static bool gather_pending(const struct session *session, const struct pipes_position *position, struct bytes *out)
{
    uint64_t      want = position->pending_skip + position->pending_length, at = position->pending_at;
    bool          more   = position->has_pending != 0;
    struct bytes *pieces = NULL;
    size_t        count = 0, got = 0;

    while (more && got < want) {
        struct bytes record = {0}, *grown = realloc(pieces, (count + 1) * sizeof *pieces);
        const char  *data;
        size_t       length;
        if (grown == NULL)
            break;
        pieces        = grown;
        pieces[count] = (struct bytes){0};
        if (event_log_read(session->log, at, EVENT_RECORD_PENDING, &record, NULL) == 0) {
            more = pipes_pending(&record, &data, &length, &at);
            (void)bytes_append(&pieces[count], data, length);
            got += length;
        } else {
            more = false;
        }
        bytes_done(&record);
        count++;
    }
    while (count > 0) {
        count--;
        (void)bytes_append(out, pieces[count].data, pieces[count].length);
        bytes_done(&pieces[count]);
    }
    free(pieces);
    if (out->length < want)
        return false;
    if (position->pending_length > 0)
        memmove(out->data, out->data + position->pending_skip, (size_t)position->pending_length);
    out->length = (size_t)position->pending_length;
    return true;
}

/* The rest of a long request. False: it can't be had, and the worker waits for it for ever. */
static bool gather_rest(const struct session *session, struct keep_request *request, struct bytes *out)
{
    if (request->bytes == 0 || request->sent >= request->bytes)
        return true;
    if (request->record_at == UINT64_MAX || event_log_read(session->log, request->record_at, EVENT_RECORD_REQUEST, out, NULL) < 0 ||
        out->length != request->bytes)
        return false;
    memmove(out->data, out->data + request->sent, out->length - (size_t)request->sent);
    out->length -= (size_t)request->sent;
    return true;
}

static struct execution *with_serial(const struct session *session, uint64_t serial)
{
    struct execution_node *node;
    TAILQ_FOREACH(node, &session->all, all)
    {
        if (event_track_serial(execution_track(node->execution)) == serial)
            return node->execution;
    }
    return NULL;
}

static void enqueue(struct session *session, struct execution *execution, bool first)
{
    if (first)
        TAILQ_INSERT_HEAD(&session->queue, execution_node(execution), queue);
    else
        TAILQ_INSERT_TAIL(&session->queue, execution_node(execution), queue);
    session->queue_count++;
    sessions_on_queued(session->sessions, 1);
}

/* It was thought that the worker had a request that it has never got. */
static void on_unsent(enum worker_state was, void *arg)
{
    struct session   *session   = arg;
    struct execution *execution = session->running;
    bool              input     = worker_state(session->worker) == WORKER_INPUT;

    if (was == WORKER_INSPECTING) {
        session_inspect_on_unsent(session);
    } else if (was == WORKER_PARKING) {
        session_copies_on_unsent(session);
    } else if (execution != NULL && execution_on_unsent(execution, input)) {
        session->running = NULL;
        sessions_on_stop(session->sessions, session);
        enqueue(session, execution, true);
    }
    session_go_on(session);
}

/* Those that wait wait again. Ended here: what can't be run any more. */
static void queue_waiting(struct session *session)
{
    struct execution_node *node, *next;
    for (node = TAILQ_FIRST(&session->all); node != NULL; node = next) {
        next = TAILQ_NEXT(node, all);
        if (execution_has_ended(node->execution) || node->execution == session->running)
            continue;
        enqueue(session, node->execution, false);
        if (!execution_restore_waiting(node->execution))
            execution_fail(node->execution, "SERVER_DIED", NOT_KEPT);
    }
}

static void find_past(const struct session *session, const struct keep_request *request, const struct session_commit *commit,
                      struct worker_past *past)
{
    past->state      = (enum worker_state)commit->worker_state;
    past->execution  = commit->execution;
    past->waking_pid = commit->waking_pid;
    past->position   = &commit->position;
    past->on_unsent  = on_unsent;
    if (request->count > commit->requests) {
        past->state = request->type == REQUEST_INSPECT ? WORKER_INSPECTING : request->type == REQUEST_PARK ? WORKER_PARKING : WORKER_BUSY;
        past->execution = request->execution;
        past->unsure    = request->bytes == 0; /* of a long one it is known */
    }
    (void)session;
}

static void find_running(struct session *session, const struct worker_past *past, const struct session_commit *commit)
{
    struct keep_run  *run       = &session->seat->run;
    struct execution *execution = run->serial != 0 ? with_serial(session, run->serial) : NULL;
    bool              is_there  = (past->state == WORKER_BUSY || past->state == WORKER_INPUT) && past->execution == run->serial;

    if (execution == NULL || execution_has_ended(execution))
        return;
    if (!is_there && !(commit->running.serial == run->serial && (commit->running.is_dying != 0 || commit->running.is_undone != 0)))
        return; /* it was about to start: it waits */
    session->running = execution;
    sessions_on_start(session->sessions, session);
    execution_watch_values(execution, session_on_value, session);
    execution_set_on_end(execution, session_on_run_end);
    execution_restore_running(execution, session->worker, run, &commit->running, past->state == WORKER_INPUT);
}

/* It runs no more; what is left of it was being found out. */
static void go_on_dying(struct session *session, const struct session_remains *remains, const struct session_commit *commit,
                        enum worker_state state)
{
    static const struct execution_state lost      = {.kind = STATE_LOST};
    struct execution                   *execution = session->running;

    if (execution != NULL && commit->running.is_undone != 0)
        execution_restore_undone(execution);
    if (execution == NULL || commit->running.is_dying == 0)
        return;
    execution_on_exit(execution, remains->status);
    if (session->running == execution && (state == WORKER_STARTING || commit->running.knows_state != 0))
        execution_on_state(execution, commit->running.knows_state != 0 ? &commit->running.state : &lost);
}

/* What was ordered may not have reached init. */
static void order_again(struct session *session, const struct session_remains *remains, const struct worker_past *past)
{
    if (past->state == WORKER_WAKING)
        worker_wake_copy(session->worker, past->waking_pid);
    else if (past->state == WORKER_STARTING)
        worker_respawn(session->worker);
    else
        worker_interpreter_is_gone(session->worker, remains->status);
}

static void go_on(struct session *session, const struct session_remains *remains, const struct session_commit *commit,
                  const struct worker_past *past)
{
    struct worker *worker = session->worker;

    if (past->state != WORKER_STARTING && past->state != WORKER_ABSENT && past->state != WORKER_WAKING && commit->running.is_undone == 0 &&
        !session_copies_are_awaited(session))
        session_set_state(session, SESSION_READY);
    if (past->state == WORKER_INSPECTING)
        session_inspect_resume(session);
    go_on_dying(session, remains, commit, past->state);
    if (session->worker != worker || worker_resume(worker, past) < 0 || session->worker != worker)
        return;
    session_copies_resume(session, remains->interpreter);
    if (!remains->interpreter && session->worker == worker)
        order_again(session, remains, past);
    if (session->state != SESSION_ENDED)
        session_go_on(session);
}

void session_resume(struct session *session, const struct session_remains *remains)
{
    struct keep_seat     *seat    = session->seat;
    struct keep          *keep    = sessions_settings(session->sessions)->keep;
    struct worker_past    past    = {0};
    struct bytes          pending = {0}, rest = {0};
    struct session_commit commit;
    struct err            err = {0};
    bool                  whole;

    read_commit(session->log, &commit);
    take_late(session, &commit);
    session_copies_restore(session, &commit.copies);
    if (seat->request.phase != KEEP_STILL)
        outlet_recover(keep, &seat->request);
    find_past(session, &seat->request, &commit, &past);
    whole = gather_pending(session, &commit.position, &pending) && gather_rest(session, &seat->request, &rest) && seat->is_unsaved == 0;
    session_own_worker(session);
    if (worker_open(session->worker, &err) < 0) {
        worker_end(session->worker, err.message);
        return;
    }
    session_keep_worker_again(session);
    find_running(session, &past, &commit);
    queue_waiting(session);
    past.pending     = &pending;
    past.rest        = rest.data;
    past.rest_length = rest.length;
    if (whole && past.state != WORKER_ENDING && past.state != WORKER_SPAWNING)
        go_on(session, remains, &commit, &past);
    else
        worker_end(session->worker, "what it had said could not be kept when the server process died");
    bytes_done(&pending);
    bytes_done(&rest);
}
