/*
 * host_park.h: a parked copy of the interpreter, from which the session goes on when the worker is lost. Callers hold the GIL,
 * between cells.
 */
#ifndef PENNY_HOST_PARK_H
#define PENNY_HOST_PARK_H

/*
 * Forks a copy that waits, as a sibling of the worker, and answers EVENT_PARKED. In the worker it returns false. In the copy it
 * returns true, once, when init has woken it: it is the worker then, and must make itself ready.
 */
int host_park(void);

#endif
