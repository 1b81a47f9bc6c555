#define _GNU_SOURCE
#include "stats_wait.h"

#include <event2/event_struct.h>
#include <stdlib.h>

enum { LIMIT_S = 5 /* a zygote that has much to do answers late, and one that is away not at all */ };

struct stats_waiter {
    TAILQ_ENTRY(stats_waiter) entry;
    struct stats_wait *wait;
    struct event       timer;
    void (*on_stats)(const struct session_stats *stats, void *arg);
    void *arg;
};

static void drop(struct stats_waiter *waiter)
{
    TAILQ_REMOVE(&waiter->wait->waiters, waiter, entry);
    (void)evtimer_del(&waiter->timer);
    free(waiter);
}

static void answer(struct stats_waiter *waiter, const struct session_stats *stats)
{
    void (*on_stats)(const struct session_stats *stats, void *arg) = waiter->on_stats;
    void *arg                                                      = waiter->arg;
    drop(waiter);
    on_stats(stats, arg);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    answer(arg, NULL);
}

void stats_wait_init(struct stats_wait *wait, struct event_base *base)
{
    wait->base = base;
    TAILQ_INIT(&wait->waiters);
}

void stats_wait_done(struct stats_wait *wait)
{
    while (!TAILQ_EMPTY(&wait->waiters))
        drop(TAILQ_FIRST(&wait->waiters));
}

bool stats_wait_add(struct stats_wait *wait, void (*on_stats)(const struct session_stats *stats, void *arg), void *arg)
{
    const struct timeval limit  = {.tv_sec = LIMIT_S};
    struct stats_waiter *waiter = calloc(1, sizeof *waiter);
    if (waiter == NULL)
        return false;
    waiter->wait     = wait;
    waiter->on_stats = on_stats;
    waiter->arg      = arg;
    (void)evtimer_assign(&waiter->timer, wait->base, on_limit, waiter);
    (void)evtimer_add(&waiter->timer, &limit);
    TAILQ_INSERT_TAIL(&wait->waiters, waiter, entry);
    return true;
}

void stats_wait_remove(struct stats_wait *wait, const void *arg)
{
    struct stats_waiter *waiter, *next;
    for (waiter = TAILQ_FIRST(&wait->waiters); waiter != NULL; waiter = next) {
        next = TAILQ_NEXT(waiter, entry);
        if (waiter->arg == arg)
            drop(waiter);
    }
}

void stats_wait_answer(struct stats_wait *wait, const struct session_stats *stats)
{
    while (!TAILQ_EMPTY(&wait->waiters))
        answer(TAILQ_FIRST(&wait->waiters), stats);
}
