/*
 * session_race.h: several cells, each in a fork of the session's present state, at the same time. The first that ends well may be made the
 * session's state: its interpreter becomes the session's. Otherwise all forks are discarded and the session is as it was.
 *
 * From the moment of the fork until the end nothing else runs in the session.
 */
#ifndef PENNY_SESSION_RACE_H
#define PENNY_SESSION_RACE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "execution.h"
#include "session.h"

enum { RACE_MAX = 31 /* candidates: they and the session are one family */ };

struct race_answer {
    const struct fork_answer *fork;    /* NULL; or why there was no fork: no candidate has run */
    int                       winner;  /* index of the candidate whose state the session has now; -1: none */
    size_t                    count;   /* of candidates */
    const struct bytes       *results; /* of each: the ExecutionResult as JSON text */
};

struct race_request {
    const struct execution_request *candidates; /* without files and packages */
    size_t                          count;
    bool                            first_ok; /* else none is kept */
    bool                            may_wait;
    void (*on_end)(const struct race_answer *answer, void *arg); /* once, never before session_race returns */
    void *arg;
};

/*
 * The candidates are executions of the session, queued until they start; ret_executions (room for RACE_MAX): in their order. Returns 0; or -1 with err
 * as session_fork, or EDQUOT.
 */
int session_race(struct session *session, const struct race_request *request, struct execution **ret_executions, struct err *err);
/* Who asked with this arg has left: on_end is not called. The race goes on. */
void session_race_forget(struct session *session, const void *arg);

/* For session*.c. */
struct session_race;
TAILQ_HEAD(race_list, session_race);
bool session_race_interrupt(struct session *session);                   /* what runs of it; false: there is none */
void session_race_end_all(struct session *session, const char *reason); /* answers all, nobody wins */
void session_race_free_all(struct session *session);                    /* without a callback */

#endif
