/* host_deadline.h: a time limit for user code that our own Python calls (a __repr__), by a signal whose handler raises. */
#ifndef PENNY_HOST_DEADLINE_H
#define PENNY_HOST_DEADLINE_H

#include "shared/wire.h"

/* Its Python handler is installed by runtime.py, in the zygote. */
enum { HOST_DEADLINE_SIGNAL = WAKE_SIGNAL + 2 };

/* The signal comes after so many ms, and again in short intervals, until this is called with 0. Returns 0, or -1 with errno. */
int host_deadline_set(long milliseconds);

/* In a process that inherited this module's memory by a fork: it has no timer. */
void host_deadline_forget(void);

#endif
