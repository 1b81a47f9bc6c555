/*
 * host_signal.h: signals of a worker. An interrupt of the server names the execution it is for, so that one that comes late
 * cannot hit the next cell. What user code sends to itself works as in any Python program.
 */
#ifndef PENNY_HOST_SIGNAL_H
#define PENNY_HOST_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

/* In a worker, once: handlers installed; init is the process whose plain SIGINT is ignored. */
void host_signal_start(void);

/* From here to leave, SIGINT for `execution` raises KeyboardInterrupt. */
void host_signal_enter(uint64_t execution);

/* Interrupts wait until hold(false): for what can't be left half done, and takes no time. The end of the cell ends it. */
void host_signal_hold(bool on);

/* An interrupt that has not been seen by Python yet is forgotten. Needs the GIL. */
void host_signal_leave(void);

/* Whether the caller runs in the main thread. */
bool host_signal_is_main_thread(void);

/* Whether Python has a signal to handle. If so, handles it and returns true with the exception set, else false. Needs the GIL. */
bool host_signal_pending(void);

#endif
