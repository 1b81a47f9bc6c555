/*
 * session_keep.h: what a session leaves for the server process that comes after this one: its seat in the kept memory (keep.h), and
 * records in its event log, each flush of which ends with a commit. session_resume.c reads them.
 */
#ifndef PENNY_SESSION_KEEP_H
#define PENNY_SESSION_KEEP_H

#include "execution.h"
#include "pipes.h"
#include "session.h"

/* Of its parked copies (session_copies.c). */
struct copies_kept {
    uint64_t state, last_state, refused_state, memory_bytes, execution_count, base, numbered;
    uint64_t list_at; /* record of struct checkpoint, `count` of them */
    uint32_t count, purpose, wants_fresh, reserved;
    int32_t  target, wanted; /* pids; 0: none */
};

/* Payload of EVENT_RECORD_COMMIT. All zero: nothing has happened yet, the interpreter is ready. */
struct session_commit {
    struct pipes_position position;
    uint64_t              requests; /* sent by then; see keep_request.count */
    uint64_t              execution;
    uint32_t              worker_state;
    uint32_t              has_late;
    int32_t               waking_pid, reserved;
    uint64_t              late_at; /* record of text that came while nothing ran */
    struct execution_kept running; /* serial 0: none */
    struct copies_kept    copies;
};

bool session_is_seated(const struct session *session); /* whether all this is done for it at all */
/* A seat, filled from the session. Returns 0, or -1: no memory. */
int  session_keep_begin(struct session *session);
int  session_keep_again(struct session *session, struct keep_seat *seat); /* the seat of the process before */
void session_keep_end(struct session *session);                           /* it is not to be resumed; twice is fine */
/* Its worker is this one, or, NULL, none. */
void session_keep_worker(struct session *session);
void session_keep_worker_again(struct session *session); /* the worker of the process before */
/* Figures and marks. A few stores. */
void session_keep(struct session *session);
/* Metadata, variables and environment. */
void session_keep_values(struct session *session);
/* An execution that waits, so that it can be run by another process. */
void session_keep_waiting(struct session *session, struct execution *execution);
/* Its parked copies, and afterwards: taken, what was under way with them gone on with, those that are dead found out. */
void                 session_copies_commit(struct session *session, struct copies_kept *ret);
enum checkpoint_mode session_copies_mode(const struct session *session);
void                 session_copies_restore(struct session *session, const struct copies_kept *kept);
bool                 session_copies_are_awaited(const struct session *session); /* the interpreter is to be another one */
void                 session_copies_resume(struct session *session, bool interpreter);
void                 session_copies_on_unsent(struct session *session); /* no copy was asked for */
/* All that one wake-up brought has been handed on. */
void session_keep_turn(struct session *session);

#endif
