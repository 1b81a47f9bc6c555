#include "event_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"

enum { PUNCH_BYTES = 64 * 1024, BLOCK_BYTES = 4096 /* of most file systems; of others, a little stays */ };

int event_store_init(struct event_store *store, int fd, size_t memory_max, struct err *err)
{
    *store = (struct event_store){.fd = fd, .can_punch = true, .memory_max = memory_max};
    if (fd < 0)
        store->fd = memfd_create("penny-events", MFD_CLOEXEC);
    return store->fd < 0 ? err_errno(err, "making a memfd for an event log") : 0;
}

void event_store_erase(struct event_store *store, uint64_t offset, uint64_t length)
{
    if (length > 0 && store->can_punch &&
        fallocate(store->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) < 0 && errno == EOPNOTSUPP)
        store->can_punch = false;
}

/* Blocks are given back whole, so what comes one behind the other is given back in one piece. */
void event_store_punch(struct event_store *store, uint64_t offset, uint64_t length)
{
    if (length == 0 || !store->can_punch)
        return;
    if (offset != store->punch_to) {
        event_store_erase(store, store->punch_from, store->punch_to - store->punch_from);
        store->punch_from = offset;
    }
    store->punch_to = offset + length;
    if (store->punch_to - store->punch_from >= PUNCH_BYTES) {
        event_store_erase(store, store->punch_from, store->punch_to - store->punch_from);
        store->punch_from = store->punch_to / BLOCK_BYTES * BLOCK_BYTES; /* the block that is begun goes with what comes next */
    }
}

void event_store_done(struct event_store *store)
{
    fdio_close(&store->fd); /* what was still to be given back goes with the file */
    bytes_done(&store->memory);
}

static int write_file(const struct event_store *store, uint64_t offset, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = pwrite(store->fd, data, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return -1;
        }
        data += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

/* Forgets the oldest records, at least half of what may be kept, so that this is seldom. */
static void forget_memory(struct event_store *store, size_t coming)
{
    size_t              keep = store->memory_max / 2 > coming ? store->memory_max / 2 - coming : 0, cut = 0;
    struct event_record head;

    while (store->memory.length - cut > keep && event_record_head(store->memory.data + cut, store->memory.length - cut, &head))
        cut += event_record_size(head.length);
    memmove(store->memory.data, store->memory.data + cut, store->memory.length - cut);
    store->memory.length -= cut;
    store->memory_base += cut;
}

static void write_memory(struct event_store *store, uint64_t offset, const char *data, size_t length)
{
    if (store->memory.length > 0 && store->memory.length + length > store->memory_max)
        forget_memory(store, length);
    if (store->memory.length == 0)
        store->memory_base = offset;
    if (!bytes_append(&store->memory, data, length)) {
        bytes_done(&store->memory);
        store->memory_base = offset + length;
    }
}

int event_store_write(struct event_store *store, uint64_t offset, const char *data, size_t length)
{
    bool was_failed = store->error != 0;

    if (!was_failed && write_file(store, offset, data, length) == 0)
        return 0;
    if (!was_failed) {
        store->error = errno;
        (void)!ftruncate(store->fd, (off_t)offset); /* so that no part of a record stays; should that fail too, its check tells */
        store->memory_base = offset;
    }
    write_memory(store, offset, data, length);
    return was_failed ? 0 : -1;
}

void event_store_recover(struct event_store *store)
{
    if (store->error == 0)
        return;
    if (write_file(store, store->memory_base, store->memory.data, store->memory.length) < 0) {
        store->error = errno;
        (void)!ftruncate(store->fd, (off_t)store->memory_base);
        return;
    }
    store->error = 0;
    bytes_done(&store->memory);
}

static ssize_t read_memory(const struct event_store *store, uint64_t offset, char *to, size_t length)
{
    uint64_t skip = offset - store->memory_base;
    if (skip >= store->memory.length)
        return 0;
    if (length > store->memory.length - skip)
        length = store->memory.length - (size_t)skip;
    memcpy(to, store->memory.data + skip, length);
    return (ssize_t)length;
}

ssize_t event_store_read(const struct event_store *store, uint64_t offset, char *to, size_t length)
{
    ssize_t n;

    if (store->error != 0 && offset >= store->memory_base)
        return read_memory(store, offset, to, length);
    if (store->error != 0 && length > store->memory_base - offset)
        length = (size_t)(store->memory_base - offset);
    do
        n = pread(store->fd, to, length, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

void event_walk_init(struct event_walk *walk, const struct event_store *store, uint64_t offset, uint64_t end, char *window, size_t capacity)
{
    *walk = (struct event_walk){.store = store, .offset = offset, .end = end, .window = window, .capacity = capacity};
}

/* Makes the window hold what is at walk->offset, `need` bytes of it if there are so many. Returns the bytes there, or -1. */
static ssize_t fill(struct event_walk *walk, size_t need)
{
    uint64_t skip = walk->offset - walk->window_offset;

    if (walk->offset < walk->window_offset || skip > walk->window_length)
        skip = walk->window_length;
    if (walk->window_length - skip >= need && walk->window_length > 0)
        return (ssize_t)(walk->window_length - skip);
    memmove(walk->window, walk->window + skip, walk->window_length - skip);
    walk->window_length -= (size_t)skip;
    walk->window_offset = walk->offset;
    while (walk->window_length < need && walk->window_offset + walk->window_length < walk->end) {
        uint64_t at   = walk->window_offset + walk->window_length;
        size_t   room = walk->capacity - walk->window_length;
        ssize_t  n =
            event_store_read(walk->store, at, walk->window + walk->window_length, room < walk->end - at ? room : (size_t)(walk->end - at));
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        walk->window_length += (size_t)n;
    }
    return (ssize_t)walk->window_length;
}

/* Moves on from what is no record: over a hole at once, else by one step. */
static void pass_over(struct event_walk *walk, ssize_t got)
{
    const struct event_store *store = walk->store;
    const char               *data  = walk->window + (walk->offset - walk->window_offset);
    ssize_t                   step  = EVENT_RECORD_ALIGN;

    if (got < EVENT_RECORD_ALIGN && store->error != 0 && walk->offset < store->memory_base) {
        walk->offset = store->memory_base;
        return;
    }
    if (got < EVENT_RECORD_ALIGN) {
        walk->offset = walk->end;
        return;
    }
    while (step + EVENT_RECORD_ALIGN <= got && memcmp(data + step, &(uint32_t){EVENT_RECORD_MAGIC}, sizeof(uint32_t)) != 0)
        step += EVENT_RECORD_ALIGN;
    walk->offset += (uint64_t)step;
    if (step + EVENT_RECORD_ALIGN > got && (store->error == 0 || walk->offset < store->memory_base)) {
        off_t next = lseek(store->fd, (off_t)walk->offset, SEEK_DATA);
        if (next > (off_t)walk->offset)
            walk->offset = (uint64_t)next;
    }
}

enum event_walk_step event_walk_next(struct event_walk *walk, struct event_record *ret_head, const char **ret_payload, uint64_t *ret_offset)
{
    while (walk->offset < walk->end) {
        ssize_t     got = fill(walk, sizeof *ret_head);
        const char *data;
        size_t      size;
        if (got < 0)
            return EVENT_WALK_FAILED;
        data = walk->window + (walk->offset - walk->window_offset);
        if (!event_record_head(data, (size_t)got, ret_head) || ret_head->length > walk->end - walk->offset) {
            pass_over(walk, got);
            continue;
        }
        size         = event_record_size(ret_head->length);
        *ret_payload = NULL;
        if (size <= walk->capacity) {
            got = fill(walk, size);
            if (got < 0)
                return EVENT_WALK_FAILED;
            data = walk->window + (walk->offset - walk->window_offset);
            if ((size_t)got < size || !event_record_payload_is_good(ret_head, data + sizeof *ret_head)) {
                pass_over(walk, got);
                continue;
            }
            *ret_payload = data + sizeof *ret_head;
        }
        *ret_offset = walk->offset;
        walk->offset += size;
        return EVENT_WALK_RECORD;
    }
    return EVENT_WALK_END;
}
