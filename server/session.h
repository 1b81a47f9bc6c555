/*
 * session.h: a live Python with an id: one jail at a time, its executions in the order they came, its event log. When the interpreter
 * or the whole jail dies the session goes on under its id, and the answers say what was lost.
 */
#ifndef PENNY_SESSION_H
#define PENNY_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "checkpoint.h"
#include "err.h"
#include "event_log.h"
#include "execution.h"
#include "id.h"
#include "worker.h"

struct sessions; /* sessions.h */
struct session;

/* What a session is made with. */
struct session_request {
    bool                 has_id;
    struct id            id;       /* the caller's choice, when has_id */
    json_t              *metadata; /* object or NULL; references are taken */
    json_t              *variables, *environment;
    char                 profile[16];     /* "": the default */
    struct worker_limits limits;          /* all 0: the policy's */
    uint32_t             idle_timeout_ms; /* 0: the policy's */
    bool                 has_checkpoints; /* `checkpoints` was chosen; else it is the policy's */
    enum checkpoint_mode checkpoints;
    bool                 is_casual; /* made for an execution that named no session */
    bool                 is_part;   /* ends with the session whose fork it is (session_join.h) */
    struct tenant       *owner;     /* whose it is; NULL: there are no keys */
    struct audit_origin  origin;    /* who asked for it */
};

enum session_state {
    SESSION_READY,      /* its interpreter takes cells */
    SESSION_RECOVERING, /* it died; a fresh one is on its way */
    SESSION_ENDED,      /* deleted, expired or beyond repair: no id any more, only readers of what it said */
};

/* By which sessions.c keeps it in its lists. */
struct session_node {
    TAILQ_ENTRY(session_node) ended, leaving;
    bool            leaves;
    struct session *session;
    struct turn     turn; /* among those that wait until one more may run */
};
TAILQ_HEAD(session_list, session_node);

/* What can be said of it. */
struct session_info {
    const struct id               *id;
    const char                    *id_text;
    int64_t                        created_us, last_activity_us, expires_ms; /* since 1970 */
    bool                           busy;
    bool                           is_empty; /* its interpreter holds nothing yet, nor does anything wait to be brought to it */
    const json_t                  *metadata, *environment; /* borrowed; NULL: none */
    const char                    *profile;                /* never "" */
    struct worker_limits           limits;
    uint32_t                       idle_timeout_ms;
    enum checkpoint_mode           checkpoints;
    uint64_t                       executions;
    uint64_t                       memory_bytes, cpu_us; /* as last heard */
    double                         execution_ms;         /* of all executions together */
    int64_t                        changed_ms;           /* since 1970: when variables may have changed last */
    const struct id               *forked_from;          /* NULL: it is no fork */
    bool                           is_part;              /* and ends with that one */
    size_t                         family;               /* living sessions that share its jail: its files and limits; 1: it is alone */
    int64_t                        deadline_ms;          /* since 1970; 0: none */
    bool                           hibernated;
    const struct worker_reclaimed *reclaimed;      /* when hibernated: what that gave */
    bool                           pauses, paused; /* at the deadline; now */
    const struct id               *moved_to;       /* it goes on elsewhere; NULL: it does not */
};

/* On a worker that is ready (owned from then on, also on failure). Used by sessions.c. Returns NULL with err filled. */
struct session *session_new(struct sessions *sessions, const struct session_request *request, struct worker *worker, struct err *err);
void            session_free(struct session *session); /* NULL is fine */
/* Makes a new one the fork of another, whose state its worker holds. */
struct fork_moment; /* session_fork.h */
void session_inherit(struct session *session, const struct session *parent, const struct fork_moment *moment);

/*
 * Adds an execution to the queue and starts it when it is its turn. on_result may be NULL; see execution_set_waiter. The execution is
 * the session's. Returns NULL with err: EBUSY (!may_queue, and something runs), ENOBUFS (the queue is full), or another errno.
 */
struct execution *session_submit(struct session *session, const struct execution_request *request, bool may_queue,
                                 execution_on_result on_result, void *arg, struct err *err);
/* SIGINT to what runs. Returns whether anything did. */
bool session_interrupt(struct session *session);
/* A fresh interpreter; what runs or waits is ended. Files stay. */
void session_restart(struct session *session);
/* Starts the next in the queue if it can. */
void session_go_on(struct session *session);

/*
 * Ends it for ever, with all that runs or waits; `reason` is a constant ("deleted"). on_gone (may be NULL) is called when no process of
 * it is left, possibly before this returns.
 */
void session_end(struct session *session, const char *reason, void (*on_gone)(void *arg), void *arg);
/*
 * Ends it, as "finished", from the loop's next turn: also from within what it calls. keep: what came of its executions can be asked for a
 * while longer.
 */
void session_leave(struct session *session, bool keep);
/*
 * Its end `in_ms` from now, whatever is done with it (0: none, it ends when nobody has used it for long). pauses: it is put aside then
 * instead. Setting one takes it up again.
 */
void session_set_deadline(struct session *session, int64_t in_ms, bool pauses);
/* Puts it aside: it keeps all it has and has no deadline. For those who ask (session_info); nothing is refused here. */
void session_pause(struct session *session);
/* Somebody uses it, or is about to: it does not end for want of use. */
void session_touch(struct session *session);
/* The caller of session_end has left. */
void session_forget_gone(struct session *session, void *arg);

/* Metadata (merged member by member) and variables for the next cell; either may be NULL. Returns 0, or -1: no memory. */
int session_update(struct session *session, json_t *metadata, json_t *variables);

/*
 * Asks for live figures; on_stats gets them, or NULL when they can't be had, possibly before this returns. It is not called when the
 * session is freed before.
 */
void session_ask_stats(struct session *session, void (*on_stats)(const struct session_stats *stats, void *arg), void *arg);
void session_forget_stats(struct session *session, void *arg); /* who asked has left */

void                 session_get_info(const struct session *session, struct session_info *ret);
struct session_node *session_node(struct session *session);
enum session_state   session_state(const struct session *session);
const struct id     *session_id(const struct session *session);
struct tenant       *session_owner(const struct session *session);
struct event_log    *session_log(struct session *session);
size_t               session_queue_length(const struct session *session);
/* Once nobody has used it for so long its memory is given back as far as the machine can, until it is used again. Returns whether that begins now. */
bool session_hibernate(struct session *session, int64_t monotonic_ms, uint32_t after_ms);
/* Once, when it has run nothing for a second: its worker gives back memory that only makes a first cell faster. Returns whether that was asked. */
bool session_shed(struct session *session, int64_t monotonic_ms);
/* Time to end for want of use. */
bool session_is_expired(const struct session *session, int64_t monotonic_ms);
/* Ended, all processes gone, nobody reads, and nobody is expected to. */
bool session_is_over(const struct session *session);
/* Ended, but what came of its executions can still be asked for, for a while. */
bool session_is_kept(const struct session *session);
/* Since when it is ended, ms since 1970. */
int64_t session_ended_ms(const struct session *session);

#endif
