/* session_checkpoints_private.h: what session_park.c, session_restore.c and session_checkpoints.c share. Nobody else includes it. */
#ifndef PENNY_SESSION_CHECKPOINTS_PRIVATE_H
#define PENNY_SESSION_CHECKPOINTS_PRIVATE_H

#include <event2/event_struct.h>

#include "checkpoint_line.h"
#include "session_checkpoints.h"
#include "session_private.h"

/* What a copy is being taken for. */
enum park_purpose {
    PARK_NONE,
    PARK_OWN,   /* so that a death loses nothing */
    PARK_NAMED, /* somebody asked */
    PARK_AGAIN, /* in place of one that was woken */
};

struct checkpoint_request {
    TAILQ_ENTRY(checkpoint_request) entry;
    struct session      *session;
    bool                 is_rollback;
    char                *which; /* the name; for a rollback id, name or NULL */
    unsigned             waits;
    struct event         timer;
    checkpoint_on_answer on_answer; /* NULL: who asked has left */
    void                *arg;
};

struct session_checkpoints {
    struct checkpoints       all;
    enum checkpoint_mode     mode;
    uint64_t                 state, last_state; /* session_state_number(); the highest number used */
    uint64_t                 refused_state;     /* no copy of this one can be had */
    uint64_t                 memory_bytes;      /* of the interpreter, after the last cell */
    uint64_t                 execution_count;   /* of the last execution whose doing the present state holds */
    char                     reason[CHECKPOINT_REASON];
    struct checkpoint_budget budget;
    int64_t                  first_us; /* when a first copy was wanted; 0: not yet */
    struct event             timer;    /* for when the budget allows again */
    struct checkpoint_line  *line;
    struct checkpoint_place  place; /* among all sessions */
    enum park_purpose        purpose;
    int64_t                  started_us; /* of the copy being taken, or of the way back */
    struct checkpoint       *target;     /* of PARK_AGAIN; or being woken */
    struct checkpoint       *wanted;     /* where the next death leads; NULL: the nearest */
    bool                     wants_fresh;
    TAILQ_HEAD(checkpoint_request_list, checkpoint_request) waiting;
    size_t                     waiting_count;
    struct checkpoint_request *running;
};

/* session_worker.c */
void session_respawn(struct session *session);

/* session_park.c */
bool session_park_begin(struct session *session, enum park_purpose purpose);
/* Drops copies of the service's own, but this one. */
void session_park_drop_own(struct session *session, const struct checkpoint *but);

/* session_checkpoints.c */
/* Begins the first request that waits, if any. Returns whether something is under way. */
bool session_checkpoints_go_on(struct session *session);
/* Answers the request being done, if there is one. */
void session_checkpoints_answer(struct session *session, enum checkpoint_end end, const struct checkpoint *checkpoint);

/* session_restore.c */
void session_restore_begin(struct session *session, struct checkpoint *wanted);

#endif
