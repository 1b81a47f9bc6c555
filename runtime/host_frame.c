#define _GNU_SOURCE
#include "host_frame.h"

#include "shared/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    RAW_STEP_NS = 10000,
    RAW_STEPS   = 150, /* some 10 ms, a step being 60 us on most machines */
    EXIT_PIPES  = 70,
};

static ino_t inode; /* of the event pipe */

void host_frame_own(void)
{
    struct stat present;
    if (fstat(WORKER_EVENT_FD, &present) != 0)
        _exit(EXIT_PIPES);
    inode = present.st_ino;
}

/* User code that closed the pipe, and perhaps opened a file in its place, has ended its session: nothing more can be said or heard. */
static void check_pipe(void)
{
    struct stat present;
    if (fstat(WORKER_EVENT_FD, &present) != 0 || present.st_ino != inode)
        _exit(EXIT_PIPES);
}

/* Async-signal-safe. The pipe gone means that the service is gone; anything else that user code broke the descriptor. */
static void write_vector(int fd, struct iovec *vector, int count)
{
    while (count > 0) {
        ssize_t n = writev(fd, vector, count);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        }
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            _exit(errno == EPIPE ? 0 : EXIT_PIPES);
        for (; count > 0 && (size_t)n >= vector->iov_len; vector++, count--)
            n -= (ssize_t)vector->iov_len;
        if (count > 0) {
            vector->iov_base = (char *)vector->iov_base + n;
            vector->iov_len -= (size_t)n;
        }
    }
}

/* A child's writes are best effort: its descriptors are its own affair, and it must not be ended for them. */
void host_frame_write_raw(uint8_t type, const void *text, size_t length)
{
    const char *p  = text;
    int         fd = type == EVENT_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    while (length > 0) {
        ssize_t n = write(fd, p, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        p += n;
        length -= (size_t)n;
    }
}

static uint16_t waiting_in(int fd)
{
    int n = 0;
    if (ioctl(fd, FIONREAD, &n) != 0 || n < 0)
        return 0;
    return n < FRAME_RAW_MANY ? (uint16_t)n : FRAME_RAW_MANY;
}

static bool is_raw_waiting(struct host_frame_raw *ret)
{
    ret->waiting[0] = waiting_in(STDOUT_FILENO);
    ret->waiting[1] = waiting_in(STDERR_FILENO);
    return ret->waiting[0] != 0 || ret->waiting[1] != 0;
}

/*
 * What C code and children have written to the raw pipes comes before the frame that is about to be sent, what they write from now on
 * after it. The reader need not tell the two apart if it has read the first when the frame is sent: so wait for it, but not for one that
 * never finds the pipe empty. Then the frame says how much there was.
 */
struct host_frame_raw host_frame_wait_for_raw(void)
{
    struct timespec       moment = {.tv_nsec = RAW_STEP_NS};
    struct host_frame_raw raw;
    for (int i = 0; is_raw_waiting(&raw) && i < RAW_STEPS; i++)
        (void)nanosleep(&moment, NULL);
    return raw;
}

void host_frame_head(uint8_t *at, uint8_t type, uint8_t flags, size_t length, uint64_t execution)
{
    struct frame_head head = {.length = (uint16_t)length, .type = type, .flags = flags, .execution = execution};
    memcpy(at, &head, sizeof head);
}

static void put_raw(uint8_t *frame)
{
    struct host_frame_raw raw = host_frame_wait_for_raw();
    memcpy(frame + offsetof(struct frame_head, raw), raw.waiting, sizeof raw.waiting);
}

void host_frame_write(uint8_t *frames, size_t length)
{
    struct iovec vector = {.iov_base = frames, .iov_len = length};
    check_pipe();
    put_raw(frames);
    write_vector(WORKER_EVENT_FD, &vector, 1);
}

void host_frame_send(uint8_t type, const void *payload, size_t length, uint64_t execution)
{
    const char *p = payload;
    check_pipe();
    do {
        size_t       part = length < FRAME_PAYLOAD_MAX ? length : FRAME_PAYLOAD_MAX;
        uint8_t      head[FRAME_HEAD_BYTES];
        struct iovec vector[2] = {{.iov_base = head, .iov_len = sizeof head}, {.iov_base = (void *)p, .iov_len = part}};
        host_frame_head(head, type, part < length ? FRAME_MORE : 0, part, execution);
        put_raw(head);
        write_vector(WORKER_EVENT_FD, vector, part > 0 ? 2 : 1);
        p += part;
        length -= part;
    } while (length > 0);
}
