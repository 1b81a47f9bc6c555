/* sessions.h: all sessions and executions by id, the limits that hold for all of them together, and their making and expiry. */
#ifndef PENNY_SESSIONS_H
#define PENNY_SESSIONS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint_line.h"
#include "ended.h"
#include "err.h"
#include "event_log.h"
#include "id.h"
#include "keep.h"
#include "output.h"
#include "policies.h"
#include "pool.h"
#include "session.h"

struct packages;
struct egress_client;
struct sessions_settings {
    uint32_t                max_sessions, max_queue; /* at once; waiting per session */
    uint32_t                max_running;             /* executions at once, over all sessions; 0: no limit */
    uint32_t                idle_timeout_ms, sweep_ms;
    char                    profile[16];
    const struct policies  *policies; /* borrowed */
    struct packages        *packages; /* likewise */
    struct egress_client   *egress;   /* likewise */
    struct output_limits    output;
    struct event_log_limits log;
    struct keep            *keep; /* borrowed; NULL: sessions do not outlive this process */
};

struct sessions;

/* All pointers borrowed. Returns NULL with err filled. */
struct sessions *sessions_new(struct event_base *base, struct pool *pool, const struct sessions_settings *settings, struct err *err);
void             sessions_free(struct sessions *sessions); /* NULL is fine */

struct session             *sessions_find(const struct sessions *sessions, const struct id *id);
struct execution           *sessions_find_execution(const struct sessions *sessions, const struct id *id);
const struct ended_session *sessions_find_ended(const struct sessions *sessions, const struct id *id);
const struct ended         *sessions_ended(const struct sessions *sessions);
/*
 * Makes a session; on_session gets it, or NULL with the reason, at once when the pool has a worker, else later. A request for an id
 * that is being made already waits for that one. Returns 0; or -1 with err, and on_session is not called: EAGAIN (max_sessions),
 * EEXIST (there is one with that id), ENOMEM.
 */
typedef void (*sessions_on_session)(struct session *session, const char *reason, void *arg);
int sessions_create(struct sessions *sessions, const struct session_request *request, sessions_on_session on_session, void *arg,
                    struct err *err);
/* Who waits with this arg has left; on_session is not called for it. */
void sessions_cancel(struct sessions *sessions, void *arg);

/* Whether `count` more sessions may be made for this owner. Returns 0, or -1 with err: EAGAIN (max_sessions), EDQUOT. */
int sessions_check_room(const struct sessions *sessions, const struct tenant *owner, size_t count, struct err *err);
/* The fork of a session on a ready worker (owned from then on, also on failure). Returns NULL with err. */
struct session *sessions_add_fork(struct sessions *sessions, const struct session *parent, const struct session_request *request,
                                  struct worker *worker, const struct fork_moment *moment, struct err *err);
/* One of the server process before this one (session_resume.h), the sessions' from then on. Returns 0, or -1: no memory. */
int sessions_take_over(struct sessions *sessions, struct session *session);
/* One of them that could not be had back. */
void sessions_note_lost(struct sessions *sessions, const struct keep_seat *seat, struct tenant *owner);

/* The living ones in no particular order. */
void   sessions_each(struct sessions *sessions, void (*on_value)(void *session, void *arg), void *arg);
size_t sessions_count(const struct sessions *sessions);

struct sessions_totals {
    uint64_t sessions, executions; /* ever */
    size_t   running, queued;      /* executions now */
};
struct sessions_totals sessions_totals(const struct sessions *sessions);

struct sessions_census {
    size_t   idle, busy, recovering, making;
    size_t   over;         /* ended, but with processes or readers left */
    uint64_t memory_bytes; /* of the living ones, as last heard */
};
void sessions_take_census(struct sessions *sessions, struct sessions_census *ret);

/* No new sessions; those that there are go on. */
void sessions_set_closed(struct sessions *sessions, bool closed);
bool sessions_are_closed(const struct sessions *sessions);
/* No new sessions and executions; on_idle is called when no execution runs or waits any more. */
void sessions_drain(struct sessions *sessions, void (*on_idle)(void *arg), void *arg);
bool sessions_are_draining(const struct sessions *sessions);
/* Ends all sessions; their executions end as killed. */
void sessions_end_all(struct sessions *sessions, const char *reason);

/* For session.c. */
struct event_base              *sessions_base(const struct sessions *sessions);
struct pool                    *sessions_pool(const struct sessions *sessions);
const struct sessions_settings *sessions_settings(const struct sessions *sessions);
uint64_t                        sessions_next_serial(struct sessions *sessions);
int                             sessions_add_execution(struct sessions *sessions, struct execution *execution); /* 0, or -1: no memory */
void                            sessions_remove_execution(struct sessions *sessions, struct execution *execution);
struct checkpoint_line         *sessions_checkpoint_line(struct sessions *sessions);
/* Whether one more may run now; if not, session_go_on is called when one may. */
bool sessions_may_run(struct sessions *sessions, struct session *session);
void sessions_on_start(struct sessions *sessions, struct session *session);
void sessions_on_stop(struct sessions *sessions, struct session *session); /* one that ran has ended */
void sessions_on_queued(struct sessions *sessions, int change);            /* of how many wait */
void sessions_on_progress(struct sessions *sessions); /* an execution has ended and the next one, if any, is under way */
/* The session is over: its id is free, the record of it begins. */
void sessions_on_ended(struct sessions *sessions, struct session *session, const char *reason);
void sessions_on_leaving(struct sessions *sessions, struct session *session); /* it is to be ended from the loop */
void sessions_on_gone(struct sessions *sessions);                             /* no process is left of one that has ended */

#endif
