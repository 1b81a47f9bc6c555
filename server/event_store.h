/*
 * event_store.h: the bytes of an event log: a file that is only appended to, and memory in its place while it can't be written.
 * Offsets go on in either. What is written is whole records (event_record.h).
 */
#ifndef PENNY_EVENT_STORE_H
#define PENNY_EVENT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "err.h"
#include "event_record.h"

struct event_store {
    int          fd;
    int          error;                /* errno of the write that failed; 0: the file is in use */
    bool         can_punch;            /* false once the file system has refused */
    uint64_t     punch_from, punch_to; /* given back, but not told to the file system yet */
    size_t       memory_max;
    struct bytes memory;      /* while error != 0: the last records */
    uint64_t     memory_base; /* offset of its first byte */
};

/* `fd` is owned from then on, also on failure; -1: a memfd is made. Returns 0, or -1. */
int  event_store_init(struct event_store *store, int fd, size_t memory_max, struct err *err);
void event_store_done(struct event_store *store);
/* Writes at the end, `offset`. Returns 0, or -1 when the file failed just now; the bytes are in memory then, as they are while it stays failed (0). */
int event_store_write(struct event_store *store, uint64_t offset, const char *data, size_t length);
/* Tries to put what is in memory where it belongs; on success the file is in use again. */
void event_store_recover(struct event_store *store);
/* Reads up to `length` bytes. Returns what was read, 0 when nothing is there at or behind `offset` in that part, -1 with errno. */
ssize_t event_store_read(const struct event_store *store, uint64_t offset, char *to, size_t length);
/*
 * Gives the bytes back; they must not be read any more. Ranges that follow each other are gathered, since a system call for every short
 * execution would cost more than what it gives back: a process that is killed may leave the last ones as they were.
 */
void event_store_punch(struct event_store *store, uint64_t offset, uint64_t length);
/* The same at once, for a record that a successor must not find. */
void event_store_erase(struct event_store *store, uint64_t offset, uint64_t length);

/*
 * Walks records from an offset. A step that finds something else than a record looks for the next one.
 * The window is memory of the caller; it should hold a whole event with its head.
 */
struct event_walk {
    const struct event_store *store;
    uint64_t                  offset; /* of the next record */
    uint64_t                  end;    /* where to stop */
    char                     *window;
    size_t                    capacity;
    uint64_t                  window_offset;
    size_t                    window_length;
};

enum event_walk_step {
    EVENT_WALK_RECORD, /* *ret_head; *ret_payload, or NULL when it is longer than the window; *ret_offset */
    EVENT_WALK_END,
    EVENT_WALK_FAILED, /* errno */
};

void                 event_walk_init(struct event_walk *walk, const struct event_store *store, uint64_t offset, uint64_t end, char *window,
                                     size_t capacity);
enum event_walk_step event_walk_next(struct event_walk *walk, struct event_record *ret_head, const char **ret_payload,
                                     uint64_t *ret_offset);

#endif
