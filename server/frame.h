/*
 * frame.h: frames (runtime/shared/wire.h) from and to non-blocking descriptors. Knows their shape, not their meaning: which type
 * is permitted in which state is server/worker.c's table.
 *
 * An idle reader or writer holds no memory beyond its struct. Reading goes through one buffer shared by all readers, so
 * frame_reader_read is not re-entered (a frame's handler must not read another pipe's frames; draining a raw pipe is fine).
 */
#ifndef PENNY_FRAME_H
#define PENNY_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "err.h"
#include "wire.h"

/* What one type of frame may be; a table of 256 indexed by type. All zero: the type is refused. */
struct frame_rule {
    uint32_t limit; /* bytes of a whole payload, all its parts together; 0 refuses the type */
    bool     parts; /* hand each part on as it comes (text) instead of joining them; `limit` is then that of one part */
};

struct frame {
    uint8_t     type;
    uint8_t     flags;  /* with rule.parts FRAME_MORE, when there is more */
    uint16_t    raw[2]; /* see struct frame_head; of a joined frame: its last part's */
    uint64_t    execution;
    const char *payload; /* never NULL; valid until the handler returns; not NUL-terminated */
    size_t      length;
};

/* Returns true to go on. False: the reader (which may be freed by now) is not touched again and frame_reader_read returns FRAME_READ_STOPPED. */
typedef bool (*frame_handler)(const struct frame *frame, void *arg);

struct frame_reader {
    const struct frame_rule *rules;  /* 256 of them, borrowed */
    struct bytes             rest;   /* bytes of a frame not complete yet */
    struct bytes             joined; /* payload so far of a frame in parts */
    uint64_t                 joined_execution;
    uint8_t                  joined_type; /* 0: none */
    /* Bytes of the whole stream: fed so far; up to the end of the frame that is being handed on; up to which all has been handled, for
       whoever marks it. */
    uint64_t fed, frame_end, handled;
    /* Where frame_reader_read gets its bytes, as from read(); NULL: from the descriptor. *ret_data stays valid until the next call. */
    ssize_t (*source)(int fd, size_t want, const char **ret_data, void *arg);
    void *source_arg;
};

enum frame_read {
    FRAME_READ_EMPTY,   /* all that was there has been handled; wait until the descriptor is readable */
    FRAME_READ_MORE,    /* the budget is used up and there may be more: read again in a later turn of the loop */
    FRAME_READ_END,     /* end of file at a frame's border */
    FRAME_READ_STOPPED, /* the handler said so */
    FRAME_READ_BAD,     /* not permitted, cut off, too long, or the read failed: err says what. The session must end */
};

void frame_reader_init(struct frame_reader *reader, const struct frame_rule *rules);
void frame_reader_done(struct frame_reader *reader); /* NULL is fine */
/* Reads at most about `budget` bytes and hands on every whole frame, in order. One read(2) when it all fits in FRAME_BUFFER_BYTES. */
enum frame_read frame_reader_read(struct frame_reader *reader, int fd, size_t budget, frame_handler on_frame, void *arg, struct err *err);
/* The same for bytes that are already in memory (tests, fuzzing). Returns FRAME_READ_EMPTY, _STOPPED or _BAD. */
enum frame_read frame_reader_feed(struct frame_reader *reader, const void *data, size_t length, frame_handler on_frame, void *arg,
                                  struct err *err);
/* The frame that the handler has got counts as handled from now on. */
void frame_reader_mark(struct frame_reader *reader);
/* True while part of a frame has been read: an end of file now would be a cut. */
bool frame_reader_is_inside(const struct frame_reader *reader);

enum { FRAME_BUFFER_BYTES = 256 * 1024, FRAME_WRITER_MAX = 64 * 1024 * 1024 };

struct frame_writer {
    struct bytes queue; /* what the descriptor did not take */
    size_t       sent;  /* of the queue */
    /* How frame_writer_flush writes, as write(); NULL: with writev() */
    ssize_t (*write)(int fd, const void *data, size_t length, void *arg);
    void *write_arg;
};

/* One request of several that go together. */
struct frame_part {
    uint8_t     type;
    const void *payload;
    size_t      length;
};

enum frame_write {
    FRAME_WRITE_ALL,    /* nothing is queued */
    FRAME_WRITE_QUEUED, /* the descriptor is full: call frame_writer_flush when it is writable */
    FRAME_WRITE_FAILED, /* err says what (EPIPE: the reader is gone; ENOBUFS: more than FRAME_WRITER_MAX queued; ENOMEM) */
};

void frame_writer_init(struct frame_writer *writer);
void frame_writer_done(struct frame_writer *writer); /* NULL is fine */
/* Sends one request: head and payload (copied only if the descriptor does not take them at once), in FRAME_MORE parts when it is long. SIGPIPE must be ignored. */
enum frame_write frame_writer_send(struct frame_writer *writer, int fd, uint8_t type, uint64_t execution, const void *payload,
                                   size_t length, struct err *err);
/*
 * As frame_writer_send for requests that fit in PIPE_BUF bytes together and go with one write: all of it is written, or nothing and
 * FRAME_WRITE_QUEUED is returned although nothing was queued.
 */
enum frame_write frame_writer_send_once(int fd, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err);
/* Their bytes, heads and all, appended to *out. False: no memory, or more than FRAME_WRITER_MAX. */
bool             frame_parts_write(uint64_t execution, const struct frame_part *parts, size_t count, struct bytes *out);
size_t           frame_parts_size(const struct frame_part *parts, size_t count);
enum frame_write frame_writer_flush(struct frame_writer *writer, int fd, struct err *err);
size_t           frame_writer_pending(const struct frame_writer *writer);

#endif
