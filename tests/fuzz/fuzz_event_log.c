/*
 * The event log. Odd inputs: the bytes of a file that a server finds. Even ones: a list of acts (append, flush, end, cut the file and open it
 * again ...) after each of which the log must hold what it says.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event_log.h"
#include "text.h"

static const struct event_log_limits LIMITS = {300000, 400000, 200000};

static bool on_event(const struct event_view *event, void *arg)
{
    uint64_t *last = arg;
    if (event->seq <= *last || event->sse_length > SSE_EVENT_MAX || event->json[0] != '{' || event->json[event->json_length - 1] != '\n' ||
        text_valid(event->sse, event->sse_length) != event->sse_length)
        abort();
    *last = event->seq;
    return true;
}

static void check_track(struct event_track *track)
{
    struct event_cursor cursor;
    uint64_t            last = 0;
    (void)event_track_seek(track, 0, &cursor);
    if (event_track_read(track, &cursor, SIZE_MAX, on_event, &last, NULL) < 0 || !event_track_is_at_tail(track, &cursor))
        abort();
    if (last > event_track_last_seq(track))
        abort();
}

static void check_log(struct event_log *log)
{
    event_log_flush(log);
    for (struct event_track *track = event_log_next(log, NULL); track != NULL; track = event_log_next(log, track))
        check_track(track);
}

static struct event_log *open_log(int fd)
{
    struct event_log *log = event_log_open(fd, &LIMITS, NULL);
    if (log == NULL)
        abort();
    return log;
}

static void read_file(const uint8_t *data, size_t size)
{
    int               fd = memfd_create("fuzz", 0);
    struct event_log *log;
    if (write(fd, data, size) != (ssize_t)size)
        abort();
    log = open_log(fd);
    check_log(log);
    event_log_free(log);
}

static struct event_track *track_of(struct event_log *log, uint8_t n)
{
    struct event_track *track = event_log_find(log, n);
    return track != NULL ? track : event_track_new(log, n, "execution", "session", "note", n, NULL);
}

static struct event_log *reopen(struct event_log *log, int fd, uint8_t cut)
{
    struct stat status;
    event_log_flush(log);
    event_log_free(log);
    if (fstat(fd, &status) < 0 || ftruncate(fd, status.st_size > cut ? status.st_size - cut : 0) < 0)
        abort();
    return open_log(dup(fd));
}

static void act(struct event_log **log, int fd, const uint8_t *data, size_t size)
{
    static char         text[70000];
    struct event_track *track  = track_of(*log, data[1] % 4);
    size_t              length = data[2] * 257u;

    memset(text, data[2] | 1, sizeof text);
    memcpy(text, data, size);
    switch (data[0] % 8) {
    case 0:
    case 1: (void)event_track_text(track, EVENT_KIND_OUT + data[0] % 2, text, length, NULL); break;
    case 2: (void)event_track_json(track, EVENT_KIND_PLOT, text + 1, length, NULL); break;
    case 3: (void)event_track_json(track, EVENT_KIND_START, "{}", 2, NULL); break;
    case 4: (void)event_track_json(track, EVENT_KIND_COMPLETE, "{}", 2, NULL); break;
    case 5: event_log_flush(*log); break;
    case 6: event_track_free(track); break;
    default: *log = reopen(*log, fd, data[2]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_log *log;
    int               fd;

    if (size < 1 || size > 4000)
        return 0;
    if (data[0] % 2 != 0) {
        read_file(data + 1, size - 1);
        return 0;
    }
    fd  = memfd_create("fuzz", 0);
    log = open_log(dup(fd));
    for (size_t at = 1; at + 3 <= size; at += 3)
        act(&log, fd, data + at, 3);
    check_log(log);
    event_log_free(log);
    close(fd);
    return 0;
}
