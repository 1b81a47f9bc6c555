/* stats_wait.h: those who asked for a session's live figures. Embedded in struct session. */
#ifndef PENNY_STATS_WAIT_H
#define PENNY_STATS_WAIT_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "zygote_wire.h"

struct stats_waiter;

struct stats_wait {
    struct event_base *base;
    TAILQ_HEAD(stats_waiter_list, stats_waiter) waiters;
};

void stats_wait_init(struct stats_wait *wait, struct event_base *base);
void stats_wait_done(struct stats_wait *wait); /* nobody is answered any more */

/* on_stats is called once: with the figures, or after a second with NULL. Returns false when memory is short. */
bool stats_wait_add(struct stats_wait *wait, void (*on_stats)(const struct session_stats *stats, void *arg), void *arg);
void stats_wait_remove(struct stats_wait *wait, const void *arg);
void stats_wait_answer(struct stats_wait *wait, const struct session_stats *stats);

#endif
