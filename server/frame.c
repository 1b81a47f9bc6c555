#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLAGS_KNOWN = FRAME_MORE };

_Static_assert(sizeof(struct frame_head) == FRAME_HEAD_BYTES, "the head is what it is on the wire");

/* One for all readers: what one read brings. */
static char read_buffer[FRAME_BUFFER_BYTES];
static bool is_reading;

void frame_reader_init(struct frame_reader *reader, const struct frame_rule *rules)
{
    *reader = (struct frame_reader){.rules = rules};
}

void frame_reader_done(struct frame_reader *reader)
{
    if (reader == NULL)
        return;
    bytes_done(&reader->rest);
    bytes_done(&reader->joined);
    reader->joined_type = 0;
}

void frame_reader_mark(struct frame_reader *reader)
{
    reader->handled = reader->frame_end;
}

bool frame_reader_is_inside(const struct frame_reader *reader)
{
    return reader->rest.length > 0 || reader->joined_type != 0;
}

static int check_head(const struct frame_reader *reader, const struct frame_head *head, struct err *err)
{
    if ((head->flags & ~FLAGS_KNOWN) != 0)
        return err_set(err, EPROTO, "frame of type %u has unknown flags (%#x)", head->type, head->flags);
    if (head->length > FRAME_PAYLOAD_MAX)
        return err_set(err, EPROTO, "frame of type %u says it is %u bytes long", head->type, head->length);
    if (reader->rules[head->type].limit == 0)
        return err_set(err, EPROTO, "frames of type %u are not permitted here", head->type);
    if (reader->joined_type != 0 && (head->type != reader->joined_type || head->execution != reader->joined_execution))
        return err_set(err, EPROTO, "frame of type %u came between the parts of one of type %u", head->type, reader->joined_type);
    if (head->length > reader->rules[head->type].limit - reader->joined.length)
        return err_set(err, EMSGSIZE, "payload of type %u is longer than %u bytes", head->type, reader->rules[head->type].limit);
    return 0;
}

static struct frame make_frame(const struct frame_head *head, const char *payload, size_t length)
{
    return (struct frame){.type      = head->type,
                          .flags     = head->flags,
                          .raw       = {head->raw[0], head->raw[1]},
                          .execution = head->execution,
                          .payload   = payload,
                          .length    = length};
}

/* Adds one part. When it is the last, hands on the whole. */
static enum frame_read join_part(struct frame_reader *reader, const struct frame_head *head, const char *payload, frame_handler on_frame,
                                 void *arg, struct err *err)
{
    struct bytes whole;
    struct frame frame;
    bool         go_on;

    if (!bytes_append(&reader->joined, payload, head->length)) {
        (void)err_set(err, ENOMEM, "no memory for a payload of type %u", head->type);
        return FRAME_READ_BAD;
    }
    reader->joined_type      = head->type;
    reader->joined_execution = head->execution;
    if ((head->flags & FRAME_MORE) != 0)
        return FRAME_READ_EMPTY;
    whole               = reader->joined;
    frame               = make_frame(head, whole.data, whole.length);
    reader->joined      = (struct bytes){0};
    reader->joined_type = 0;
    go_on               = on_frame(&frame, arg); /* when false, the reader may be gone */
    bytes_done(&whole);
    return go_on ? FRAME_READ_EMPTY : FRAME_READ_STOPPED;
}

static enum frame_read take_frame(struct frame_reader *reader, const struct frame_head *head, const char *payload, frame_handler on_frame,
                                  void *arg, struct err *err)
{
    struct frame frame = make_frame(head, payload, head->length);

    if (reader->joined_type != 0 || ((head->flags & FRAME_MORE) != 0 && !reader->rules[head->type].parts))
        return join_part(reader, head, payload, on_frame, arg, err);
    return on_frame(&frame, arg) ? FRAME_READ_EMPTY : FRAME_READ_STOPPED;
}

/* Keeps what is left of a buffer until the rest of its frame comes. */
static enum frame_read keep_rest(struct frame_reader *reader, const char *from, size_t length, struct err *err)
{
    if (length == 0) {
        bytes_done(&reader->rest);
        return FRAME_READ_EMPTY;
    }
    reader->rest.length = 0;
    if (bytes_append(&reader->rest, from, length))
        return FRAME_READ_EMPTY;
    (void)err_set(err, ENOMEM, "no memory for a frame that came in pieces");
    return FRAME_READ_BAD;
}

static enum frame_read take_all(struct frame_reader *reader, const char *data, size_t length, frame_handler on_frame, void *arg,
                                struct err *err)
{
    while (length >= FRAME_HEAD_BYTES) {
        struct frame_head head;
        enum frame_read   result;
        memcpy(&head, data, sizeof head);
        if (check_head(reader, &head, err) < 0)
            return FRAME_READ_BAD;
        if (length - FRAME_HEAD_BYTES < head.length)
            break;
        reader->frame_end = reader->fed - (length - FRAME_HEAD_BYTES - head.length);
        result            = take_frame(reader, &head, data + FRAME_HEAD_BYTES, on_frame, arg, err);
        if (result != FRAME_READ_EMPTY)
            return result;
        data += FRAME_HEAD_BYTES + head.length;
        length -= FRAME_HEAD_BYTES + head.length;
    }
    return keep_rest(reader, data, length, err);
}

enum frame_read frame_reader_feed(struct frame_reader *reader, const void *data, size_t length, frame_handler on_frame, void *arg,
                                  struct err *err)
{
    struct bytes    all;
    enum frame_read result;

    reader->fed += length;
    if (reader->rest.length == 0)
        return take_all(reader, data, length, on_frame, arg, err);
    all          = reader->rest;
    reader->rest = (struct bytes){0};
    if (!bytes_append(&all, data, length)) {
        bytes_done(&all);
        (void)err_set(err, ENOMEM, "no memory for a frame that came in pieces");
        return FRAME_READ_BAD;
    }
    result = take_all(reader, all.data, all.length, on_frame, arg, err);
    bytes_done(&all);
    return result;
}

static ssize_t read_some(const struct frame_reader *reader, int fd, size_t want, const char **ret_data)
{
    ssize_t n;
    if (reader->source != NULL)
        return reader->source(fd, want, ret_data, reader->source_arg);
    do
        n = read(fd, read_buffer, want < sizeof read_buffer ? want : sizeof read_buffer);
    while (n < 0 && errno == EINTR);
    *ret_data = read_buffer;
    return n;
}

static enum frame_read no_bytes(const struct frame_reader *reader, ssize_t n, struct err *err)
{
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return FRAME_READ_EMPTY;
    if (n < 0)
        (void)err_errno(err, "reading frames");
    else if (!frame_reader_is_inside(reader))
        return FRAME_READ_END;
    else
        (void)err_set(err, EPIPE, "the pipe ended inside a frame");
    return FRAME_READ_BAD;
}

static enum frame_read read_frames(struct frame_reader *reader, int fd, size_t budget, frame_handler on_frame, void *arg, struct err *err)
{
    while (budget > 0) {
        size_t          want = budget < FRAME_BUFFER_BYTES ? budget : FRAME_BUFFER_BYTES;
        const char     *data;
        ssize_t         n = read_some(reader, fd, want, &data);
        enum frame_read result;
        if (n <= 0)
            return no_bytes(reader, n, err);
        result = frame_reader_feed(reader, data, (size_t)n, on_frame, arg, err);
        if (result != FRAME_READ_EMPTY || (size_t)n < want)
            return result;
        budget -= (size_t)n;
    }
    return FRAME_READ_MORE;
}

enum frame_read frame_reader_read(struct frame_reader *reader, int fd, size_t budget, frame_handler on_frame, void *arg, struct err *err)
{
    enum frame_read result;

    if (is_reading) {
        (void)err_set(err, EDEADLK, "frames are read from inside a frame's handler");
        return FRAME_READ_BAD;
    }
    is_reading = true;
    result     = read_frames(reader, fd, budget, on_frame, arg, err);
    is_reading = false;
    return result;
}
