#include "watcher.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { SHARE_BYTES_MIN = 2048 }; /* smaller events are cheaper to copy than to share */

struct audience;

struct watcher {
    TAILQ_ENTRY(watcher) in_audience, by_age, in_ready;
    struct audience    *audience;
    struct watcher_sink sink;
    struct event_cursor cursor;
    uint64_t            next_seq;   /* of the event the reader expects */
    uint64_t            written_ms; /* when it last got a byte */
    enum watcher_format format;
    const char         *gap_reason; /* a gap is due; NULL: none */
    bool                is_live;    /* at the tail: fresh events go straight to it */
    bool                is_stalled; /* too much waits in the sink */
    bool                is_ready;   /* in the hub's list */
    bool                is_busy;    /* in use further up the stack: freed there */
    bool                is_gone;
};
TAILQ_HEAD(watcher_list, watcher);

/* The watchers of one track. */
struct audience {
    struct watcher_hub *hub;
    struct event_track *track;
    struct watcher_list watchers;
    size_t              count;
    struct watcher     *next;    /* of the walk under way */
    bool                is_busy; /* a walk is under way: freed at its end */
};

struct watcher_hub {
    struct watcher_list by_age; /* of the last byte written, oldest first */
    struct watcher_list ready;  /* have something to read from the log */
    struct event       *turn, *silence;
    uint64_t            silence_ms;
    size_t              count, ready_count;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

size_t watcher_hub_count(const struct watcher_hub *hub)
{
    return hub->count;
}

static void add_timer(struct event *timer, uint64_t ms)
{
    struct timeval delay = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    (void)evtimer_add(timer, &delay);
}

/* The life of a watcher. */
static void free_audience(struct audience *audience)
{
    if (audience->count > 0 || audience->is_busy)
        return;
    if (audience->track != NULL)
        event_track_set_listener(audience->track, NULL);
    free(audience);
}

static void set_ready(struct watcher *watcher, bool ready)
{
    struct watcher_hub *hub = watcher->audience->hub;
    if (ready == watcher->is_ready)
        return;
    watcher->is_ready = ready;
    if (ready) {
        TAILQ_INSERT_TAIL(&hub->ready, watcher, in_ready);
        hub->ready_count++;
        add_timer(hub->turn, 0);
    } else {
        TAILQ_REMOVE(&hub->ready, watcher, in_ready);
        if (--hub->ready_count == 0)
            (void)evtimer_del(hub->turn);
    }
}

/* Out of all lists: nothing reaches it any more. */
static void unlink_watcher(struct watcher *watcher)
{
    struct audience *audience = watcher->audience;

    if (watcher->is_gone)
        return;
    watcher->is_gone = true;
    set_ready(watcher, false);
    if (audience->next == watcher)
        audience->next = TAILQ_NEXT(watcher, in_audience);
    TAILQ_REMOVE(&audience->watchers, watcher, in_audience);
    TAILQ_REMOVE(&audience->hub->by_age, watcher, by_age);
    audience->count--;
    audience->hub->count--;
    free_audience(audience);
}

void watcher_free(struct watcher *watcher)
{
    if (watcher == NULL)
        return;
    unlink_watcher(watcher);
    if (!watcher->is_busy)
        free(watcher);
}

/* Whoever set is_busy lets go. Returns false when the watcher is gone. */
static bool release(struct watcher *watcher)
{
    watcher->is_busy = false;
    if (!watcher->is_gone)
        return true;
    free(watcher);
    return false;
}

/* The stream is over. The sink's end may do anything but touch the watcher. */
static void end_watcher(struct watcher *watcher, bool whole)
{
    struct watcher_sink sink = watcher->sink;
    if (watcher->is_gone)
        return;
    unlink_watcher(watcher);
    sink.end(whole, sink.arg);
}

/* Writing. Each of these may leave the watcher gone: it is busy, so that it can be asked. */
static void write_bytes(struct watcher *watcher, const char *data, size_t length, struct bytes_shared *owner)
{
    struct watcher_hub *hub     = watcher->audience->hub;
    size_t              pending = watcher->sink.write(data, length, owner, watcher->sink.arg);

    if (watcher->is_gone)
        return;
    watcher->written_ms = now_ms();
    TAILQ_REMOVE(&hub->by_age, watcher, by_age);
    TAILQ_INSERT_TAIL(&hub->by_age, watcher, by_age);
    if (pending > WATCHER_HIGH_BYTES) {
        watcher->is_stalled = true;
        watcher->is_live    = false;
    }
}

static void write_gap(struct watcher *watcher, uint64_t next_seq, const char *reason)
{
    const struct event_track *track = watcher->audience->track;
    struct bytes              out   = {0};
    char                      value[128];
    int n = snprintf(value, sizeof value, "{\"after\":%" PRIu64 ",\"next\":%" PRIu64 ",\"reason\":\"%s\"}", watcher->next_seq - 1, next_seq,
                     reason);

    watcher->gap_reason = NULL;
    if (sse_encode(&out, event_track_source(track), EVENT_KIND_GAP, next_seq - 1, sse_now(), value, (size_t)n, NULL) == 0) {
        const char *json = memchr(out.data, '{', out.length);
        if (watcher->format == WATCHER_SSE)
            write_bytes(watcher, out.data, out.length, NULL);
        else
            write_bytes(watcher, json, out.length - (size_t)(json - out.data) - 1, NULL);
    }
    bytes_done(&out);
}

static void write_event(struct watcher *watcher, const struct event_view *event, struct bytes_shared *owner)
{
    const char *base = owner != NULL ? owner->data : event->sse;

    if (event->seq != watcher->next_seq || watcher->gap_reason != NULL)
        write_gap(watcher, event->seq, watcher->gap_reason != NULL ? watcher->gap_reason : "dropped");
    if (watcher->is_gone)
        return;
    watcher->next_seq = event->seq + 1;
    if (event_kind_is_terminal(event->kind) && watcher->sink.last != NULL)
        watcher->sink.last(watcher->sink.arg);
    if (watcher->format == WATCHER_SSE)
        write_bytes(watcher, base, event->sse_length, owner);
    else
        write_bytes(watcher, base + (event->json - event->sse), event->json_length, owner);
    if (event_kind_is_terminal(event->kind))
        end_watcher(watcher, true);
}

/* Fresh events. */
static void on_event(const struct event_view *event, void *arg)
{
    struct audience     *audience = arg;
    struct bytes_shared *shared   = NULL;

    if (audience->count > 1 && event->sse_length >= SHARE_BYTES_MIN)
        shared = bytes_shared_new(event->sse, event->sse_length);
    audience->is_busy = true;
    for (struct watcher *watcher = TAILQ_FIRST(&audience->watchers); watcher != NULL; watcher = audience->next) {
        audience->next = TAILQ_NEXT(watcher, in_audience);
        if (!watcher->is_live || event->seq < watcher->next_seq)
            continue;
        watcher->is_busy = true;
        watcher->cursor  = (struct event_cursor){event->seq + 1, event->offset};
        write_event(watcher, event, shared);
        (void)release(watcher);
    }
    audience->next    = NULL;
    audience->is_busy = false;
    bytes_shared_unref(shared);
    free_audience(audience);
}

static void on_track_end(void *arg)
{
    struct audience *audience = arg;
    struct watcher  *watcher;

    audience->is_busy = true;
    audience->track   = NULL;
    while ((watcher = TAILQ_FIRST(&audience->watchers)) != NULL) {
        watcher->is_busy = true;
        end_watcher(watcher, false);
        (void)release(watcher);
    }
    audience->is_busy = false;
    free_audience(audience);
}

/* Events from the log. */
static bool on_old_event(const struct event_view *event, void *arg)
{
    struct watcher *watcher = arg;
    write_event(watcher, event, NULL);
    return !watcher->is_gone && !watcher->is_stalled;
}

/* All that is in the log has been written: from here on live, or the end. */
static void reach_tail(struct watcher *watcher)
{
    struct event_track *track = watcher->audience->track;

    if (watcher->gap_reason != NULL || watcher->next_seq < watcher->cursor.next_seq)
        write_gap(watcher, watcher->cursor.next_seq, watcher->gap_reason != NULL ? watcher->gap_reason : "dropped");
    if (watcher->is_gone)
        return;
    watcher->next_seq = watcher->cursor.next_seq;
    if (event_track_has_ended(track) && watcher->next_seq > event_track_last_seq(track))
        end_watcher(watcher, true);
    else if (!watcher->is_stalled)
        watcher->is_live = true;
}

static void catch_up(struct watcher *watcher)
{
    struct event_track *track = watcher->audience->track;

    watcher->is_busy = true;
    if (event_track_read(track, &watcher->cursor, WATCHER_TURN_BYTES, on_old_event, watcher, NULL) < 0)
        end_watcher(watcher, false);
    else if (!watcher->is_gone && !watcher->is_stalled && event_track_is_at_tail(track, &watcher->cursor))
        reach_tail(watcher);
    else if (!watcher->is_gone && !watcher->is_stalled)
        set_ready(watcher, true);
    (void)release(watcher);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct watcher_hub *hub = arg;
    struct watcher     *watcher;

    (void)fd;
    (void)what;
    for (size_t left = hub->ready_count; left > 0 && (watcher = TAILQ_FIRST(&hub->ready)) != NULL; left--) {
        set_ready(watcher, false);
        catch_up(watcher);
    }
    if (!TAILQ_EMPTY(&hub->ready))
        add_timer(hub->turn, 0);
}

void watcher_catch_up(struct watcher *watcher)
{
    if (!watcher->is_ready)
        return;
    set_ready(watcher, false);
    catch_up(watcher);
}

void watcher_on_drain(struct watcher *watcher)
{
    if (watcher->is_gone || !watcher->is_stalled)
        return;
    watcher->is_stalled = false;
    set_ready(watcher, true);
}

/* Silence. */
static void ping(struct watcher *watcher)
{
    const char *text = watcher->format == WATCHER_SSE ? SSE_PING : NDJSON_PING;
    watcher->is_busy = true;
    write_bytes(watcher, text, strlen(text), NULL);
    (void)release(watcher);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    struct watcher_hub *hub = arg;
    struct watcher     *watcher;
    uint64_t            now = now_ms();

    (void)fd;
    (void)what;
    while ((watcher = TAILQ_FIRST(&hub->by_age)) != NULL && now - watcher->written_ms >= hub->silence_ms) {
        if (!watcher->is_stalled) {
            ping(watcher);
            continue;
        }
        watcher->written_ms = now;
        TAILQ_REMOVE(&hub->by_age, watcher, by_age);
        TAILQ_INSERT_TAIL(&hub->by_age, watcher, by_age);
    }
    if (watcher != NULL)
        add_timer(hub->silence, watcher->written_ms + hub->silence_ms - now);
}

struct watcher_hub *watcher_hub_new(struct event_base *base, uint32_t silence_ms, struct err *err)
{
    struct watcher_hub *hub = calloc(1, sizeof *hub);

    if (hub == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the watchers");
        return NULL;
    }
    TAILQ_INIT(&hub->by_age);
    TAILQ_INIT(&hub->ready);
    hub->silence_ms = silence_ms;
    hub->turn       = evtimer_new(base, on_turn, hub);
    hub->silence    = evtimer_new(base, on_silence, hub);
    if (hub->turn != NULL && hub->silence != NULL)
        return hub;
    (void)err_set(err, ENOMEM, "no memory for the watchers' timers");
    watcher_hub_free(hub);
    return NULL;
}

void watcher_hub_free(struct watcher_hub *hub)
{
    if (hub == NULL)
        return;
    if (hub->turn != NULL)
        event_free(hub->turn);
    if (hub->silence != NULL)
        event_free(hub->silence);
    free(hub);
}

static struct audience *audience_of(struct watcher_hub *hub, struct event_track *track, struct err *err)
{
    const struct event_listener *listener = event_track_listener(track);
    struct audience             *audience;

    if (listener->on_event == on_event)
        return listener->arg;
    audience = calloc(1, sizeof *audience);
    if (audience == NULL) {
        (void)err_set(err, ENOMEM, "no memory for a watcher");
        return NULL;
    }
    audience->hub   = hub;
    audience->track = track;
    TAILQ_INIT(&audience->watchers);
    event_track_set_listener(track, &(struct event_listener){on_event, on_track_end, audience});
    return audience;
}

size_t watcher_count(const struct event_track *track)
{
    const struct event_listener *listener = event_track_listener(track);
    return listener->on_event == on_event ? ((const struct audience *)listener->arg)->count : 0;
}

/* Where the reader left off; what can't be continued from is a gap. */
static void set_start(struct watcher *watcher, const char *after)
{
    struct event_track *track = watcher->audience->track;
    uint32_t            epoch;
    bool                has_epoch, is_known = true;
    uint64_t            seq = 0;

    if (after != NULL && *after != '\0')
        is_known = sse_parse_id(after, &epoch, &has_epoch, &seq) && (!has_epoch || epoch == event_track_epoch(track));
    if (!is_known)
        seq = 0;
    if (!event_track_seek(track, seq, &watcher->cursor))
        watcher->gap_reason = seq > event_track_last_seq(track) ? "unknown" : "dropped";
    if (!is_known)
        watcher->gap_reason = "unknown";
    watcher->next_seq = seq + 1;
}

struct watcher *watcher_new(struct watcher_hub *hub, struct event_track *track, enum watcher_format format, const char *after,
                            const struct watcher_sink *sink, struct err *err)
{
    struct audience *audience = audience_of(hub, track, err);
    struct watcher  *watcher  = audience == NULL ? NULL : calloc(1, sizeof *watcher);

    if (watcher == NULL) {
        if (audience != NULL) {
            (void)err_set(err, ENOMEM, "no memory for a watcher");
            free_audience(audience);
        }
        return NULL;
    }
    *watcher = (struct watcher){.audience = audience, .format = format, .sink = *sink, .written_ms = now_ms()};
    set_start(watcher, after);
    TAILQ_INSERT_TAIL(&audience->watchers, watcher, in_audience);
    TAILQ_INSERT_TAIL(&hub->by_age, watcher, by_age);
    audience->count++;
    if (hub->count++ == 0)
        add_timer(hub->silence, hub->silence_ms);
    if (watcher->gap_reason == NULL && event_track_is_at_tail(track, &watcher->cursor) && !event_track_has_ended(track))
        watcher->is_live = true;
    else
        set_ready(watcher, true);
    return watcher;
}
