/*
 * pipes.h: the pipes between the server and one worker: frames out, frames in, and the two raw pipes that C code and child
 * processes write to. Keeps text in the order in which the program wrote it:
 *
 * - A frame says how many bytes waited in a raw pipe when it was sent: they are read before it is handed on, and those behind them are
 *   not. Waited from where on? From where this end had read to when it last found no more frames: since then it reads raw bytes only
 *   because a frame says so. So the frames of a time when nobody read, as between two processes of the server, keep their places.
 * - When a raw pipe becomes readable by itself, the bytes there now are counted, then the frames already sent are handled, then
 *   what is left of these raw bytes is read.
 *
 * Embedded in struct worker. Every callback may end the worker, and pipes_done may be called from inside any of them.
 */
#ifndef PENNY_PIPES_H
#define PENNY_PIPES_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "err.h"
#include "frame.h"
#include "intake.h"
#include "keep.h"

enum pipes_stream { PIPES_STDOUT, PIPES_STDERR, PIPES_STREAM_COUNT };

struct pipes_events {
    bool (*on_frame)(const struct frame *frame, void *arg); /* false: stop, the pipes may be gone */
    void (*on_raw)(enum pipes_stream stream, const char *data, size_t length, void *arg);
    void (*on_turn)(void *arg);                          /* all that one wake-up brought has been handed on */
    void (*on_broken)(const struct err *err, void *arg); /* a frame out of the table, a pipe that ended or failed: the pipes read no more */
};

/* Where what must outlive this process is written: the session's event log. */
enum pipes_record { PIPES_RECORD_PENDING, PIPES_RECORD_REQUEST };
struct pipes_store {
    int (*on_record)(enum pipes_record kind, const void *data, size_t length, uint64_t *ret_at, void *arg);
    void (*on_commit)(void *arg); /* now: the inbox is full */
};

/* Up to where all that was read has been handed on, for a commit. */
struct pipes_position {
    uint64_t turn;
    uint32_t covered, has_pending;
    uint64_t pending_at, pending_skip,
        pending_length;                     /* bytes that were read and not handled: the last record of them, see pipes_pending */
    uint64_t raw_ahead[PIPES_STREAM_COUNT]; /* raw bytes read since there were no more frames */
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
    bool                       folded; /* what is read is with init: those descriptors are -1 */
    bool                       raw_ended[PIPES_STREAM_COUNT];
    uint64_t                   raw_read[PIPES_STREAM_COUNT]; /* bytes so far */
    uint64_t                   raw_base[PIPES_STREAM_COUNT]; /* of them, when there were no more frames */
    /* For the process that comes after this one. */
    struct intake             intake;
    struct keep_request      *request; /* NULL: nothing is kept */
    const struct pipes_store *store;
    void                     *store_arg;
    uint64_t                  covered_turn; /* by the last commit */
    uint32_t                  covered;
    uint64_t                  logged_to; /* of the reader's stream: recorded as pending */
    uint64_t                  chain_at;
    int64_t                   chain_base; /* where in the stream the first of the chained records begins */
    bool                      has_chain;
};

/* Starts reading; event_fd -1: they are folded. `rules`: see frame.h, borrowed. The descriptors stay the caller's. Returns 0 or -1. */
int  pipes_init(struct pipes *pipes, struct event_base *base, int request_fd, int event_fd, int stdout_fd, int stderr_fd,
                const struct frame_rule *rules, const struct pipes_events *events, void *arg, struct err *err);
void pipes_done(struct pipes *pipes); /* stops reading and writing; twice is fine */

/* Sends requests that go together. Never blocks. Returns 0, or -1 with err. */
int pipes_send(struct pipes *pipes, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err);

/* From now on nothing that comes or goes is lost with this process. All is borrowed. */
void pipes_keep(struct pipes *pipes, struct keep *keep, uint32_t seat, struct keep_request *request, const struct pipes_store *store,
                void *arg);
/* Records what is pending and says where the pipes stand. Returns 0 or -1. */
int pipes_commit(struct pipes *pipes, struct pipes_position *ret);
/* Something was read that no commit covers. */
bool pipes_need_commit(const struct pipes *pipes);
/* One record of pending bytes: the bytes, and where the one before it is (false: it is the first). */
bool pipes_pending(const struct bytes *record, const char **ret_data, size_t *ret_length, uint64_t *ret_before);
/*
 * After pipes_keep, in the process that takes over: goes on where the position says. `pending` are the bytes that it names; `rest` is what
 * had not been sent of a long request. May call back at once.
 */
int pipes_resume(struct pipes *pipes, const struct pipes_position *position, const struct bytes *pending, const char *rest,
                 size_t rest_length, struct err *err);

/* Reads and hands on what is in all pipes now; for when the worker has died. */
void pipes_drain(struct pipes *pipes);
/* The worker is another one from now on: forgets half-read frames and requests not sent yet. */
void pipes_reset(struct pipes *pipes);

/*
 * Folded pipes read nothing, and the caller may close what they read from; requests can be sent. pipes_can_fold: nothing is half read or
 * half sent, and a commit covers all that was read. Not from inside a callback of theirs. pipes_unfold: 0, or -1 with err.
 */
bool pipes_can_fold(const struct pipes *pipes);
void pipes_fold(struct pipes *pipes);
int  pipes_unfold(struct pipes *pipes, int event_fd, int stdout_fd, int stderr_fd, struct err *err);
bool pipes_is_folded(const struct pipes *pipes);

/* While paused nothing is read, so that whoever fills the pipes has to wait. */
void pipes_pause(struct pipes *pipes, bool paused);

#endif
