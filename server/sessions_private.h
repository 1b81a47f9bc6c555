/* sessions_private.h: what sessions*.c share. Nobody else includes it. */
#ifndef PENNY_SESSIONS_PRIVATE_H
#define PENNY_SESSIONS_PRIVATE_H

#include "sessions.h"

enum {
    SESSIONS_HIBERNATE_AT_ONCE = 32,  /* with each sweep: the zygote forks for each, and others want something of it, too */
    SESSIONS_SHED_AT_ONCE      = 512, /* a write each, and a tenth of a millisecond of each worker */
};

/* Someone who waits for a session being made. */
struct asker {
    TAILQ_ENTRY(asker) entry;
    sessions_on_session on_session;
    void               *arg;
};

/* A session being made. */
struct birth {
    TAILQ_ENTRY(birth) entry;
    struct sessions       *sessions;
    struct session_request request;
    struct pool_claim     *claim;
    TAILQ_HEAD(asker_list, asker) askers;
};

struct sessions {
    struct event_base       *base;
    struct pool             *pool;
    struct sessions_settings settings;
    struct table            *by_id, *executions;
    struct ended            *ended;
    struct session_list      over, leaving;
    struct turns             turns;
    struct turn_line         everybody; /* of sessions without an owner */
    TAILQ_HEAD(birth_list, birth) births;
    size_t                 birth_count;
    struct sessions_totals totals;
    size_t                 parts; /* of the living ones */
    struct checkpoint_line checkpoint_line;
    struct event          *sweep, *bury, *leave;
    bool                   draining, closed;
    void (*on_idle)(void *arg);
    void *on_idle_arg;
};

/* sessions_create.c */
void sessions_free_birth(struct birth *birth);

/* sessions_sweep.c */
void sessions_sweep(struct sessions *sessions); /* now and then */
void sessions_bury(struct sessions *sessions);  /* frees those that are over and that nobody may ask for any more */

#endif
