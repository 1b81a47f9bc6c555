#define _GNU_SOURCE
#include "pipes.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pipes_private.h"

enum {
    TURN_BYTES       = 256 * 1024, /* of frames per wake-up, so that neighbours are not starved */
    RAW_BUFFER_BYTES = 64 * 1024,
    RAW_DRAIN_BYTES  = 1024 * 1024, /* a child that writes on and on can't keep us in a drain */
};

static char event_buffer[FRAME_BUFFER_BYTES]; /* the inbox may be used anew while its frames are handled */

/* The inbox must not be full in the middle of a wake-up. */
static void make_room(struct pipes *pipes)
{
    if (!intake_is_full(&pipes->intake))
        return;
    pipes->store->on_commit(pipes->store_arg);
    intake_restart(&pipes->intake);
}

static ssize_t read_events(int fd, size_t want, const char **ret_data, void *arg)
{
    struct pipes *pipes = arg;
    const char   *data;
    ssize_t       n = intake_read(&pipes->intake, INTAKE_EVENT, fd, want < sizeof event_buffer ? want : sizeof event_buffer, &data);
    if (n > 0)
        memcpy(event_buffer, data, (size_t)n);
    *ret_data = event_buffer;
    return n;
}

/* Reads at most `limit` bytes. Returns 0 when the pipe is empty, at its end or no longer ours to read, else what was read. */
static size_t read_raw_once(struct pipes *pipes, enum pipes_stream stream, size_t limit)
{
    const char *data;
    ssize_t     n;
    make_room(pipes);
    n = intake_read(&pipes->intake, stream == PIPES_STDERR ? INTAKE_STDERR : INTAKE_STDOUT, pipes->raw_fds[stream],
                    limit < RAW_BUFFER_BYTES ? limit : RAW_BUFFER_BYTES, &data);
    if (n > 0) {
        pipes->raw_read[stream] += (uint64_t)n;
        pipes->events->on_raw(stream, data, (size_t)n, pipes->arg);
        return (size_t)n;
    }
    if (n == 0 || errno != EAGAIN) {
        pipes->raw_ended[stream] = true; /* nobody can write there any more */
        (void)event_del(&pipes->raw_readable[stream]);
    }
    return 0;
}

/* Returns false when the pipes were closed meanwhile. */
static bool read_raw(struct pipes *pipes, enum pipes_stream stream, size_t limit)
{
    unsigned generation = pipes->generation;
    while (limit > 0) {
        size_t n = read_raw_once(pipes, stream, limit);
        if (generation != pipes->generation)
            return false;
        if (n == 0)
            break;
        limit -= n < limit ? n : limit;
    }
    return true;
}

static bool drain_raw(struct pipes *pipes)
{
    return read_raw(pipes, PIPES_STDOUT, RAW_DRAIN_BYTES) && read_raw(pipes, PIPES_STDERR, RAW_DRAIN_BYTES);
}

static void settle_raw(struct pipes *pipes)
{
    memcpy(pipes->raw_base, pipes->raw_read, sizeof pipes->raw_base);
}

/* What waited when the frame was sent. */
static bool read_raw_before(struct pipes *pipes, const struct frame *frame)
{
    for (int stream = 0; stream < PIPES_STREAM_COUNT; stream++) {
        uint64_t until = pipes->raw_base[stream] + frame->raw[stream], at = pipes->raw_read[stream];
        size_t   limit = frame->raw[stream] == FRAME_RAW_MANY ? RAW_DRAIN_BYTES : until > at ? (size_t)(until - at) : 0;
        if (frame->raw[stream] != 0 && !read_raw(pipes, stream, limit))
            return false;
    }
    return true;
}

static bool on_frame(const struct frame *frame, void *arg)
{
    struct pipes *pipes = arg;
    if (!read_raw_before(pipes, frame))
        return false;
    frame_reader_mark(&pipes->reader);
    return pipes->events->on_frame(frame, pipes->arg);
}

static void stop_reading(struct pipes *pipes)
{
    if (pipes->folded)
        return;
    (void)event_del(&pipes->event_readable);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        (void)event_del(&pipes->raw_readable[i]);
}

static int start_reading(struct pipes *pipes)
{
    int result;
    if (pipes->paused || pipes->folded)
        return 0;
    result = event_add(&pipes->event_readable, NULL);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        if (!pipes->raw_ended[i] && event_add(&pipes->raw_readable[i], NULL) < 0)
            result = -1;
    return result;
}

/* Returns what the read said; FRAME_READ_STOPPED also when the pipes are broken now. */
static enum frame_read after_read(struct pipes *pipes, enum frame_read result, struct err *err)
{
    if (result == FRAME_READ_END)
        (void)err_set(err, EPIPE, "the event pipe has ended");
    if (result == FRAME_READ_END || result == FRAME_READ_BAD) {
        stop_reading(pipes);
        pipes->events->on_broken(err, pipes->arg);
        return FRAME_READ_STOPPED;
    }
    return result;
}

static enum frame_read read_frames(struct pipes *pipes)
{
    struct err      err = {0};
    enum frame_read result;
    make_room(pipes);
    result = after_read(pipes, frame_reader_read(&pipes->reader, pipes->event_fd, TURN_BYTES, on_frame, pipes, &err), &err);
    if (result == FRAME_READ_EMPTY)
        settle_raw(pipes);
    return result;
}

static void on_event_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pipes *pipes      = arg;
    unsigned      generation = pipes->generation;
    (void)fd;
    (void)what;
    (void)read_frames(pipes);
    if (generation == pipes->generation)
        pipes->events->on_turn(pipes->arg);
}

static size_t waiting_bytes(int fd)
{
    int n = 0;
    return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Without a read: what came meanwhile would be torn from what is behind it. */
static bool has_ended(int fd)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, 0) == 1 && (polled.revents & POLLIN) == 0;
}

static void on_raw_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pipes     *pipes      = arg;
    unsigned          generation = pipes->generation;
    enum pipes_stream stream     = fd == pipes->raw_fds[PIPES_STDERR] ? PIPES_STDERR : PIPES_STDOUT;
    /* 1: a portion of the inbox, which is given whole, or the end of the pipe. Nothing: it was read with a frame since we were woken */
    size_t          waiting = intake_is_replaying(&pipes->intake) ? 1 : waiting_bytes(fd);
    uint64_t        until   = pipes->raw_read[stream] + (waiting == 0 && has_ended(fd) ? 1 : waiting);
    enum frame_read result  = read_frames(pipes);

    (void)what;
    if (result == FRAME_READ_EMPTY && until > pipes->raw_read[stream] && read_raw(pipes, stream, (size_t)(until - pipes->raw_read[stream])))
        settle_raw(pipes);
    if (generation == pipes->generation)
        pipes->events->on_turn(pipes->arg);
}

static void init_frames(struct pipes *pipes, const struct frame_rule *rules)
{
    frame_reader_init(&pipes->reader, rules);
    frame_writer_init(&pipes->writer);
    settle_raw(pipes);
    pipes->reader.source     = read_events;
    pipes->reader.source_arg = pipes;
    pipes->logged_to         = 0;
    pipes->has_chain         = false;
}

int pipes_init(struct pipes *pipes, struct event_base *base, int request_fd, int event_fd, int stdout_fd, int stderr_fd,
               const struct frame_rule *rules, const struct pipes_events *events, void *arg, struct err *err)
{
    unsigned generation = pipes->generation + 1;
    *pipes              = (struct pipes){.events = events, .arg = arg, .request_fd = request_fd, .generation = generation, .folded = true};
    init_frames(pipes, rules);
    pipes->open = true;
    if (event_assign(&pipes->request_writable, base, request_fd, EV_WRITE | EV_PERSIST, pipes_on_request_writable, pipes) < 0 ||
        (event_fd >= 0 && pipes_unfold(pipes, event_fd, stdout_fd, stderr_fd, err) < 0)) {
        pipes_done(pipes);
        return err_set(err, ENOMEM, "cannot watch a worker's pipes");
    }
    return 0;
}

bool pipes_is_folded(const struct pipes *pipes)
{
    return pipes->open && pipes->folded;
}

bool pipes_can_fold(const struct pipes *pipes)
{
    return pipes->open && !pipes->folded && pipes->reader.handled == pipes->reader.fed && !frame_reader_is_inside(&pipes->reader) &&
           frame_writer_pending(&pipes->writer) == 0 && !intake_is_replaying(&pipes->intake) && !pipes_need_commit(pipes);
}

static void note_folded(const struct pipes *pipes)
{
    if (pipes->request == NULL)
        return;
    pipes->request->folded = pipes->folded;
    keep_order();
}

void pipes_fold(struct pipes *pipes)
{
    stop_reading(pipes);
    pipes->folded   = true;
    pipes->event_fd = pipes->raw_fds[PIPES_STDOUT] = pipes->raw_fds[PIPES_STDERR] = -1;
    note_folded(pipes);
}

int pipes_unfold(struct pipes *pipes, int event_fd, int stdout_fd, int stderr_fd, struct err *err)
{
    struct event_base *base      = event_get_base(&pipes->request_writable);
    pipes->folded                = false;
    pipes->event_fd              = event_fd;
    pipes->raw_fds[PIPES_STDOUT] = stdout_fd;
    pipes->raw_fds[PIPES_STDERR] = stderr_fd;
    note_folded(pipes);
    if (event_assign(&pipes->event_readable, base, event_fd, EV_READ | EV_PERSIST, on_event_readable, pipes) < 0 ||
        event_assign(&pipes->raw_readable[PIPES_STDOUT], base, stdout_fd, EV_READ | EV_PERSIST, on_raw_readable, pipes) < 0 ||
        event_assign(&pipes->raw_readable[PIPES_STDERR], base, stderr_fd, EV_READ | EV_PERSIST, on_raw_readable, pipes) < 0 ||
        start_reading(pipes) < 0)
        return err_set(err, ENOMEM, "cannot watch a worker's pipes");
    return 0;
}

void pipes_done(struct pipes *pipes)
{
    if (!pipes->open)
        return;
    pipes->open = false;
    pipes->generation++;
    stop_reading(pipes);
    (void)event_del(&pipes->request_writable);
    frame_reader_done(&pipes->reader);
    frame_writer_done(&pipes->writer);
}

void pipes_drain(struct pipes *pipes)
{
    unsigned        generation = pipes->generation;
    enum frame_read result;
    size_t          turns = 0;
    if (!pipes->open || pipes->folded)
        return;
    do
        result = read_frames(pipes);
    while ((result == FRAME_READ_MORE || (result == FRAME_READ_EMPTY && waiting_bytes(pipes->event_fd) > 0)) &&
           ++turns < RAW_DRAIN_BYTES / TURN_BYTES * 4);
    if (generation == pipes->generation && !drain_raw(pipes))
        return;
    if (generation == pipes->generation)
        pipes->events->on_turn(pipes->arg);
}

void pipes_reset(struct pipes *pipes)
{
    const struct frame_rule *rules = pipes->reader.rules;
    if (!pipes->open)
        return;
    (void)event_del(&pipes->request_writable);
    frame_reader_done(&pipes->reader);
    frame_writer_done(&pipes->writer);
    init_frames(pipes, rules);
}

void pipes_pause(struct pipes *pipes, bool paused)
{
    if (!pipes->open || pipes->paused == paused)
        return;
    pipes->paused = paused;
    if (paused)
        stop_reading(pipes);
    else
        (void)start_reading(pipes);
}

int pipes_resume(struct pipes *pipes, const struct pipes_position *position, const struct bytes *pending, const char *rest,
                 size_t rest_length, struct err *err)
{
    unsigned   generation = pipes->generation;
    struct err broken     = {0};

    if (pipes_send_rest(pipes, rest, rest_length, err) < 0)
        return -1;
    pipes->has_chain  = position->has_pending != 0;
    pipes->chain_at   = position->pending_at;
    pipes->chain_base = -(int64_t)position->pending_skip;
    pipes->logged_to  = pending->length;
    memcpy(pipes->raw_read, position->raw_ahead, sizeof pipes->raw_read);
    memset(pipes->raw_base, 0, sizeof pipes->raw_base);
    (void)intake_replay(&pipes->intake, position->turn, position->covered);
    if (pending->length > 0)
        (void)after_read(pipes, frame_reader_feed(&pipes->reader, pending->data, pending->length, on_frame, pipes, &broken), &broken);
    while (generation == pipes->generation && intake_is_replaying(&pipes->intake)) {
        switch (intake_next_source(&pipes->intake)) {
        case INTAKE_EVENT: on_event_readable(pipes->event_fd, 0, pipes); break;
        case INTAKE_STDOUT: on_raw_readable(pipes->raw_fds[PIPES_STDOUT], 0, pipes); break;
        case INTAKE_STDERR: on_raw_readable(pipes->raw_fds[PIPES_STDERR], 0, pipes); break;
        }
    }
    if (generation == pipes->generation)
        pipes->events->on_turn(pipes->arg);
    return 0;
}
