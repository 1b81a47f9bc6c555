#define _GNU_SOURCE
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "fdio.h"
#include "json.h"
#include "log.h"
#include "metrics.h"

enum {
    WAITING_MAX  = 8 << 20,   /* bytes kept while the file can't be written */
    TURN_BYTES   = 256 << 10, /* written in one go, so that the loop comes to its other work */
    SOON_US      = 20000,     /* lines of this long go together */
    RETRY_US     = 500000,
    REPORT_US    = 10000000, /* how often it is said again that lines are being dropped */
    END_LIMIT_MS = 2000,
};

static struct {
    bool          is_open, with_code, scheduled;
    int           fd;
    struct event *timer;
    struct bytes  waiting; /* begins with a line */
    size_t        written; /* of `waiting`: the rest of a line is still to come */
    uint64_t      lines, dropped, unreported;
    int64_t       reported_us;
    int           failure; /* errno of the last attempt; 0: it went well */
} audit = {.fd = -1};

bool audit_is_open(void)
{
    return audit.is_open;
}

bool audit_keeps_code(void)
{
    return audit.with_code;
}

/* Drops whole lines that have been written. The part of a line that has, stays: it must be written anew if the file changes. */
static void forget_written(void)
{
    const char *feed  = audit.written > 0 ? memrchr(audit.waiting.data, '\n', audit.written) : NULL;
    size_t      whole = feed != NULL ? (size_t)(feed - audit.waiting.data) + 1 : 0;
    if (whole == 0)
        return;
    memmove(audit.waiting.data, audit.waiting.data + whole, audit.waiting.length - whole);
    audit.waiting.length -= whole;
    audit.written -= whole;
    if (audit.waiting.length == 0 && audit.waiting.capacity > 1 << 20)
        bytes_done(&audit.waiting);
}

static void report_failure(int failure)
{
    if (failure != audit.failure)
        log_error("the audit log can't be written: %s; %zu bytes wait, above %d lines are lost", strerror(failure),
                  audit.waiting.length - audit.written, WAITING_MAX);
    audit.failure = failure;
}

static void report_dropped(bool always)
{
    int64_t now = metrics_now_us();
    if (audit.unreported == 0 || (!always && now < audit.reported_us + REPORT_US))
        return;
    log_error("%llu lines of the audit log were lost, %llu since the start: it can't be written", (unsigned long long)audit.unreported,
              (unsigned long long)audit.dropped);
    audit.unreported  = 0;
    audit.reported_us = now;
}

static json_t *dropped_line(uint64_t count)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:I}", "time", json_time(json_time_now()), "action", "audit.lost", "key", "service", "outcome",
                     "lost", "lines", (json_int_t)count);
}

static bool append(json_t *json);

/* It can be written again: the log itself says what it lacks. */
static void report_recovery(void)
{
    static uint64_t said;
    json_t         *line;
    if (audit.failure == 0)
        return;
    log_warn("the audit log is written again");
    audit.failure = 0;
    report_dropped(true);
    line = audit.dropped > said ? dropped_line(audit.dropped - said) : NULL;
    if (line != NULL && append(line))
        said = audit.dropped;
    json_decref(line);
}

/* A write to a file goes to the page cache; to a pipe it does not wait, since the descriptor is non-blocking. Returns false when it failed. */
static bool write_some(size_t most)
{
    size_t  left = audit.waiting.length - audit.written;
    ssize_t n    = write(audit.fd, audit.waiting.data + audit.written, left < most ? left : most);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            report_failure(errno);
        return false;
    }
    audit.written += (size_t)n;
    forget_written();
    report_recovery();
    return true;
}

static void schedule(int64_t after_us)
{
    struct timeval after = {.tv_sec = after_us / 1000000, .tv_usec = after_us % 1000000};
    if (!audit.scheduled)
        (void)evtimer_add(audit.timer, &after);
    audit.scheduled = true;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    bool good = true;
    (void)fd;
    (void)what;
    (void)arg;
    audit.scheduled = false;
    if (audit.waiting.length > audit.written)
        good = write_some(TURN_BYTES);
    report_dropped(false);
    if (audit.waiting.length > audit.written || audit.unreported > 0)
        schedule(good && audit.unreported == 0 ? 0 : RETRY_US);
}

int audit_open(struct event_base *base, int fd, bool with_code, struct err *err)
{
    audit.timer = evtimer_new(base, on_timer, NULL);
    if (audit.timer == NULL) {
        (void)close(fd);
        return err_set(err, ENOMEM, "no memory for the audit log");
    }
    (void)evutil_make_socket_nonblocking(fd);
    audit.fd        = fd;
    audit.with_code = with_code;
    audit.is_open   = true;
    return 0;
}

void audit_reopen(int fd)
{
    if (!audit.is_open) {
        (void)close(fd);
        return;
    }
    while (audit.waiting.length > audit.written && write_some(WAITING_MAX))
        continue;
    audit.written = 0; /* a line of which only a part went into the former file goes whole into this one */
    (void)evutil_make_socket_nonblocking(fd);
    fdio_close(&audit.fd);
    audit.fd = fd;
    if (audit.waiting.length > 0)
        schedule(0);
}

static size_t count_lines(const char *data, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += data[i] == '\n';
    return n;
}

void audit_close(void)
{
    int64_t       deadline = metrics_now_us() + (int64_t)END_LIMIT_MS * 1000;
    struct pollfd ready    = {.fd = audit.fd, .events = POLLOUT};

    if (!audit.is_open)
        return;
    while (audit.waiting.length > audit.written && metrics_now_us() < deadline) {
        if (!write_some(WAITING_MAX) && audit.failure != 0)
            break;
        if (audit.waiting.length > audit.written)
            (void)poll(&ready, 1, 10);
    }
    audit.unreported += count_lines(audit.waiting.data, audit.waiting.length);
    audit.dropped += count_lines(audit.waiting.data, audit.waiting.length);
    report_dropped(true);
    bytes_done(&audit.waiting);
    event_free(audit.timer);
    fdio_close(&audit.fd);
    audit.written = 0;
    audit.is_open = audit.scheduled = false;
}

/* Returns false when there was no room. */
static bool append(json_t *json)
{
    char  *text   = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    size_t length = text != NULL ? strlen(text) : 0;
    bool   good   = text != NULL && audit.waiting.length - audit.written + length < WAITING_MAX;

    if (good) {
        text[length] = '\n'; /* in the place of its NUL */
        good         = bytes_append(&audit.waiting, text, length + 1);
    }
    free(text);
    return good;
}

static json_t *compose(const struct audit_line *line, const struct audit_origin *origin)
{
    json_t *json = json_pack("{s:o, s:s, s:s, s:s}", "time", json_time(json_time_now()), "action", line->action, "key", line->key,
                             "outcome", line->outcome);
    if (json == NULL)
        return NULL;
    if (origin != NULL && origin->peer[0] != '\0')
        (void)json_object_set_new(json, "peer", json_string(origin->peer));
    if (origin != NULL && origin->request_id[0] != '\0')
        (void)json_object_set_new(json, "requestId", json_string(origin->request_id));
    if (line->session_id != NULL)
        (void)json_object_set_new(json, "sessionId", json_string(line->session_id));
    if (line->execution_id != NULL)
        (void)json_object_set_new(json, "executionId", json_string(line->execution_id));
    if (line->details != NULL)
        (void)json_object_update_missing(json, line->details);
    return json;
}

void audit_write(const struct audit_line *line, const struct audit_origin *origin)
{
    json_t *json;
    if (!audit.is_open)
        return;
    json = compose(line, origin);
    if (json != NULL && append(json)) {
        audit.lines++;
        schedule(SOON_US);
    } else {
        audit.dropped++;
        audit.unreported++;
        report_dropped(false);
        schedule(RETRY_US);
    }
    json_decref(json);
}

void audit_get_counts(struct audit_counts *ret)
{
    *ret = (struct audit_counts){audit.lines, audit.dropped, audit.waiting.length - audit.written};
}
