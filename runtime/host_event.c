#define _GNU_SOURCE
#include "host_event.h"

#include "host_frame.h"
#include "shared/wire.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 32768,
    INTERVAL_NS  = 5000000,
    FLUSH_SIGNAL = WAKE_SIGNAL + 1,
};

static struct {
    uint8_t     bytes[BUFFER_BYTES]; /* frames; the last one may be open: text is still being added to it */
    size_t      used;
    size_t      open; /* offset of the open frame's head, valid when open_type is not 0 */
    uint8_t     open_type;
    bool        eager, muted, owner, has_timer;
    pid_t       pid;
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

static void close_frame(void)
{
    if (event.open_type != 0)
        host_frame_head(event.bytes + event.open, event.open_type, 0, event.used - event.open - FRAME_HEAD_BYTES, event.execution);
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

static void flush_locked(void)
{
    atomic_store(&event.wanted, false);
    if (event.used == 0)
        return;
    if (!check_owner()) {
        host_frame_write_raw(event.open_type, event.bytes, event.used);
        event.used = 0;
        return;
    }
    close_frame();
    host_frame_write(event.bytes, event.used);
    event.used       = 0;
    event.flushed_ns = now_ns();
}

static void send_direct(uint8_t type, const void *payload, size_t length)
{
    flush_locked();
    host_frame_send(type, payload, length, event.execution);
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
        host_frame_write_raw(type, text, length);
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
            host_frame_head(event.bytes + event.used, type, 0, length, event.execution);
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
    host_frame_own();
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
