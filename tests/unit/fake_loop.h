/* fake_loop.h: the loop of a test, turned until something has happened. */
#ifndef PENNY_FAKE_LOOP_H
#define PENNY_FAKE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>

/* A loop with the priorities the pool needs. */
struct event_base *fake_base(void);

/* Runs the loop until `is_done(arg)`, or fails the test after ten seconds. */
void fake_run_until(struct event_base *base, bool (*is_done)(void *arg), void *arg);
/* Runs the loop for so many ms. */
void fake_run_for(struct event_base *base, int ms);

#endif
