/* session_worker.c: what a session makes of what its worker says, and of its death. */
#define _GNU_SOURCE
#include <string.h>

#include "fdio.h"
#include "log.h"
#include "session_keep.h"
#include "session_limits.h"
#include "session_private.h"
#include "sessions.h"
#include "wire.h"

enum {
    LATE_MAX   = 64 * 1024, /* text that came while nothing ran; beyond it its writers wait */
    STARTS_MAX = 3,         /* interpreters, or jails, in a row that die before they are ready */
};

static const struct worker_events worker_events;

static void on_ready(void *arg)
{
    struct session *session = arg;
    session->failed_starts  = 0;
    session_restore_on_ready(session);
}

static void keep_late(struct session *session, enum pipes_stream stream, const char *data, size_t length)
{
    struct bytes *late     = &session->late[stream];
    bool          is_asked = session_inspect_runs(session) || session_park_runs(session) || session_fork_parks(session);
    session->late_changed  = true;
    if (late->length >= LATE_MAX && is_asked)
        return; /* pausing would keep the answer back; what a __repr__ prints without end is nobody's */
    if (!bytes_append(late, data, length))
        log_warn("session %s: %zu bytes of output between executions are lost for want of memory", session->id_text, length);
    if (late->length >= LATE_MAX && !is_asked)
        worker_pause(session->worker);
}

static bool takes_output(const struct session *session)
{
    return session->running != NULL && !execution_is_dying(session->running);
}

/* Long output in one wake-up does not pile up in memory. */
static void relieve(struct session *session)
{
    if (session->log != NULL && event_log_is_heavy(session->log))
        event_log_flush(session->log);
}

static void on_frame(const struct frame *frame, void *arg)
{
    struct session *session = arg;
    if (takes_output(session)) {
        execution_on_frame(session->running, frame);
        if (session->running != NULL && execution_is_to_be_undone(session->running))
            session_restore_undo(session);
    } else if (frame->type == EVENT_PARKED && session_fork_parks(session))
        session_fork_on_parked(session, frame);
    else if (frame->type == EVENT_PARKED)
        session_park_on_frame(session, frame);
    else if (frame->type == EVENT_REPLY)
        session_inspect_on_reply(session, frame);
    else if (frame->type == EVENT_STDOUT || frame->type == EVENT_STDERR)
        keep_late(session, frame->type == EVENT_STDERR ? PIPES_STDERR : PIPES_STDOUT, frame->payload, frame->length);
    relieve(session);
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct session *session = arg;
    if (takes_output(session))
        execution_on_raw(session->running, stream, data, length);
    else
        keep_late(session, stream, data, length);
    relieve(session);
}

static void on_turn(void *arg)
{
    session_keep_turn(arg);
}

static void on_interpreter_exit(int status, void *arg)
{
    struct session *session = arg;

    if (session->state == SESSION_ENDED)
        return;
    session_set_state(session, SESSION_RECOVERING);
    if (takes_output(session))
        execution_on_exit(session->running, status);
    session_inspect_on_exit(session);
    session_fork_on_death(session);
    session_restore_on_exit(session);
    session_keep(session);
}

static void on_copy_gone(int32_t pid, int status, void *arg)
{
    session_restore_on_copy_gone(arg, pid, status);
}

void session_respawn(struct session *session)
{
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
    oom |= session_limits_judge(session, stats->memory_bytes);
    if (session->running != NULL)
        execution_on_stats(session->running, stats, oom, cpu_us);
    session_keep(session);
    stats_wait_answer(&session->stats, stats);
}

void session_tell_gone(struct session *session)
{
    void (*on_gone)(void *arg) = session->on_gone;
    session->on_gone           = NULL;
    if (on_gone != NULL)
        on_gone(session->gone_arg);
    sessions_on_gone(session->sessions);
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
    session_take_worker(session, worker);
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
    session_keep_worker(session);
    if (session->state == SESSION_ENDED) {
        session_tell_gone(session);
        return;
    }
    log_warn("session %s: its jail is gone%s%s", session->id_text, death->reason[0] != '\0' ? ": " : "", death->reason);
    session_set_state(session, SESSION_RECOVERING);
    if (session->running != NULL)
        execution_on_gone(session->running, death);
    session_fork_on_death(session);
    session_restore_on_jail_gone(session);
    session_files_on_end(session);
    if (session->is_part && session->state != SESSION_ENDED)
        session_end(session, "failed", NULL, NULL); /* in a jail of its own it would be no part of anything */
    else if (session->state != SESSION_ENDED)
        replace_jail(session);
}

static const struct worker_events worker_events = {on_ready, on_frame,     on_raw,      on_turn, on_interpreter_exit,
                                                   on_stats, on_jail_gone, on_copy_gone};

void session_own_worker(struct session *session)
{
    worker_set_owner(session->worker, &worker_events, session);
    worker_set_file_receiver(session->worker, session_files_on_reply, session);
}

void session_take_worker(struct session *session, struct worker *worker)
{
    session->worker      = worker;
    session->oom_kills   = 0;
    session->jail_cpu_us = 0;
    session_own_worker(session);
    session_keep_worker(session);
    on_ready(session);
}

void session_exchange_worker(struct session *session, struct worker *worker)
{
    if (session->worker != NULL && worker_is_relative(session->worker, worker))
        worker_succeed(session->worker, worker);
    else
        worker_release(session->worker);
    session_take_worker(session, worker);
}
