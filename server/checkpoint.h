/*
 * checkpoint.h: the parked copies of one session's interpreter, as a list of plain facts, and which of them a death leads back to.
 *
 * Every state that a session has been in has a number, from 1; 0 is a fresh interpreter. Numbers are never used again: after a rollback
 * to state 3 the next change makes the next unused one. A copy knows the state it holds and the nearest older one that was held by a copy,
 * so the copies are a tree; `base` is the copied state nearest to where the session is. A death leads to base, or to what lies before
 * it, never to a branch that a rollback has left.
 */
#ifndef PENNY_CHECKPOINT_H
#define PENNY_CHECKPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "id.h"

enum {
    CHECKPOINT_NAME_CHARS = 100,
    CHECKPOINT_NAME_BYTES = CHECKPOINT_NAME_CHARS * 4 + 1,
    CHECKPOINTS_LOST_MAX  = 16, /* remembered, so that who asks for one is told what became of it */
};

enum checkpoint_status {
    CHECKPOINT_PARKED, /* its process sleeps */
    CHECKPOINT_AWAKE,  /* its process is the session's interpreter, or is becoming it; a new copy will take its place */
    CHECKPOINT_LOST,   /* its process is gone */
};

/*
 * All but the list's links is plain data. With `state` and `last_state` of its session, and `base`, it is all that somebody who takes over
 * the session must be told of: the processes themselves live on under init, which knows their pids too.
 */
struct checkpoint {
    TAILQ_ENTRY(checkpoint) entry; /* oldest first */
    struct id              id;
    char                   id_text[ID_TEXT_BYTES];
    bool                   is_named;                    /* asked for; else the service's own, which it drops as it likes */
    char                   name[CHECKPOINT_NAME_BYTES]; /* "" when it is not */
    enum checkpoint_status status;
    int32_t                pid; /* in the session's pid namespace */
    uint64_t               state, before;
    uint64_t               execution_count; /* of the last execution that it knows of */
    uint64_t               memory_bytes;    /* of the interpreter when it was taken: what it can come to cost at most */
    int64_t                created_ms;      /* since 1970 */
};

/* When the service takes copies of its own accord. */
enum checkpoint_mode { CHECKPOINTS_ADAPTIVE, CHECKPOINTS_ALWAYS, CHECKPOINTS_OFF, CHECKPOINT_MODES };

struct checkpoints {
    TAILQ_HEAD(checkpoint_list, checkpoint) list;
    uint64_t base;
    uint64_t numbered; /* named ones so far, for names that were not given */
};

void checkpoints_init(struct checkpoints *all);
void checkpoints_done(struct checkpoints *all);

/* A parked copy of the present state. name: NULL for one of the service's own, "" for one to be given a name. NULL: no memory. */
struct checkpoint *checkpoints_add(struct checkpoints *all, const char *name, int32_t pid, uint64_t state);
/* One of the service's own becomes a named one, and back. */
void checkpoints_name(struct checkpoints *all, struct checkpoint *checkpoint, const char *name);
void checkpoints_unname(struct checkpoint *checkpoint);
void checkpoints_remove(struct checkpoints *all, struct checkpoint *checkpoint);
/* Its process is gone: a named one is remembered as lost, another removed. */
void checkpoints_lose(struct checkpoints *all, struct checkpoint *checkpoint);
/* The session is in this one's state now. */
void checkpoints_return(struct checkpoints *all, const struct checkpoint *checkpoint);
/* The session has a fresh interpreter now. */
void checkpoints_leave(struct checkpoints *all);

/* Named ones, by id or name (the newest of several); NULL: the newest that is not lost. Returns NULL when there is none. */
struct checkpoint *checkpoints_find(const struct checkpoints *all, const char *text);
struct checkpoint *checkpoints_of_pid(const struct checkpoints *all, int32_t pid); /* a parked or awake one */
struct checkpoint *checkpoints_at(const struct checkpoints *all, uint64_t state);  /* a parked one */
/* The parked one that a death leads back to, or NULL. */
struct checkpoint *checkpoints_nearest(const struct checkpoints *all);
/* The oldest parked one of the service's own, but not this one (may be NULL). */
struct checkpoint *checkpoints_oldest_own(const struct checkpoints *all, const struct checkpoint *but);

size_t   checkpoints_count_named(const struct checkpoints *all); /* without lost ones */
uint64_t checkpoints_own_bytes(const struct checkpoints *all);   /* memory of the service's own parked ones, added up */

const char *checkpoint_mode_name(enum checkpoint_mode mode); /* "adaptive" */
/* {id, name, createdAt, executionCount, memory}; NULL when memory is short. */
json_t *checkpoint_write(const struct checkpoint *checkpoint);
/* Array of the named ones that are not lost, oldest first. */
json_t *checkpoints_write(const struct checkpoints *all);

#endif
