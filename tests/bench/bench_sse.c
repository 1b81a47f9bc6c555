/* What encoding, logging and delivering events cost. Prints one figure per line; asserts nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event_log.h"
#include "sse.h"
#include "watcher.h"

enum { ROUNDS = 7 };

static const struct event_log_limits LIMITS = {UINT64_C(1) << 40, UINT64_C(1) << 40, 1 << 20};

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char *repeat(const char *unit, size_t length)
{
    size_t n    = strlen(unit);
    char  *text = malloc(length);
    for (size_t i = 0; i < length; i++)
        text[i] = unit[i % n];
    return text;
}

static void bench_escape(const char *name, const char *unit)
{
    size_t length = 60000 / strlen(unit) * strlen(unit), used;
    char  *text = repeat(unit, length), *out = malloc(length * 6);
    double best = 1e9;
    for (int r = 0; r < ROUNDS; r++) {
        double start = now_s();
        for (int i = 0; i < 200; i++)
            (void)sse_escape(out, length * 6, text, length, &used);
        best = now_s() - start < best ? now_s() - start : best;
    }
    printf("escape, %-28s %8.0f MB/s\n", name, (double)length * 200 / best / 1e6);
    free(text);
    free(out);
}

static size_t sink_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    (void)data;
    (void)owner;
    *(size_t *)arg += length;
    return 0;
}

static void sink_end(bool whole, void *arg)
{
    (void)whole;
    (void)arg;
}

/* `total` bytes of text in pieces, a flush after each `per_flush` of them. Returns seconds. */
static double append_all(const char *text, size_t piece, size_t per_flush, size_t total, int watchers, uint64_t *ret_events)
{
    struct event_base  *base   = event_base_new();
    struct watcher_hub *hub    = watcher_hub_new(base, WATCHER_SILENCE_MS, NULL);
    struct event_log   *log    = event_log_open(-1, &LIMITS, NULL);
    struct event_track *track  = event_track_new(log, 1, "0123456789abcdef-execution", "0123456789abcdef-session", NULL, 0, NULL);
    size_t              copied = 0;
    double              start;
    for (int i = 0; i < watchers; i++)
        (void)watcher_new(hub, track, WATCHER_SSE, NULL, &(struct watcher_sink){sink_write, sink_end, &copied, NULL}, NULL);
    start = now_s();
    for (size_t done = 0; done < total; done += piece) {
        (void)event_track_text(track, EVENT_KIND_OUT, text, piece, NULL);
        if (done / per_flush != (done + piece) / per_flush)
            event_log_flush(log);
    }
    (void)event_track_json(track, EVENT_KIND_COMPLETE, "{}", 2, NULL);
    event_log_flush(log);
    start       = now_s() - start;
    *ret_events = event_track_last_seq(track);
    event_log_free(log);
    watcher_hub_free(hub);
    event_base_free(base);
    return start;
}

static void bench_append(const char *name, const char *unit, size_t piece, size_t per_flush, size_t total, int watchers)
{
    char    *text   = repeat(unit, piece);
    double   best   = 1e9;
    uint64_t events = 0;
    for (int r = 0; r < ROUNDS; r++) {
        double took = append_all(text, piece, per_flush, total, watchers, &events);
        best        = took < best ? took : best;
    }
    printf("%-36s %8.0f MB/s %9.0f ns per event %9.1f ns per piece\n", name, (double)total / best / 1e6, best / (double)events * 1e9,
           best / ((double)total / (double)piece) * 1e9);
    free(text);
}

static bool count_event(const struct event_view *event, void *arg)
{
    *(size_t *)arg += event->sse_length;
    return true;
}

static void bench_read(void)
{
    struct event_log   *log   = event_log_open(-1, &LIMITS, NULL);
    struct event_track *track = event_track_new(log, 1, "execution", "session", NULL, 0, NULL);
    char               *text  = repeat("a line of text, as programs print them\n", 4000);
    double              best  = 1e9;
    size_t              bytes = 0;
    for (int i = 0; i < 10000; i++) {
        (void)event_track_text(track, EVENT_KIND_OUT, text, 4000, NULL);
        event_log_flush(log);
    }
    for (int r = 0; r < ROUNDS; r++) {
        struct event_cursor cursor;
        double              start = now_s();
        bytes                     = 0;
        (void)event_track_seek(track, 0, &cursor);
        (void)event_track_read(track, &cursor, SIZE_MAX, count_event, &bytes, NULL);
        best = now_s() - start < best ? now_s() - start : best;
    }
    printf("%-36s %8.0f MB/s %9.0f ns per event\n", "read back, events of 4 KB", (double)bytes / best / 1e6, best / 10000 * 1e9);
    event_log_free(log);
    free(text);
}

int main(void)
{
    static const char LINE[] = "a line of text, as programs print them, of about eighty characters in all......\n";
    bench_escape("ASCII", "the quick brown fox jumps over the lazy dog ");
    bench_escape("lines of 80", LINE);
    bench_escape("lines of 8", "1234567\n");
    bench_escape("German", "Gr\xc3\xbc\xc3\x9f"
                           "e aus M\xc3\xbcnchen ");
    bench_escape("Chinese", "\xe4\xb8\xad\xe6\x96\x87");
    bench_escape("quotes", "\"");
    bench_escape("invalid", "\xff");
    bench_append("append, frames of 64 KB, flush each", LINE, 65520, 65520, 100 * 65520, 0);
    bench_append("append, frames of 8 KB, flush at 64", LINE, 8000, 64000, 1000 * 8000, 0);
    bench_append("append, 16 bytes, flush each", LINE, 16, 16, 16 * 50000, 0);
    bench_append("append, 16 bytes, flush at 4 KB", LINE, 16, 4096, 4096 * 1000, 0);
    bench_append("the same and one watcher, 16 bytes", LINE, 16, 16, 16 * 50000, 1);
    bench_append("1000 watchers, 4 KB, flush each", LINE, 4000, 4000, 4000 * 500, 1000);
    bench_read();
    return 0;
}
