/*
 * session_inspect.h: questions about a session's interpreter, asked between its cells: REQUEST_INSPECT and its EVENT_REPLY.
 *
 * A question may run code of the user's (a __repr__), so each has a time limit: first an interrupt, then the interpreter's end. The
 * session goes on either way, and who asked is told. While a cell runs, questions wait for its end, but not for long; those that only read
 * are then answered by the session's newest copy, if there is one.
 */
#ifndef PENNY_SESSION_INSPECT_H
#define PENNY_SESSION_INSPECT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "frame.h"
#include "session.h"
#include "session_reader.h"

enum {
    INSPECT_QUEUE_MAX    = 32,    /* per session */
    INSPECT_WAIT_MS      = 1000,  /* for the cell that runs */
    INSPECT_IDLE_WAIT_MS = 10000, /* for what is no cell */
    INSPECT_SOON_MS      = 8,     /* likewise, when a copy may answer */
    INSPECT_READ_MS      = 5000,  /* for that copy's answer */
    INSPECT_LIMIT_MS     = 15000,
    INSPECT_GRACE_MS     = 2000, /* from the interrupt to the interpreter's end */
};

enum inspect_end {
    INSPECT_ANSWERED,
    INSPECT_BUSY,    /* something else ran all the time */
    INSPECT_DIED,    /* the interpreter died while it answered, or had to be ended */
    INSPECT_GARBLED, /* its answer is not of the agreed form */
    INSPECT_GONE,    /* the session is over, or was restarted */
};

/* Borrowed; only for the duration of the callback. */
struct inspect_reply {
    enum inspect_end              end;
    const struct execution_state *after; /* when DIED: what the session is left with */
    const json_t                 *json;  /* when ANSWERED: an object. Whole numbers beyond 64 bits were read as floating point */
    const char                   *text;  /* the same as it came */
    size_t                        length;
    const struct reader_moment   *moment; /* when a copy answered: where it is from; NULL: the interpreter did */
};

enum inspect_flags {
    INSPECT_CHANGES = 1, /* the answer may have changed variables */
    INSPECT_STALE   = 2, /* while the interpreter is busy its newest copy may answer */
};

typedef void (*inspect_on_reply)(const struct inspect_reply *reply, void *arg);

/*
 * Asks {"op": ...} (owned). `flags`: enum inspect_flags. on_reply is called once, never before this returns.
 * Returns 0, or -1 with err and on_reply is not called: ENOBUFS (too many wait), ENOMEM, EINVAL (the session is over).
 */
int session_inspect(struct session *session, json_t *request, unsigned flags, inspect_on_reply on_reply, void *arg, struct err *err);
/* Who asked with this arg has left; on_reply is not called. The question itself is still asked. */
void session_inspect_forget(struct session *session, const void *arg);

/* For session*.c. */
struct inspections;
struct inspections *session_inspect_new(struct event_base *base);          /* NULL: no memory */
void                session_inspect_free(struct inspections *inspections); /* without a callback; NULL is fine */
/* Asks the next question if the interpreter is idle. Returns whether one is being answered now: then no cell may start. */
bool session_inspect_go_on(struct session *session);
bool session_inspect_runs(const struct session *session);
void session_inspect_on_reply(struct session *session, const struct frame *frame);
bool session_inspect_waits(const struct session *session);
/* The interpreter has died: what it was asked is answered by session_inspect_on_state. */
void session_inspect_on_exit(struct session *session);
void session_inspect_on_state(struct session *session, const struct execution_state *after);
/* The process before this one had asked something: its answer is nobody's, but has to come. */
void session_inspect_resume(struct session *session);
/* What was asked has never reached the interpreter. */
void session_inspect_on_unsent(struct session *session);
/* Answers all, as GONE. */
void session_inspect_end_all(struct session *session);

#endif
