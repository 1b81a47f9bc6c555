/*
 * host_event.h: the worker's end of the event pipe, and the one buffer in which text and events wait together, in the order in
 * which the program made them.
 *
 * Text is sent when the buffer is full, at a newline when 5 ms have passed since the last sending (so the first line of a cell goes
 * at once), by a timer otherwise, and whenever something needs order: a display, a native boundary, the end of the cell.
 * Every function may be called from any thread of the worker; none may be called from a signal handler but host_event_rescue().
 */
#ifndef PENNY_HOST_EVENT_H
#define PENNY_HOST_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once in the zygote: what happens to the buffer when user code forks. Returns 0, or an errno value. */
int host_event_init(void);

/* Makes the calling process the owner of the event pipe, with an empty buffer. A worker calls it first; a woken copy again. */
void host_event_own(void);

/* A cell begins: what follows carries its number, and its first line goes out at once. */
void host_event_begin(uint64_t execution);

/* Text of the program for EVENT_STDOUT or EVENT_STDERR; any bytes. In a child of the worker it goes to descriptor 1 or 2 instead. */
void host_event_text(uint8_t type, const char *text, size_t length);

/* An event that leaves with the next flush, after all text before it. Ignored in a child of the worker. */
void host_event_queue(uint8_t type, const void *payload, size_t length);

/* Sends all that waits. */
void host_event_flush(void);

/* From now on in this session nothing waits: code that this module cannot see writes to the descriptors itself. */
void host_event_eager(void);

/* While muted, text and events are dropped (the dummy cell that warms a worker). */
void host_event_mute(bool muted);

/* As flush, from the handler of a fatal signal: does nothing when the buffer is being changed. */
void host_event_rescue(void);

/* False in a child that user code forked: such a process must not touch the pipes. */
bool host_event_is_owner(void);

#endif
