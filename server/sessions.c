#define _GNU_SOURCE
#include "sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "log.h"
#include "sessions_private.h"
#include "table.h"

enum {
    COPIES_SAVED_US = 300 * 1000, /* time for checkpoints that can be saved up by all sessions together */
    COPIES_SHARE    = 60,         /* of each processor's time, in thousandths */
};

static void on_bury(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    sessions_bury(arg);
}

static void on_leave(evutil_socket_t fd, short what, void *arg)
{
    struct sessions *sessions = arg;
    (void)fd;
    (void)what;
    while (!TAILQ_EMPTY(&sessions->leaving))
        session_end(TAILQ_FIRST(&sessions->leaving)->session, "finished", NULL, NULL); /* which takes it out of the list */
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    sessions_sweep(arg);
}

static void record_end(const struct session_info *info, const struct tenant *owner, const char *reason)
{
    const struct audit_line line = {.action = "session.end", .key = tenant_name(owner), .outcome = reason, .session_id = info->id_text};
    audit_write(&line, NULL);
}

static void leave_with_host(void *session, void *host)
{
    struct session_info info;
    session_get_info(session, &info);
    if (info.is_part && memcmp(info.forked_from, host, sizeof *info.forked_from) == 0)
        session_leave(session, false);
}

void sessions_on_ended(struct sessions *sessions, struct session *session, const char *reason)
{
    struct session_info  info;
    struct ended_session record;

    session_get_info(session, &info);
    record = (struct ended_session){.id               = *info.id,
                                    .reason           = reason,
                                    .created_us       = info.created_us,
                                    .last_activity_us = info.last_activity_us,
                                    .ended_ms         = session_ended_ms(session)};
    if (info.moved_to != NULL) {
        record.has_moved = true;
        record.moved_to  = *info.moved_to;
    }
    record.owner = session_owner(session);
    (void)table_take(sessions->by_id, info.id);
    if (session_node(session)->leaves)
        TAILQ_REMOVE(&sessions->leaving, session_node(session), leaving);
    session_node(session)->leaves = false;
    turns_leave(&sessions->turns, &session_node(session)->turn);
    tenant_count_session(record.owner, -1);
    sessions->parts -= info.is_part;
    if (sessions->parts > 0 && !info.is_part)
        table_each(sessions->by_id, leave_with_host, (void *)info.id);
    record_end(&info, record.owner, reason);
    TAILQ_INSERT_TAIL(&sessions->over, session_node(session), ended);
    ended_add(sessions->ended, &record);
}

void sessions_on_leaving(struct sessions *sessions, struct session *session)
{
    session_node(session)->leaves = true;
    TAILQ_INSERT_TAIL(&sessions->leaving, session_node(session), leaving);
    event_active(sessions->leave, 0, 0);
}

int sessions_take_over(struct sessions *sessions, struct session *session)
{
    if (table_put(sessions->by_id, session_id(session), session) < 0)
        return -1;
    struct session_info info;
    session_get_info(session, &info);
    sessions->totals.sessions++;
    sessions->parts += info.is_part;
    tenant_count_session(session_owner(session), 1);
    return 0;
}

void sessions_note_lost(struct sessions *sessions, const struct keep_seat *seat, struct tenant *owner)
{
    struct ended_session record = {.id               = seat->id,
                                   .reason           = "failed",
                                   .owner            = owner,
                                   .created_us       = seat->created_us,
                                   .last_activity_us = seat->last_activity_us,
                                   .ended_ms         = json_time_now()};
    char                 text[ID_TEXT_BYTES];
    id_format(&seat->id, text);
    log_error("session %s did not outlive the server process: its jail is gone too", text);
    ended_add(sessions->ended, &record);
}

void sessions_on_gone(struct sessions *sessions)
{
    event_active(sessions->bury, 0, 0);
}

struct sessions *sessions_new(struct event_base *base, struct pool *pool, const struct sessions_settings *settings, struct err *err)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    uint32_t         sweep_ms = settings->sweep_ms > 0 && settings->sweep_ms < 1000 ? settings->sweep_ms : 1000;
    struct timeval   every    = {.tv_sec = sweep_ms / 1000, .tv_usec = (sweep_ms % 1000) * 1000};

    if (sessions == NULL) {
        (void)err_set(err, ENOMEM, "no memory for sessions");
        return NULL;
    }
    sessions->base     = base;
    sessions->pool     = pool;
    sessions->settings = *settings;
    TAILQ_INIT(&sessions->over);
    TAILQ_INIT(&sessions->leaving);
    turns_init(&sessions->turns, settings->max_running);
    checkpoint_line_init(&sessions->checkpoint_line, base, COPIES_SAVED_US, COPIES_SHARE * sysconf(_SC_NPROCESSORS_ONLN));
    turn_line_init(&sessions->everybody, 0);
    TAILQ_INIT(&sessions->births);
    sessions->by_id      = table_new(ID_BYTES);
    sessions->executions = table_new(ID_BYTES);
    sessions->ended      = ended_new();
    sessions->sweep      = event_new(base, -1, EV_PERSIST, on_sweep, sessions);
    sessions->bury       = event_new(base, -1, 0, on_bury, sessions);
    sessions->leave      = event_new(base, -1, 0, on_leave, sessions);
    if (sessions->by_id == NULL || sessions->executions == NULL || sessions->ended == NULL || sessions->sweep == NULL ||
        sessions->bury == NULL || sessions->leave == NULL || event_add(sessions->sweep, &every) < 0) {
        (void)err_set(err, ENOMEM, "no memory for sessions");
        sessions_free(sessions);
        return NULL;
    }
    return sessions;
}

static void free_session(void *session, void *arg)
{
    (void)arg;
    session_free(session);
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    while (!TAILQ_EMPTY(&sessions->births)) {
        pool_cancel(TAILQ_FIRST(&sessions->births)->claim);
        sessions_free_birth(TAILQ_FIRST(&sessions->births));
    }
    while (!TAILQ_EMPTY(&sessions->over)) {
        struct session *session = TAILQ_FIRST(&sessions->over)->session;
        TAILQ_REMOVE(&sessions->over, session_node(session), ended);
        session_free(session);
    }
    if (sessions->by_id != NULL)
        table_each(sessions->by_id, free_session, NULL);
    table_free(sessions->by_id);
    table_free(sessions->executions);
    ended_free(sessions->ended);
    if (sessions->sweep != NULL)
        event_free(sessions->sweep);
    if (sessions->bury != NULL)
        event_free(sessions->bury);
    if (sessions->leave != NULL)
        event_free(sessions->leave);
    checkpoint_line_done(&sessions->checkpoint_line);
    free(sessions);
}

struct session *sessions_find(const struct sessions *sessions, const struct id *id)
{
    return table_get(sessions->by_id, id);
}

struct execution *sessions_find_execution(const struct sessions *sessions, const struct id *id)
{
    return table_get(sessions->executions, id);
}

const struct ended_session *sessions_find_ended(const struct sessions *sessions, const struct id *id)
{
    return ended_find(sessions->ended, id);
}

const struct ended *sessions_ended(const struct sessions *sessions)
{
    return sessions->ended;
}

void sessions_each(struct sessions *sessions, void (*on_value)(void *session, void *arg), void *arg)
{
    table_each(sessions->by_id, on_value, arg);
}

size_t sessions_count(const struct sessions *sessions)
{
    return table_count(sessions->by_id);
}

struct sessions_totals sessions_totals(const struct sessions *sessions)
{
    return sessions->totals;
}

static void tell_if_idle(struct sessions *sessions)
{
    void (*on_idle)(void *arg) = sessions->on_idle;
    if (!sessions->draining || on_idle == NULL || sessions->totals.running + sessions->totals.queued > 0)
        return;
    sessions->on_idle = NULL;
    on_idle(sessions->on_idle_arg);
}

void sessions_drain(struct sessions *sessions, void (*on_idle)(void *arg), void *arg)
{
    sessions->draining    = true;
    sessions->on_idle     = on_idle;
    sessions->on_idle_arg = arg;
    tell_if_idle(sessions);
}

void sessions_set_closed(struct sessions *sessions, bool closed)
{
    sessions->closed = closed;
}

bool sessions_are_closed(const struct sessions *sessions)
{
    return sessions->closed;
}

bool sessions_are_draining(const struct sessions *sessions)
{
    return sessions->draining;
}

struct event_base *sessions_base(const struct sessions *sessions)
{
    return sessions->base;
}

struct pool *sessions_pool(const struct sessions *sessions)
{
    return sessions->pool;
}

const struct sessions_settings *sessions_settings(const struct sessions *sessions)
{
    return &sessions->settings;
}

struct checkpoint_line *sessions_checkpoint_line(struct sessions *sessions)
{
    return &sessions->checkpoint_line;
}

uint64_t sessions_next_serial(struct sessions *sessions)
{
    return keep_next_serial(sessions->settings.keep);
}

int sessions_add_execution(struct sessions *sessions, struct execution *execution)
{
    if (table_put(sessions->executions, execution_id(execution), execution) < 0)
        return -1;
    sessions->totals.executions++;
    return 0;
}

void sessions_remove_execution(struct sessions *sessions, struct execution *execution)
{
    (void)table_take(sessions->executions, execution_id(execution));
}

static struct turn_line *line_of(struct sessions *sessions, const struct session *session)
{
    struct tenant *owner = session_owner(session);
    return owner != NULL ? &owner->line : &sessions->everybody;
}

bool sessions_may_run(struct sessions *sessions, struct session *session)
{
    struct turn_line *line = line_of(sessions, session);
    if (turns_may_run(&sessions->turns, line))
        return true;
    turns_wait(&sessions->turns, line, &session_node(session)->turn);
    return false;
}

void sessions_on_start(struct sessions *sessions, struct session *session)
{
    sessions->totals.running++;
    turns_on_start(&sessions->turns, line_of(sessions, session));
}

void sessions_on_stop(struct sessions *sessions, struct session *session)
{
    struct turn *next;
    sessions->totals.running--;
    turns_on_stop(&sessions->turns, line_of(sessions, session));
    while ((next = turns_next(&sessions->turns)) != NULL)
        session_go_on(((struct session_node *)((char *)next - offsetof(struct session_node, turn)))->session);
}

void sessions_on_queued(struct sessions *sessions, int change)
{
    sessions->totals.queued = (size_t)((ptrdiff_t)sessions->totals.queued + change);
}

void sessions_on_progress(struct sessions *sessions)
{
    tell_if_idle(sessions);
}
