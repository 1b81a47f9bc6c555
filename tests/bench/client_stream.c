#include "client_stream.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client_http.h"

enum { LAST_CHUNK = 5, READ_BYTES = 1 << 18, WATCHERS_MAX = 4096, WAIT_MS = 60000, EVENTS_BEFORE_INPUT = 2 };

/* Printed lines in the data of stdout events; kept over reads cut anywhere. */
struct counter {
    char   line[16]; /* how the present line of the stream begins */
    size_t at;       /* in that line */
    bool   is_stdout, escaped;
    size_t found, events;
};

static void counter_end_line(struct counter *c)
{
    if (c->at >= 7 && memcmp(c->line, "event: ", 7) == 0) {
        c->is_stdout = c->at >= 13 && memcmp(c->line, "event: stdout", 13) == 0;
        c->events++;
    }
    c->at      = 0;
    c->escaped = false;
}

/* A newline in the text is an escape in the JSON of a data line; what kind of event it belongs to, the line before says. */
static void count_lines(struct counter *c, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char byte = data[i];

        if (byte == '\n') {
            counter_end_line(c);
            continue;
        }
        if (c->at < sizeof c->line)
            c->line[c->at] = byte;
        c->at++;
        if (!c->is_stdout || c->line[0] != 'd')
            continue;
        if (c->escaped)
            c->found += byte == 'n';
        c->escaped = !c->escaped && byte == '\\';
    }
}

/* Keeps the last bytes seen in `tail`, over reads cut anywhere. Returns true when they are the chunk that ends a body. */
static bool ends_with_last_chunk(char tail[LAST_CHUNK], const char *data, size_t length)
{
    if (length >= LAST_CHUNK)
        memcpy(tail, data + length - LAST_CHUNK, LAST_CHUNK);
    else {
        memmove(tail, tail + length, LAST_CHUNK - length);
        memcpy(tail + LAST_CHUNK - length, data, length);
    }
    return memcmp(tail, "0\r\n\r\n", LAST_CHUNK) == 0;
}

static void stream_once(int port, const char *request, size_t request_length)
{
    static char    data[READ_BYTES];
    char           tail[LAST_CHUNK] = {0};
    double         first = 0, text = 0, start;
    size_t         bytes   = 0;
    struct counter counter = {0};
    int            fd      = dial(port);
    ssize_t        n;

    start = now_us();
    if (write(fd, request, request_length) != (ssize_t)request_length)
        die("write");
    do {
        n = read(fd, data, sizeof data);
        if (n <= 0)
            die("the stream ended too early");
        if (first == 0 && memmem(data, (size_t)n, "event:", 6))
            first = now_us() - start;
        if (text == 0 && memmem(data, (size_t)n, "event: stdout", 13))
            text = now_us() - start;
        bytes += (size_t)n;
        count_lines(&counter, data, (size_t)n);
    } while (!ends_with_last_chunk(tail, data, (size_t)n));
    printf("%.3f %.3f %.3f %zu %zu\n", first, text, now_us() - start, bytes, counter.found);
    close(fd);
}

int client_stream(int port, int count, const char *path, const char *body)
{
    size_t length;
    char  *request = request_text("POST", path, body, &length);

    for (int i = 0; i < count; i++)
        stream_once(port, request, length);
    free(request);
    return 0;
}

/* ---- many watchers of one execution ---- */

struct watcher {
    int            fd;
    char           tail[LAST_CHUNK];
    double         first_us, last_us;
    size_t         bytes;
    struct counter counter;
    bool           is_done;
};

static struct watcher *watchers_new(int port, int count, const char *path, int poll_fd)
{
    struct watcher *all = calloc((size_t)count, sizeof *all);
    size_t          length;
    char           *request = request_text("GET", path, "", &length);

    for (int i = 0; all && i < count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        all[i].fd = dial(port);
        if (write(all[i].fd, request, length) != (ssize_t)length || epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].fd, &e) < 0)
            die("a watcher could not start");
    }
    free(request);
    if (!all)
        die("calloc");
    return all;
}

static void watcher_read(struct watcher *w)
{
    static char data[READ_BYTES];
    ssize_t     n = read(w->fd, data, sizeof data);

    if (n <= 0)
        die("a watcher's stream ended too early");
    w->last_us = now_us();
    if (w->first_us == 0)
        w->first_us = w->last_us;
    w->bytes += (size_t)n;
    count_lines(&w->counter, data, (size_t)n);
    w->is_done = ends_with_last_chunk(w->tail, data, (size_t)n);
}

/* What the execution that waits for input has told so far: that it began and that it asks. */
static bool has_begun(const struct watcher *w)
{
    return w->counter.events >= EVENTS_BEFORE_INPUT;
}
static bool is_done(const struct watcher *w)
{
    return w->is_done;
}

/* Reads until it holds for all of them. */
static void watchers_read(struct watcher *all, int count, int poll_fd, bool (*holds)(const struct watcher *))
{
    struct epoll_event ready[256];
    int                left = 0;

    for (int i = 0; i < count; i++)
        left += !holds(&all[i]);
    while (left > 0) {
        int n = epoll_wait(poll_fd, ready, 256, WAIT_MS);

        if (n <= 0)
            die("no event for a minute");
        for (int i = 0; i < n; i++) {
            struct watcher *w    = &all[ready[i].data.u32];
            bool            held = holds(w);

            watcher_read(w);
            left -= !held && holds(w);
            if (w->is_done)
                epoll_ctl(poll_fd, EPOLL_CTL_DEL, w->fd, NULL);
        }
    }
}

int client_watch(int port, int watchers, const char *path)
{
    int             poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct watcher *all     = watchers > 0 && watchers <= WATCHERS_MAX ? watchers_new(port, watchers, path, poll_fd) : NULL;
    double          start   = 0;

    if (!all)
        die("watchers");
    watchers_read(all, watchers, poll_fd, has_begun);
    for (int i = 0; i < watchers; i++) {
        all[i].first_us       = 0;
        all[i].bytes          = 0;
        all[i].counter.events = 0;
    }
    puts("ready");
    fflush(stdout);
    watchers_read(all, watchers, poll_fd, is_done);
    for (int i = 0; i < watchers; i++)
        if (start == 0 || all[i].first_us < start)
            start = all[i].first_us;
    for (int i = 0; i < watchers; i++)
        printf("%.1f %.1f %zu %zu\n", all[i].first_us - start, all[i].last_us - start, all[i].bytes, all[i].counter.events);
    free(all);
    return 0;
}
