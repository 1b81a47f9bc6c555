/*
 * pipes.h: the pipes between the server and one worker: frames out, frames in, and the two raw pipes that C code and child
 * processes write to. Keeps text in the order in which the program wrote it:
 *
 * - A frame with FRAME_RAW_PENDING was sent while bytes waited in a raw pipe: both raw pipes are read before it is handed on.
 * - When a raw pipe becomes readable by itself, the bytes there now are counted, then the frames already sent are handled, then
 *   that many raw bytes are read.
 *
 * Embedded in struct worker. Every callback may end the worker, and pipes_done may be called from inside any of them.
 */
#ifndef PENNY_PIPES_H
#define PENNY_PIPES_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "frame.h"

enum pipes_stream { PIPES_STDOUT, PIPES_STDERR, PIPES_STREAM_COUNT };

struct pipes_events {
    bool (*on_frame)(const struct frame *frame, void *arg); /* false: stop, the pipes may be gone */
    void (*on_raw)(enum pipes_stream stream, const char *data, size_t length, void *arg);
    void (*on_turn)(void *arg);                          /* all that one wake-up brought has been handed on */
    void (*on_broken)(const struct err *err, void *arg); /* a frame out of the table, a pipe that ended or failed: the pipes read no more */
};

struct pipes {
    const struct pipes_events *events;
    void                      *arg;
    int                        request_fd, event_fd, raw_fds[PIPES_STREAM_COUNT]; /* borrowed */
    struct event               event_readable, request_writable, raw_readable[PIPES_STREAM_COUNT];
    struct frame_reader        reader;
    struct frame_writer        writer;
    unsigned                   generation; /* changes when the pipes are closed, so that a caller up the stack notices */
    bool                       open;
    bool                       paused;
    bool                       raw_ended[PIPES_STREAM_COUNT];
};

/* Starts reading. `rules`: see frame.h, borrowed. The descriptors stay the caller's. Returns 0 or -1. */
int  pipes_init(struct pipes *pipes, struct event_base *base, int request_fd, int event_fd, int stdout_fd, int stderr_fd,
                const struct frame_rule *rules, const struct pipes_events *events, void *arg, struct err *err);
void pipes_done(struct pipes *pipes); /* stops reading and writing; twice is fine */

/* Sends one request. Never blocks. Returns 0, or -1 with err. */
int pipes_send(struct pipes *pipes, uint8_t type, uint64_t execution, const void *payload, size_t length, struct err *err);

/* Reads and hands on what is in all pipes now; for when the worker has died. */
void pipes_drain(struct pipes *pipes);
/* The worker is another one from now on: forgets half-read frames and requests not sent yet. */
void pipes_reset(struct pipes *pipes);

/* While paused nothing is read, so that whoever fills the pipes has to wait. */
void pipes_pause(struct pipes *pipes, bool paused);

#endif
