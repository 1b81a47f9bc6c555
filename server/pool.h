/*
 * pool.h: jails with a ready interpreter and no session yet. Kept at its size by spawns that start when the loop has nothing better
 * to do; when it is empty, whoever needs a session waits in turn for one made for it.
 */
#ifndef PENNY_POOL_H
#define PENNY_POOL_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "worker.h"

struct pool;
struct pool_claim; /* someone who waits */

/* worker: ready and idle, the receiver's from then on (worker_set_owner at once); NULL: there will be none, for this reason. */
typedef void (*pool_on_worker)(struct worker *worker, const char *reason, void *arg);

/* base needs three priorities. Returns NULL with err filled. */
struct pool *pool_new(struct event_base *base, struct workers *workers, size_t size, struct err *err);
/* Releases the ready ones; there must be no claims left. NULL is fine. */
void pool_free(struct pool *pool);

/* A ready worker, the caller's from then on, or NULL. */
struct worker *pool_take(struct pool *pool);
/* Waits for one: from the pool, or, with limits of its own (NULL: none), for one spawned so. on_worker is never called before this
 * returns. Returns NULL with err filled when memory is short. */
struct pool_claim *pool_wait(struct pool *pool, const struct worker_limits *limits, pool_on_worker on_worker, void *arg, struct err *err);
/* The waiter has left; on_worker is not called. */
void pool_cancel(struct pool_claim *claim);

/* Whether the zygote is there has changed. What one before it has made is given up for what this one makes. */
void pool_on_zygote(struct pool *pool, bool up);
/* Spawns no more; claims fail. */
void pool_stop(struct pool *pool);

struct workers *pool_workers(const struct pool *pool);
size_t          pool_ready_count(const struct pool *pool);
size_t          pool_spawning_count(const struct pool *pool);
size_t          pool_waiting_count(const struct pool *pool); /* who waits for one */
/* Why the last spawn failed; NULL when the last one did not. */
const char *pool_failure(const struct pool *pool);

/* Called once, when the first worker is ready or the first attempt has failed (see pool_failure). */
void pool_on_first(struct pool *pool, void (*on_first)(void *arg), void *arg);

#endif
