#define _GNU_SOURCE
#include "host_event.h"

#include "shared/wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 32768,
    INTERVAL_NS  = 5000000,
    RAW_STEP_NS  = 10000,
    RAW_STEPS    = 150, /* some 10 ms, a step being 60 us on most machines */
    FLUSH_SIGNAL = WAKE_SIGNAL + 1,
    EXIT_PIPES   = 70,
};

static struct {
    uint8_t     bytes[BUFFER_BYTES]; /* frames; the last one may be open: text is still being added to it */
    size_t      used;
    size_t      open; /* offset of the open frame's head, valid when open_type is not 0 */
    uint8_t     open_type;
    bool        eager, muted, owner, has_timer;
    pid_t       pid;
    ino_t       inode; /* of the event pipe */
    uint64_t    execution;
    uint64_t    flushed_ns; /* when something was last sent; 0 when a cell has just begun */
    timer_t     timer;
    atomic_bool locked; /* bytes..execution are being changed or sent */
    atomic_bool wanted; /* the timer found it locked: whoever unlocks must send */
    atomic_bool armed;
} event;

static void flush_locked(void);

static void lock(void)
{
    while (atomic_exchange_explicit(&event.locked, true, memory_order_acquire))
        (void)sched_yield();
}

static void unlock(void)
{
    atomic_store(&event.locked, false);
    if (atomic_load(&event.wanted) && !atomic_exchange(&event.locked, true)) {
        flush_locked();
        atomic_store(&event.locked, false);
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
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
static void write_raw(uint8_t type, const void *text, size_t length)
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

static bool is_raw_pending(void)
{
    int out = 0, error = 0;
    if (ioctl(STDOUT_FILENO, FIONREAD, &out) != 0)
        out = 0;
    if (ioctl(STDERR_FILENO, FIONREAD, &error) != 0)
        error = 0;
    return out > 0 || error > 0;
}

/*
 * What C code and children have written to the raw pipes comes before the frame that is about to be sent, what they write from now on
 * after it. The reader can keep the two apart only if it has read the first when the frame is sent: so wait for it, but not for one that
 * never finds the pipe empty.
 */
static uint8_t raw_flag(void)
{
    struct timespec moment = {.tv_nsec = RAW_STEP_NS};
    for (int i = 0; is_raw_pending(); i++) {
        if (i == RAW_STEPS)
            return FRAME_RAW_PENDING;
        (void)nanosleep(&moment, NULL);
    }
    return 0;
}

static void put_head(uint8_t *at, uint8_t type, uint8_t flags, size_t length)
{
    struct frame_head head = {.length = (uint32_t)length, .type = type, .flags = flags, .execution = event.execution};
    memcpy(at, &head, sizeof head);
}

static void close_frame(void)
{
    if (event.open_type != 0)
        put_head(event.bytes + event.open, event.open_type, 0, event.used - event.open - FRAME_HEAD_BYTES);
    event.open_type = 0;
}

/* A process that was forked without this module's knowledge finds out here, before it writes into its parent's pipe. */
static bool check_owner(void)
{
    if (event.owner && getpid() != event.pid) {
        event.owner     = false;
        event.has_timer = false;
        event.used      = 0;
        event.open_type = 0;
    }
    return event.owner;
}

/* User code that closed the pipe, and perhaps opened a file in its place, has ended its session: nothing more can be said or heard. */
static void check_pipe(void)
{
    struct stat present;
    if (fstat(WORKER_EVENT_FD, &present) != 0 || present.st_ino != event.inode)
        _exit(EXIT_PIPES);
}

static void flush_locked(void)
{
    struct iovec vector = {.iov_base = event.bytes};
    atomic_store(&event.wanted, false);
    if (event.used == 0)
        return;
    if (!check_owner()) {
        write_raw(event.open_type, event.bytes, event.used);
        event.used = 0;
        return;
    }
    check_pipe();
    close_frame();
    event.bytes[offsetof(struct frame_head, flags)] |= raw_flag();
    vector.iov_len = event.used;
    event.used     = 0;
    write_vector(WORKER_EVENT_FD, &vector, 1);
    event.flushed_ns = now_ns();
}

static void send_direct(uint8_t type, const void *payload, size_t length)
{
    const char *p = payload;
    flush_locked();
    check_pipe();
    do {
        size_t       part = length < FRAME_PAYLOAD_MAX ? length : FRAME_PAYLOAD_MAX;
        uint8_t      head[FRAME_HEAD_BYTES];
        struct iovec vector[2] = {{.iov_base = head, .iov_len = sizeof head}, {.iov_base = (void *)p, .iov_len = part}};
        put_head(head, type, (uint8_t)((part < length ? FRAME_MORE : 0) | raw_flag()), part);
        write_vector(WORKER_EVENT_FD, vector, part > 0 ? 2 : 1);
        p += part;
        length -= part;
    } while (length > 0);
    event.flushed_ns = now_ns();
}

static void on_timer(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    (void)number;
    (void)context;
    if (info->si_code != SI_TIMER)
        return;
    atomic_store(&event.armed, false);
    atomic_store(&event.wanted, true);
    if (!atomic_exchange(&event.locked, true)) {
        flush_locked();
        atomic_store(&event.locked, false);
    }
    errno = saved;
}

static bool make_timer(void)
{
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigevent  how    = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = FLUSH_SIGNAL};
#ifdef sigev_notify_thread_id
    how.sigev_notify_thread_id = getpid();
#else
    how._sigev_un._tid = getpid();
#endif
    if (sigaction(FLUSH_SIGNAL, &action, NULL) != 0)
        return false;
    event.has_timer = timer_create(CLOCK_MONOTONIC, &how, &event.timer) == 0;
    return event.has_timer;
}

/* What waits now is sent after `delay_ns` at the latest. Without a timer nothing may wait. */
static void arm(uint64_t delay_ns)
{
    struct itimerspec when = {.it_value = {.tv_nsec = (long)delay_ns}};
    if (atomic_load(&event.armed))
        return;
    if ((event.has_timer || make_timer()) && timer_settime(event.timer, 0, &when, NULL) == 0)
        atomic_store(&event.armed, true);
    else
        flush_locked();
}

/* Sends or arms the timer, as the rule at the top of the header says. */
static void schedule(bool line_ended)
{
    uint64_t now, since;
    if (event.eager) {
        flush_locked();
        return;
    }
    if (event.used == 0)
        return;
    if (line_ended && event.flushed_ns == 0) {
        flush_locked();
        return;
    }
    if (atomic_load(&event.armed))
        return;
    now   = now_ns();
    since = now - event.flushed_ns;
    if (line_ended && since >= INTERVAL_NS)
        flush_locked();
    else
        arm(since < INTERVAL_NS ? INTERVAL_NS - since + 1 : INTERVAL_NS);
}

/* The largest part of `text`, at most `room` bytes, that does not cut a UTF-8 character. */
static size_t whole_characters(const char *text, size_t room)
{
    size_t n = room;
    while (n > 0 && room - n < 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return ((unsigned char)text[n] & 0xc0) == 0x80 ? room : n;
}

static void open_frame(uint8_t type)
{
    if (event.open_type == type)
        return;
    close_frame();
    if (event.used + FRAME_HEAD_BYTES + 4 > BUFFER_BYTES)
        flush_locked();
    event.open      = event.used;
    event.open_type = type;
    event.used += FRAME_HEAD_BYTES;
}

static void append(uint8_t type, const char *text, size_t length)
{
    while (length > 0) {
        size_t room, part;
        if (length >= BUFFER_BYTES) {
            part = length > FRAME_PAYLOAD_MAX ? whole_characters(text, FRAME_PAYLOAD_MAX) : length;
            send_direct(type, text, part);
        } else {
            open_frame(type);
            room = BUFFER_BYTES - event.used;
            part = length <= room ? length : whole_characters(text, room);
            memcpy(event.bytes + event.used, text, part);
            event.used += part;
            if (part < length)
                flush_locked();
        }
        text += part;
        length -= part;
    }
}

static void append_child(uint8_t type, const char *text, size_t length)
{
    if (event.open_type != type || event.used + length > BUFFER_BYTES) {
        flush_locked();
        event.open_type = type;
    }
    if (length > BUFFER_BYTES) {
        write_raw(type, text, length);
        return;
    }
    memcpy(event.bytes + event.used, text, length);
    event.used += length;
}

void host_event_text(uint8_t type, const char *text, size_t length)
{
    if (length == 0)
        return;
    lock();
    if (!event.muted) {
        if (event.owner)
            append(type, text, length);
        else
            append_child(type, text, length);
        schedule(text[length - 1] == '\n');
    }
    unlock();
}

void host_event_queue(uint8_t type, const void *payload, size_t length)
{
    lock();
    if (event.owner && !event.muted) {
        if (FRAME_HEAD_BYTES + length > BUFFER_BYTES / 2) {
            send_direct(type, payload, length);
        } else {
            close_frame();
            if (event.used + FRAME_HEAD_BYTES + length > BUFFER_BYTES)
                flush_locked();
            put_head(event.bytes + event.used, type, 0, length);
            if (length > 0)
                memcpy(event.bytes + event.used + FRAME_HEAD_BYTES, payload, length);
            event.used += FRAME_HEAD_BYTES + length;
        }
    }
    unlock();
}

void host_event_flush(void)
{
    lock();
    flush_locked();
    unlock();
}

void host_event_rescue(void)
{
    if (!atomic_exchange(&event.locked, true))
        flush_locked();
}

void host_event_begin(uint64_t execution)
{
    lock();
    flush_locked();
    event.execution  = execution;
    event.flushed_ns = 0;
    unlock();
}

void host_event_eager(void)
{
    event.eager = event.owner; /* what libraries do while the zygote imports them is no session's */
}

void host_event_mute(bool muted)
{
    lock();
    event.muted = muted;
    unlock();
}

bool host_event_is_owner(void)
{
    return event.owner && getpid() == event.pid;
}

void host_event_own(void)
{
    struct stat present;
    if (fstat(WORKER_EVENT_FD, &present) != 0)
        _exit(EXIT_PIPES);
    event.inode      = present.st_ino;
    event.used       = 0;
    event.open_type  = 0;
    event.owner      = true;
    event.pid        = getpid();
    event.has_timer  = false;
    event.flushed_ns = 0;
    atomic_store(&event.locked, false);
    atomic_store(&event.wanted, false);
    atomic_store(&event.armed, false);
}

static void before_fork(void)
{
    lock();
    if (event.owner)
        flush_locked();
}

static void after_fork_parent(void)
{
    atomic_store(&event.locked, false);
}

static void after_fork_child(void)
{
    event.owner     = false;
    event.has_timer = false;
    event.used      = 0;
    event.open_type = 0;
    atomic_store(&event.armed, false);
    atomic_store(&event.locked, false);
}

int host_event_init(void)
{
    return pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
