#define _GNU_SOURCE
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "pool_private.h"
#include "workers.h"

enum {
    IN_FLIGHT_CALM   = 1,  /* spawns at once while half of the pool is there: whoever has just got a session wants the processor, too */
    IN_FLIGHT_IDLE   = 3,  /* when less is there: enough to keep the zygote busy */
    IN_FLIGHT_WANTED = 16, /* and when someone waits */
    DELAY_FIRST_MS   = 100,
    DELAY_MAX_MS     = 5000,
    PRIORITY_LOW     = 2,
    CALM_MS          = 20, /* from a session's leaving until its place is filled, while half of the pool is there */
};

static const struct worker_events ready_events;

void pool_schedule(struct pool *pool)
{
    if (!pool->stopped)
        event_active(pool->refill, 0, 0);
}

static bool is_half_full(const struct pool *pool)
{
    return pool->ready_count * 2 >= pool->size;
}

/* One has left. */
static void schedule_calmly(struct pool *pool)
{
    const struct timeval after = {.tv_usec = CALM_MS * 1000};
    if (!is_half_full(pool))
        pool_schedule(pool);
    else if (!evtimer_pending(pool->calm, NULL))
        (void)evtimer_add(pool->calm, &after);
}

static void on_calm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pool_schedule(arg);
}

static void tell_first(struct pool *pool)
{
    void (*on_first)(void *arg) = pool->on_first;
    pool->on_first              = NULL;
    if (on_first != NULL)
        on_first(pool->on_first_arg);
}

static void on_ready(void *arg)
{
    struct place      *place  = arg;
    struct pool       *pool   = place->pool;
    struct worker     *worker = place->worker;
    struct pool_claim *claim  = place->claim != NULL ? place->claim : pool_claim_first(pool);

    metrics_observe(METRICS_SPAWN, (uint64_t)(metrics_now_us() - place->asked_us));
    TAILQ_REMOVE(&pool->spawning, place, entry);
    pool->spawning_count--;
    pool->delay_ms   = 0;
    pool->failure[0] = '\0';
    if (claim != NULL) {
        claim->place = NULL;
        free(place);
        pool_claim_answer(claim, worker, NULL);
    } else {
        TAILQ_INSERT_TAIL(&pool->ready, place, entry);
        pool->ready_count++;
        worker_set_owner(worker, &ready_events, place);
    }
    tell_first(pool);
    pool_schedule(pool);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    (void)fd;
    (void)what;
    pool->waiting = false;
    pool_schedule(pool);
}

static void back_off(struct pool *pool, const char *reason)
{
    struct timeval after;
    if (strcmp(pool->failure, reason) != 0)
        log_error("a session could not be made: %s", reason);
    (void)snprintf(pool->failure, sizeof pool->failure, "%s", reason);
    pool->delay_ms = pool->delay_ms == 0 ? DELAY_FIRST_MS : pool->delay_ms * 2;
    if (pool->delay_ms > DELAY_MAX_MS)
        pool->delay_ms = DELAY_MAX_MS;
    after         = (struct timeval){.tv_sec = pool->delay_ms / 1000, .tv_usec = (pool->delay_ms % 1000) * 1000};
    pool->waiting = true;
    (void)evtimer_add(pool->retry, &after);
}

/* One that was being made will not be. While the zygote is away nobody is told: a claim then waits for the next zygote. */
static void on_spawning_gone(const struct worker_death *death, void *arg)
{
    struct place      *place  = arg;
    struct pool       *pool   = place->pool;
    struct pool_claim *claim  = place->claim != NULL ? place->claim : pool_claim_first(pool);
    const char        *reason = death->reason[0] != '\0' ? death->reason : "its process ended before it was ready";
    bool               is_own = place->claim != NULL;

    if (is_own)
        place->claim->place = NULL;
    TAILQ_REMOVE(&pool->spawning, place, entry);
    pool->spawning_count--;
    free(place);
    if (!pool->stopped && workers_zygote_is_up(pool->workers)) {
        metrics_add(METRICS_SPAWN_FAILURES, 1);
        if (!is_own) /* else it may be for its limits, and is asked for only once */
            back_off(pool, reason);
        if (claim != NULL)
            pool_claim_answer(claim, NULL, reason);
        if (!is_own)
            tell_first(pool);
    }
    pool_schedule(pool);
}

static void on_ready_gone(const struct worker_death *death, void *arg)
{
    struct place *place = arg;
    struct pool  *pool  = place->pool;
    log_warn("a pooled session ended: %s", death->reason[0] != '\0' ? death->reason : "its process is gone");
    TAILQ_REMOVE(&pool->ready, place, entry);
    pool->ready_count--;
    free(place);
    pool_schedule(pool);
}

static void on_interpreter_exit(int status, void *arg)
{
    struct place *place = arg;
    (void)status;
    worker_end(place->worker, "its interpreter ended before it was used");
}

/* What it prints before it has a session is nobody's. */
static const struct worker_events spawning_events = {.on_ready = on_ready, .on_exit = on_interpreter_exit, .on_gone = on_spawning_gone};
static const struct worker_events ready_events    = {.on_exit = on_interpreter_exit, .on_gone = on_ready_gone};

/* Returns false when no more can be asked for now. */
static bool spawn(struct pool *pool, struct pool_claim *claim)
{
    static const struct worker_limits none  = {0};
    struct err                        err   = {0};
    struct place                     *place = calloc(1, sizeof *place);
    if (place == NULL)
        return false;
    place->pool     = pool;
    place->claim    = claim;
    place->asked_us = metrics_now_us();
    place->worker   = worker_spawn(pool->workers, claim != NULL ? &claim->limits : &none, &spawning_events, place, &err);
    if (place->worker == NULL) {
        free(place);
        if (workers_zygote_is_up(pool->workers)) /* else the next one's coming is told */
            back_off(pool, err.message);
        return false;
    }
    if (claim != NULL)
        claim->place = place;
    TAILQ_INSERT_TAIL(&pool->spawning, place, entry);
    pool->spawning_count++;
    return true;
}

static void spawn_own(struct pool *pool)
{
    struct pool_claim *claim = NULL;
    TAILQ_FOREACH(claim, &pool->claims, entry)
    {
        if (claim->own_limits && claim->place == NULL && (pool->spawning_count >= IN_FLIGHT_WANTED || !spawn(pool, claim)))
            return;
    }
}

/* How many spawns for nobody in particular should be on their way. */
static size_t wanted(const struct pool *pool)
{
    size_t missing = pool->size > pool->ready_count ? pool->size - pool->ready_count : 0;
    size_t at_once = is_half_full(pool) ? IN_FLIGHT_CALM : IN_FLIGHT_IDLE;
    if (missing > at_once)
        missing = at_once;
    if (missing < pool->claim_count)
        missing = pool->claim_count;
    return missing < IN_FLIGHT_WANTED ? missing : IN_FLIGHT_WANTED;
}

static void on_refill(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    (void)fd;
    (void)what;
    if (pool->waiting || pool->stopped || !workers_zygote_is_up(pool->workers))
        return;
    spawn_own(pool);
    while (pool->spawning_count < wanted(pool))
        if (!spawn(pool, NULL))
            return;
}

struct pool *pool_new(struct event_base *base, struct workers *workers, size_t size, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the pool");
        return NULL;
    }
    pool->base    = base;
    pool->workers = workers;
    pool->size    = size;
    TAILQ_INIT(&pool->ready);
    TAILQ_INIT(&pool->spawning);
    TAILQ_INIT(&pool->claims);
    pool->refill = event_new(base, -1, 0, on_refill, pool);
    pool->retry  = evtimer_new(base, on_retry, pool);
    pool->calm   = evtimer_new(base, on_calm, pool);
    if (pool->refill == NULL || pool->retry == NULL || pool->calm == NULL || event_priority_set(pool->refill, PRIORITY_LOW) < 0) {
        (void)err_set(err, ENOMEM, "cannot make the pool's events");
        pool_free(pool);
        return NULL;
    }
    return pool;
}

static void release_all(struct place_list *list)
{
    struct place *place;
    while ((place = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, place, entry);
        worker_release(place->worker);
        free(place);
    }
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    release_all(&pool->ready);
    release_all(&pool->spawning);
    if (pool->refill != NULL)
        event_free(pool->refill);
    if (pool->retry != NULL)
        event_free(pool->retry);
    if (pool->calm != NULL)
        event_free(pool->calm);
    free(pool);
}

struct worker *pool_take(struct pool *pool)
{
    struct place  *place = TAILQ_FIRST(&pool->ready);
    struct worker *worker;
    if (place == NULL)
        return NULL;
    TAILQ_REMOVE(&pool->ready, place, entry);
    pool->ready_count--;
    worker = place->worker;
    free(place);
    schedule_calmly(pool);
    return worker;
}

void pool_on_zygote(struct pool *pool, bool up)
{
    if (!up)
        return;
    release_all(&pool->ready); /* made by a former one: of another version perhaps, or with other policies */
    pool->ready_count = 0;
    pool->waiting     = false;
    pool->delay_ms    = 0;
    pool_schedule(pool);
    if (pool->size == 0)
        tell_first(pool);
}

void pool_stop(struct pool *pool)
{
    pool->stopped = true;
    while (!TAILQ_EMPTY(&pool->claims))
        pool_claim_refuse(TAILQ_FIRST(&pool->claims), "the service is about to stop");
    release_all(&pool->ready);
    release_all(&pool->spawning);
    pool->ready_count = pool->spawning_count = 0;
}

struct workers *pool_workers(const struct pool *pool)
{
    return pool->workers;
}

size_t pool_ready_count(const struct pool *pool)
{
    return pool->ready_count;
}

size_t pool_spawning_count(const struct pool *pool)
{
    return pool->spawning_count;
}

const char *pool_failure(const struct pool *pool)
{
    return pool->failure[0] != '\0' ? pool->failure : NULL;
}

void pool_on_first(struct pool *pool, void (*on_first)(void *arg), void *arg)
{
    pool->on_first     = on_first;
    pool->on_first_arg = arg;
}
