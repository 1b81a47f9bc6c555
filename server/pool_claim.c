/* pool_claim.c: who waits for a session: in turn, for so long, perhaps for one with limits of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "pool_private.h"

enum { CLAIM_LIMIT_S = 30 };

static void free_claim(struct pool_claim *claim)
{
    TAILQ_REMOVE(&claim->pool->claims, claim, entry);
    if (!claim->own_limits)
        claim->pool->claim_count--;
    event_free(claim->limit);
    free(claim);
}

void pool_claim_answer(struct pool_claim *claim, struct worker *worker, const char *reason)
{
    pool_on_worker on_worker = claim->on_worker;
    void          *arg       = claim->arg;
    if (claim->place != NULL)
        claim->place->claim = NULL;
    free_claim(claim);
    on_worker(worker, reason, arg);
}

struct pool_claim *pool_claim_first(const struct pool *pool)
{
    struct pool_claim *claim = NULL;
    TAILQ_FOREACH(claim, &pool->claims, entry)
    {
        if (!claim->own_limits)
            return claim;
    }
    return NULL;
}

/* What is being made with the limits of this claim is of use to nobody else; another one may be made in its place. */
static void drop_place(struct pool_claim *claim)
{
    struct place *place = claim->place;
    if (place == NULL)
        return;
    claim->place = NULL;
    TAILQ_REMOVE(&claim->pool->spawning, place, entry);
    claim->pool->spawning_count--;
    worker_release(place->worker);
    free(place);
    pool_schedule(claim->pool);
}

void pool_claim_refuse(struct pool_claim *claim, const char *reason)
{
    drop_place(claim);
    pool_claim_answer(claim, NULL, reason);
}

static void on_claim_limit(evutil_socket_t fd, short what, void *arg)
{
    struct pool_claim *claim = arg;
    (void)fd;
    (void)what;
    pool_claim_refuse(claim, "no session could be made in time");
}

struct pool_claim *pool_wait(struct pool *pool, const struct worker_limits *limits, pool_on_worker on_worker, void *arg, struct err *err)
{
    const struct timeval limit = {.tv_sec = CLAIM_LIMIT_S};
    struct pool_claim   *claim = calloc(1, sizeof *claim);
    if (claim != NULL)
        claim->limit = evtimer_new(pool->base, on_claim_limit, claim);
    if (claim == NULL || claim->limit == NULL || evtimer_add(claim->limit, &limit) < 0) {
        if (claim != NULL && claim->limit != NULL)
            event_free(claim->limit);
        free(claim);
        (void)err_set(err, ENOMEM, "no memory to wait for a session");
        return NULL;
    }
    claim->pool       = pool;
    claim->own_limits = limits != NULL;
    if (limits != NULL)
        claim->limits = *limits;
    claim->on_worker = on_worker;
    claim->arg       = arg;
    TAILQ_INSERT_TAIL(&pool->claims, claim, entry);
    if (!claim->own_limits)
        pool->claim_count++;
    pool_schedule(pool);
    return claim;
}

void pool_cancel(struct pool_claim *claim)
{
    if (claim == NULL)
        return;
    drop_place(claim);
    free_claim(claim);
}

size_t pool_waiting_count(const struct pool *pool)
{
    struct pool_claim *claim;
    size_t             n = 0;
    for (claim = TAILQ_FIRST(&pool->claims); claim != NULL; claim = TAILQ_NEXT(claim, entry))
        n++;
    return n;
}
