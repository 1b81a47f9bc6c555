/* pool_private.h: what pool*.c share. Nobody else includes it. */
#ifndef PENNY_POOL_PRIVATE_H
#define PENNY_POOL_PRIVATE_H

#include <stdint.h>
#include <sys/queue.h>

#include "pool.h"

/* A spawn on its way, or a ready worker. */
struct place {
    TAILQ_ENTRY(place) entry;
    struct pool       *pool;
    struct pool_claim *claim; /* made for this one, because of its limits */
    struct worker     *worker;
    int64_t            asked_us; /* monotonic */
};

struct pool_claim {
    TAILQ_ENTRY(pool_claim) entry;
    struct pool         *pool;
    struct worker_limits limits;
    bool                 own_limits;
    struct place        *place; /* of own_limits */
    pool_on_worker       on_worker;
    void                *arg;
    struct event        *limit;
};

TAILQ_HEAD(place_list, place);
TAILQ_HEAD(claim_list, pool_claim);

struct pool {
    struct event_base *base;
    struct workers    *workers;
    size_t             size;
    struct place_list  ready, spawning;
    size_t             ready_count, spawning_count;
    struct claim_list  claims;
    size_t             claim_count;
    struct event      *refill; /* low priority: runs when nothing else wants to */
    struct event      *retry;
    struct event      *calm;
    uint32_t           delay_ms; /* 0: spawns succeed */
    bool               waiting, stopped;
    char               failure[256];
    void (*on_first)(void *arg);
    void *on_first_arg;
};

/* pool.c */
void pool_schedule(struct pool *pool); /* what is wanted is asked for when the loop has nothing better to do */

/* pool_claim.c */
struct pool_claim *pool_claim_first(const struct pool *pool); /* who waits for any worker; NULL: nobody */
/* Both end the claim. The worker is the receiver's, or NULL with a reason; refused, what was being made for this claim alone is given up. */
void pool_claim_answer(struct pool_claim *claim, struct worker *worker, const char *reason);
void pool_claim_refuse(struct pool_claim *claim, const char *reason);

#endif
