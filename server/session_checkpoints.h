/*
 * session_checkpoints.h: the parked copies of a session's interpreter: when one is taken, and the way back to it.
 *
 * Three files: session_park.c takes copies, session_restore.c goes back to one, session_checkpoints.c is what callers may ask for.
 */
#ifndef PENNY_SESSION_CHECKPOINTS_H
#define PENNY_SESSION_CHECKPOINTS_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"
#include "err.h"
#include "frame.h"
#include "outcome.h"
#include "session.h"

enum {
    CHECKPOINT_QUEUE_MAX  = 32,   /* requests that wait, per session */
    CHECKPOINT_WAIT_MS    = 1000, /* for the cell that runs */
    CHECKPOINT_IDLE_WAITS = 10,   /* so many times as long for what is no cell */
    CHECKPOINT_REASON     = 200,  /* bytes of a text why there is no copy */
};

enum checkpoint_end {
    CHECKPOINT_DONE,
    CHECKPOINT_BUSY,    /* something else ran all the time */
    CHECKPOINT_REFUSED, /* the interpreter can't be copied truthfully: see reason */
    CHECKPOINT_FULL,    /* the session has as many as it may have */
    CHECKPOINT_UNKNOWN, /* there is none with this id or name, or none at all */
    CHECKPOINT_GONE,    /* its process is gone */
    CHECKPOINT_DIED,    /* the interpreter died meanwhile */
    CHECKPOINT_OVER,    /* the session is over, or was restarted */
};

/* Borrowed; only for the duration of the callback. */
struct checkpoint_answer {
    enum checkpoint_end      end;
    const struct checkpoint *checkpoint; /* when DONE */
    const char              *reason;     /* when REFUSED */
    const char              *given;      /* the id, name or NULL that was asked for */
};

typedef void (*checkpoint_on_answer)(const struct checkpoint_answer *answer, void *arg);

/*
 * A named copy of the present state; `name` "" for one that is made up. Waits for the cell that runs, for CHECKPOINT_WAIT_MS. on_answer
 * is called once, never before this returns. Returns 0, or -1 with err and on_answer is not called: ENOBUFS, ENOMEM, EINVAL (the
 * session is over).
 */
int session_checkpoint(struct session *session, const char *name, checkpoint_on_answer on_answer, void *arg, struct err *err);
/* Back to a named one: id, name, or NULL for the last. Everything else as above. */
int session_rollback(struct session *session, const char *which, checkpoint_on_answer on_answer, void *arg, struct err *err);
/* Who asked with this arg has left. What was asked for is still done. */
void session_checkpoints_forget(struct session *session, const void *arg);
/* DONE, BUSY (the session is going back to it), UNKNOWN or GONE. */
enum checkpoint_end session_checkpoint_drop(struct session *session, const char *which);
void                session_set_checkpoints(struct session *session, enum checkpoint_mode mode);

struct checkpoints_info {
    enum checkpoint_mode      mode;
    const struct checkpoints *all;
    const struct checkpoint  *newest;        /* the one that a death would lead back to; NULL: none */
    bool                      is_up_to_date; /* it holds all that the session holds, or there is nothing to hold */
    const char               *reason;        /* why the last attempt gave none; NULL: it gave one */
};
void session_checkpoints_info(const struct session *session, struct checkpoints_info *ret);

/* ---- for session*.c ---- */

struct session_checkpoints;
struct session_checkpoints *session_checkpoints_new(struct session *session, struct event_base *base, enum checkpoint_mode mode);
void                        session_checkpoints_free(struct session_checkpoints *checkpoints); /* without a callback; NULL is fine */
/* Answers all, as OVER. */
void session_checkpoints_end_all(struct session *session);

/* session_park.c */
/* The number of the state that the session is in; 0: there is nothing that a death would lose. */
uint64_t session_state_number(const struct session *session);
/* Variables were changed. */
void session_note_change(struct session *session);
/* An execution has ended, and what it did is kept. */
void session_note_execution(struct session *session, const struct outcome *outcome);
/* The session is made on the live copy of another one's interpreter. */
void session_note_inherited(struct session *session);
/* Takes a copy if one is due. Returns whether something of copies is under way now: then nothing else may start. */
bool session_park_go_on(struct session *session);
void session_park_on_frame(struct session *session, const struct frame *frame); /* EVENT_PARKED */
/* Whether the present state can be gone back to exactly; if not, *ret_reason says why. */
bool session_park_is_exact(const struct session *session, const char **ret_reason);
bool session_park_runs(const struct session *session);

/* session_restore.c */
/* The interpreter has died: a copy takes its place, or a fresh one does. */
void session_restore_on_exit(struct session *session);
/* The interpreter is ready: the woken copy, or a fresh one. */
void session_restore_on_ready(struct session *session);
void session_restore_on_copy_gone(struct session *session, int32_t pid, int status);
void session_restore_on_jail_gone(struct session *session);
/* Another interpreter takes the place of the present one, whose copies stay the session's. */
void session_restore_on_exchange(struct session *session);
/* Takes back what the cell that has just failed did. */
void session_restore_undo(struct session *session);
/* The next interpreter is to be a fresh one. Returns whether the present one must be killed for that. */
bool session_restore_fresh(struct session *session);

#endif
