/*
 * host_frame.h: frames written to the event pipe. All of it is async-signal-safe. A pipe whose reader is gone ends the process with
 * status 0, one that user code has broken with 70.
 */
#ifndef PENNY_HOST_FRAME_H
#define PENNY_HOST_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* The pipe that is on its descriptor now is the one to write to. */
void host_frame_own(void);

/* Writes a head of FRAME_HEAD_BYTES. */
void host_frame_head(uint8_t *at, uint8_t type, uint8_t flags, size_t length, uint64_t execution);

/* Writes whole frames; the first says what waits in the raw pipes. */
void host_frame_write(uint8_t *frames, size_t length);

/* Writes one payload, in as many frames as it takes. */
void host_frame_send(uint8_t type, const void *payload, size_t length, uint64_t execution);

/* What waits in the raw pipes, as in struct frame_head, after waiting a little for the reader to empty them. */
struct host_frame_raw {
    uint16_t waiting[2];
};
struct host_frame_raw host_frame_wait_for_raw(void);

/* For a child of the worker: text to descriptor 1 or 2, as far as that goes. */
void host_frame_write_raw(uint8_t type, const void *text, size_t length);

#endif
