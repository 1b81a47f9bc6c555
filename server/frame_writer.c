/* The writing half of frame.h. */
#include "frame.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PARTS_PER_WRITE = 16 };

void frame_writer_init(struct frame_writer *writer)
{
    *writer = (struct frame_writer){0};
}

void frame_writer_done(struct frame_writer *writer)
{
    if (writer == NULL)
        return;
    bytes_done(&writer->queue);
    writer->sent = 0;
}

size_t frame_writer_pending(const struct frame_writer *writer)
{
    return writer->queue.length - writer->sent;
}

/* What is left to send of one request. */
struct rest {
    uint8_t     type;
    uint64_t    execution;
    const char *payload;
    size_t      length;
    bool        ended; /* an empty payload is one frame too */
};

static struct frame_head next_head(const struct rest *rest)
{
    bool   more   = rest->length > FRAME_PAYLOAD_MAX;
    size_t length = more ? FRAME_PAYLOAD_MAX : rest->length;
    return (struct frame_head){
        .length = (uint16_t)length, .type = rest->type, .flags = more ? FRAME_MORE : 0, .execution = rest->execution};
}

static void advance(struct rest *rest, const struct frame_head *head)
{
    rest->payload += head->length;
    rest->length -= head->length;
    rest->ended = (head->flags & FRAME_MORE) == 0;
}

/* Drops what has been sent once it is the larger half, so that the queue does not grow for ever. */
static void compact(struct frame_writer *writer)
{
    if (writer->sent <= writer->queue.length / 2)
        return;
    memmove(writer->queue.data, writer->queue.data + writer->sent, writer->queue.length - writer->sent);
    writer->queue.length -= writer->sent;
    writer->sent = 0;
}

static enum frame_write no_memory(struct err *err)
{
    (void)err_set(err, ENOMEM, "no memory for a request that waits");
    return FRAME_WRITE_FAILED;
}

static enum frame_write queue_rest(struct frame_writer *writer, struct rest *rest, struct err *err)
{
    while (!rest->ended) {
        struct frame_head head = next_head(rest);
        if (!bytes_append(&writer->queue, &head, sizeof head) || !bytes_append(&writer->queue, rest->payload, head.length))
            return no_memory(err);
        advance(rest, &head);
    }
    return FRAME_WRITE_QUEUED;
}

/* Queues the part of the vectors that a write of `written` bytes left over. */
static bool queue_vectors(struct frame_writer *writer, const struct iovec *vectors, int count, size_t written)
{
    for (int i = 0; i < count; i++) {
        size_t skip = written < vectors[i].iov_len ? written : vectors[i].iov_len;
        written -= skip;
        if (!bytes_append(&writer->queue, (const char *)vectors[i].iov_base + skip, vectors[i].iov_len - skip))
            return false;
    }
    return true;
}

static ssize_t write_some(int fd, const struct iovec *vectors, int count, struct err *err)
{
    ssize_t n;
    do
        n = writev(fd, vectors, count);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n < 0 ? err_errno(err, "writing frames") : n;
}

/* Writes up to PARTS_PER_WRITE frames with one system call. FRAME_WRITE_ALL: all of these are written. */
static enum frame_write write_parts(struct frame_writer *writer, int fd, struct rest *rest, struct err *err)
{
    struct frame_head heads[PARTS_PER_WRITE];
    struct iovec      vectors[PARTS_PER_WRITE * 2];
    int               count = 0;
    size_t            total = 0;
    ssize_t           written;

    for (int i = 0; i < PARTS_PER_WRITE && !rest->ended; i++) {
        heads[i]         = next_head(rest);
        vectors[count++] = (struct iovec){&heads[i], sizeof heads[i]};
        vectors[count++] = (struct iovec){(void *)(uintptr_t)rest->payload, heads[i].length};
        total += sizeof heads[i] + heads[i].length;
        advance(rest, &heads[i]);
    }
    written = write_some(fd, vectors, count, err);
    if (written < 0)
        return FRAME_WRITE_FAILED;
    if ((size_t)written == total)
        return FRAME_WRITE_ALL;
    return queue_vectors(writer, vectors, count, (size_t)written) ? FRAME_WRITE_QUEUED : no_memory(err);
}

enum frame_write frame_writer_send(struct frame_writer *writer, int fd, uint8_t type, uint64_t execution, const void *payload,
                                   size_t length, struct err *err)
{
    struct rest      rest  = {type, execution, length > 0 ? payload : "", length, false};
    enum frame_write state = frame_writer_pending(writer) > 0 ? FRAME_WRITE_QUEUED : FRAME_WRITE_ALL;

    if (length > FRAME_WRITER_MAX || frame_writer_pending(writer) + length > FRAME_WRITER_MAX) {
        (void)err_set(err, ENOBUFS, "more than %d bytes wait for a reader", FRAME_WRITER_MAX);
        return FRAME_WRITE_FAILED;
    }
    while (state == FRAME_WRITE_ALL && !rest.ended)
        state = write_parts(writer, fd, &rest, err);
    if (state != FRAME_WRITE_QUEUED)
        return state;
    compact(writer);
    return queue_rest(writer, &rest, err);
}

static ssize_t write_queued(const struct frame_writer *writer, int fd, struct err *err)
{
    struct iovec vector = {writer->queue.data + writer->sent, frame_writer_pending(writer)};
    ssize_t      n;
    if (writer->write == NULL)
        return write_some(fd, &vector, 1, err);
    n = writer->write(fd, vector.iov_base, vector.iov_len, writer->write_arg);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n < 0 ? err_errno(err, "writing frames") : n;
}

size_t frame_parts_size(const struct frame_part *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].length + (parts[i].length / FRAME_PAYLOAD_MAX + 1) * FRAME_HEAD_BYTES;
    return size;
}

bool frame_parts_write(uint64_t execution, const struct frame_part *parts, size_t count, struct bytes *out)
{
    if (frame_parts_size(parts, count) > FRAME_WRITER_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct rest rest = {parts[i].type, execution, parts[i].length > 0 ? parts[i].payload : "", parts[i].length, false};
        while (!rest.ended) {
            struct frame_head head = next_head(&rest);
            if (!bytes_append(out, &head, sizeof head) || !bytes_append(out, rest.payload, head.length))
                return false;
            advance(&rest, &head);
        }
    }
    return true;
}

enum frame_write frame_writer_send_once(int fd, uint64_t execution, const struct frame_part *parts, size_t count, struct err *err)
{
    struct frame_head heads[PARTS_PER_WRITE];
    struct iovec      vectors[PARTS_PER_WRITE * 2];
    ssize_t           n;

    for (size_t i = 0; i < count && i < PARTS_PER_WRITE; i++) {
        heads[i]           = (struct frame_head){.length = (uint16_t)parts[i].length, .type = parts[i].type, .execution = execution};
        vectors[2 * i]     = (struct iovec){&heads[i], sizeof heads[i]};
        vectors[2 * i + 1] = (struct iovec){(void *)(uintptr_t)parts[i].payload, parts[i].length};
    }
    n = write_some(fd, vectors, (int)(2 * count), err);
    return n < 0 ? FRAME_WRITE_FAILED : n == 0 ? FRAME_WRITE_QUEUED : FRAME_WRITE_ALL;
}

enum frame_write frame_writer_flush(struct frame_writer *writer, int fd, struct err *err)
{
    while (frame_writer_pending(writer) > 0) {
        ssize_t n = write_queued(writer, fd, err);
        if (n < 0)
            return FRAME_WRITE_FAILED;
        if (n == 0)
            return FRAME_WRITE_QUEUED;
        writer->sent += (size_t)n;
    }
    frame_writer_done(writer);
    return FRAME_WRITE_ALL;
}
