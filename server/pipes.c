#define _GNU_SOURCE
#include "pipes.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    TURN_BYTES       = 256 * 1024, /* of frames per wake-up, so that neighbours are not starved */
    RAW_BUFFER_BYTES = 64 * 1024,
    RAW_DRAIN_BYTES  = 1024 * 1024, /* a child that writes on and on can't keep us in a drain */
};

static char raw_buffer[RAW_BUFFER_BYTES];

/* Reads at most `limit` bytes. Returns 0 when the pipe is empty, at its end or no longer ours to read, else what was read. */
static size_t read_raw_once(struct pipes *pipes, enum pipes_stream stream, size_t limit)
{
    ssize_t n;
    do
        n = read(pipes->raw_fds[stream], raw_buffer, limit < sizeof raw_buffer ? limit : sizeof raw_buffer);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        pipes->events->on_raw(stream, raw_buffer, (size_t)n, pipes->arg);
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
        limit -= n;
    }
    return true;
}

static bool drain_raw(struct pipes *pipes)
{
    return read_raw(pipes, PIPES_STDOUT, RAW_DRAIN_BYTES) && read_raw(pipes, PIPES_STDERR, RAW_DRAIN_BYTES);
}

static bool on_frame(const struct frame *frame, void *arg)
{
    struct pipes *pipes = arg;
    if ((frame->flags & FRAME_RAW_PENDING) != 0 && !drain_raw(pipes))
        return false;
    return pipes->events->on_frame(frame, pipes->arg);
}

static void stop_reading(struct pipes *pipes)
{
    (void)event_del(&pipes->event_readable);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        (void)event_del(&pipes->raw_readable[i]);
}

static int start_reading(struct pipes *pipes)
{
    int result = event_add(&pipes->event_readable, NULL);
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        if (!pipes->raw_ended[i] && event_add(&pipes->raw_readable[i], NULL) < 0)
            result = -1;
    return result;
}

/* Returns what the read said; FRAME_READ_STOPPED also when the pipes are broken now. */
static enum frame_read read_frames(struct pipes *pipes)
{
    struct err      err    = {0};
    enum frame_read result = frame_reader_read(&pipes->reader, pipes->event_fd, TURN_BYTES, on_frame, pipes, &err);
    if (result == FRAME_READ_END)
        (void)err_set(&err, EPIPE, "the event pipe has ended");
    if (result == FRAME_READ_END || result == FRAME_READ_BAD) {
        stop_reading(pipes);
        pipes->events->on_broken(&err, pipes->arg);
        return FRAME_READ_STOPPED;
    }
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

static void on_raw_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pipes     *pipes      = arg;
    unsigned          generation = pipes->generation;
    enum pipes_stream stream     = fd == pipes->raw_fds[PIPES_STDERR] ? PIPES_STDERR : PIPES_STDOUT;
    size_t            waiting    = waiting_bytes(fd);
    enum frame_read   result     = read_frames(pipes);

    (void)what;
    if (result == FRAME_READ_EMPTY)
        (void)read_raw(pipes, stream, waiting > 0 ? waiting : 1); /* 1: to see the end of the pipe */
    if (generation == pipes->generation)
        pipes->events->on_turn(pipes->arg);
}

static void on_request_writable(evutil_socket_t fd, short what, void *arg)
{
    struct pipes    *pipes  = arg;
    struct err       err    = {0};
    enum frame_write result = frame_writer_flush(&pipes->writer, fd, &err);
    (void)what;
    if (result != FRAME_WRITE_QUEUED)
        (void)event_del(&pipes->request_writable);
    if (result == FRAME_WRITE_FAILED)
        pipes->events->on_broken(&err, pipes->arg);
}

int pipes_init(struct pipes *pipes, struct event_base *base, int request_fd, int event_fd, int stdout_fd, int stderr_fd,
               const struct frame_rule *rules, const struct pipes_events *events, void *arg, struct err *err)
{
    unsigned generation = pipes->generation + 1;
    *pipes = (struct pipes){.events = events, .arg = arg, .request_fd = request_fd, .event_fd = event_fd, .generation = generation};
    pipes->raw_fds[PIPES_STDOUT] = stdout_fd;
    pipes->raw_fds[PIPES_STDERR] = stderr_fd;
    frame_reader_init(&pipes->reader, rules);
    frame_writer_init(&pipes->writer);
    pipes->open = true;
    if (event_assign(&pipes->event_readable, base, event_fd, EV_READ | EV_PERSIST, on_event_readable, pipes) < 0 ||
        event_assign(&pipes->request_writable, base, request_fd, EV_WRITE | EV_PERSIST, on_request_writable, pipes) < 0 ||
        event_assign(&pipes->raw_readable[0], base, stdout_fd, EV_READ | EV_PERSIST, on_raw_readable, pipes) < 0 ||
        event_assign(&pipes->raw_readable[1], base, stderr_fd, EV_READ | EV_PERSIST, on_raw_readable, pipes) < 0 ||
        start_reading(pipes) < 0) {
        pipes_done(pipes);
        return err_set(err, ENOMEM, "cannot watch a worker's pipes");
    }
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

int pipes_send(struct pipes *pipes, uint8_t type, uint64_t execution, const void *payload, size_t length, struct err *err)
{
    enum frame_write result;
    if (!pipes->open)
        return err_set(err, EPIPE, "the worker is gone");
    result = frame_writer_send(&pipes->writer, pipes->request_fd, type, execution, payload, length, err);
    if (result == FRAME_WRITE_QUEUED && event_add(&pipes->request_writable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot wait for a worker's request pipe");
    return result == FRAME_WRITE_FAILED ? -1 : 0;
}

void pipes_drain(struct pipes *pipes)
{
    unsigned        generation = pipes->generation;
    enum frame_read result;
    size_t          turns = 0;
    if (!pipes->open)
        return;
    do
        result = read_frames(pipes);
    while (result == FRAME_READ_MORE && ++turns < RAW_DRAIN_BYTES / TURN_BYTES * 4);
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
    frame_reader_init(&pipes->reader, rules);
    frame_writer_init(&pipes->writer);
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
