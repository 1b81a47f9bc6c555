/* loop_lag.h: how late the event loop gets to a timer: what everybody waits for when something in it takes long. */
#ifndef PENNY_LOOP_LAG_H
#define PENNY_LOOP_LAG_H

#include <event2/event.h>

struct loop_lag;

/* Looks ten times a second and counts in metrics.h. NULL when memory is short. */
struct loop_lag *loop_lag_new(struct event_base *base);
void             loop_lag_free(struct loop_lag *lag); /* NULL is fine */
/* The longest since this was last asked, in seconds. */
double loop_lag_longest_s(struct loop_lag *lag);

#endif
