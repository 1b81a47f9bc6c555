/*
 * session_fork.h: live copies of a session's interpreter, in its own jail (worker_fork). The interpreter parks a copy of itself between two
 * cells; from then on it goes on with its own work, and the forks come of the parked copy one after the other.
 */
#ifndef PENNY_SESSION_FORK_H
#define PENNY_SESSION_FORK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "frame.h"
#include "session.h"

enum {
    FORK_QUEUE_MAX = 16,         /* requests per session that wait for the interpreter */
    FORK_COUNT_MAX = FAMILY_MAX, /* of one request */
};

enum fork_end {
    FORK_DONE,
    FORK_REFUSED, /* the interpreter can't be copied truthfully: see reason */
    FORK_DIED,    /* the interpreter died before there was a copy */
    FORK_FAILED,  /* the kernel, or a limit of the jail, allows no more processes or memory: see reason */
    FORK_OVER,    /* the session is over */
};

/* How the session was when the copy was taken. */
struct fork_moment {
    uint64_t executions, live;
    bool     profile_sent;
    json_t  *variables; /* for the next cell; NULL: none */
};

/* Borrowed; only for the duration of the callback. */
struct fork_answer {
    enum fork_end             end;
    const char               *reason;
    struct worker           **workers; /* when DONE, ready, the receiver's to own */
    size_t                    count;
    const struct fork_moment *moment;
    bool                      holds; /* of session_fork_and_hold: session->held counts it, and who asked has to take it back */
};

typedef void (*fork_on_answer)(const struct fork_answer *answer, void *arg);

/*
 * Waits for what runs now, if it may, not for what is in the queue. on_answer is called once, never before this returns. Returns 0; or -1 with err and
 * on_answer is not called: EBUSY (something runs and it may not wait), ENOBUFS (too many wait), EAGAIN (so many do not fit into a jail),
 * ENOMEM, EINVAL (the session is over).
 */
int session_fork(struct session *session, size_t count, bool may_wait, fork_on_answer on_answer, void *arg, struct err *err);
/*
 * Likewise, as soon as the session may run one thing more; from the copy on nothing else runs in the session until who asked has made
 * session->held less by one. on_answer is always called, unless session_fork_forget was.
 */
int session_fork_and_hold(struct session *session, size_t count, fork_on_answer on_answer, void *arg, struct err *err);
/* Who asked with this arg has left; on_answer is not called, and nothing is held for it. */
void session_fork_forget(struct session *session, const void *arg);

/* For session*.c. */
struct session_forks;
struct session_forks *session_forks_new(void);                         /* NULL: no memory */
void                  session_forks_free(struct session_forks *forks); /* without a callback; NULL is fine */
/* Asks for the next copy if the interpreter is idle. Returns whether one is being taken now: then nothing else may start. */
bool session_fork_go_on(struct session *session);
bool session_fork_parks(const struct session *session);
void session_fork_on_parked(struct session *session, const struct frame *frame); /* EVENT_PARKED, while it parks */
void session_fork_on_death(struct session *session);                             /* the interpreter, or its jail, has died */
void session_fork_end_all(struct session *session);                              /* answers all, as OVER */

#endif
