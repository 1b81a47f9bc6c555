/*
 * watcher.h: readers of an execution's events. Each is a cursor on the track; at the tail it gets the fresh bytes without a read.
 *
 * A reader that is slow is not waited for: above WATCHER_HIGH_BYTES queued it is passed by, and when its queue has drained it reads on from
 * the log. A thousand watchers of one execution share the encoded bytes. After WATCHER_SILENCE_MS without a byte a ping is sent.
 * A watcher ends by itself after the terminal event.
 *
 * When the point asked for can't be continued from, the watcher gets one `gap` event first: {"after":n,"next":m,"reason":"dropped"|"unknown"},
 * whose id is <epoch>-<m-1>, so that a reconnect right after it goes on at m. "dropped": events n+1..m-1 are gone; "unknown": the id is
 * not one of this execution (everything from the oldest event follows). A gap is also sent when a slow reader was overtaken.
 */
#ifndef PENNY_WATCHER_H
#define PENNY_WATCHER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "err.h"
#include "event_log.h"

struct watcher_hub; /* all watchers of the server: one timer, one list of those that have something to read */
struct watcher;

enum {
    WATCHER_HIGH_BYTES = 256 * 1024,
    WATCHER_LOW_BYTES  = 64 * 1024,
    WATCHER_TURN_BYTES = 512 * 1024, /* read from the log for one watcher before the loop turns to others */
    WATCHER_SILENCE_MS = 10000,
};

enum watcher_format { WATCHER_SSE, WATCHER_NDJSON };

/* Where the bytes go. */
struct watcher_sink {
    /* One call is one event (or ping). Returns the bytes now waiting in the sink. `owner`, when not NULL, holds the data and may be kept with bytes_shared_ref
     * instead of copying. May call watcher_free on this watcher. */
    size_t (*write)(const char *data, size_t length, struct bytes_shared *owner, void *arg);
    /* The last byte was written: the stream is complete (whole = true: up to the terminal event), or the track went away (false). The
     * watcher is freed right after; don't. */
    void (*end)(bool whole, void *arg);
    void *arg;
    void (*last)(void *arg); /* the next write is the terminal event, and `end` comes right after it; may be NULL */
};

/* `silence_ms`: WATCHER_SILENCE_MS, unless a test is in a hurry. Returns NULL with err filled when the timers can't be made. */
struct watcher_hub *watcher_hub_new(struct event_base *base, uint32_t silence_ms, struct err *err);
void                watcher_hub_free(struct watcher_hub *hub); /* there must be no watchers left; NULL is fine */
size_t              watcher_hub_count(const struct watcher_hub *hub);

/*
 * `after`: text of a Last-Event-ID or ?after= (see sse_parse_id); NULL or "": from the first event. What is in the log already is
 * sent from the loop's next turn on; nothing is written before this returns. The hub and the track must outlive the watcher.
 */
struct watcher *watcher_new(struct watcher_hub *hub, struct event_track *track, enum watcher_format format, const char *after,
                            const struct watcher_sink *sink, struct err *err);
/* Sends at once what is in the log, as far as one turn goes: so it leaves in one write with what its reader has held back. The watcher may be
 * gone after it, as after any event. */
void watcher_catch_up(struct watcher *watcher);
/* The reader has left. The sink is not called any more. NULL is fine. */
void watcher_free(struct watcher *watcher);
/* What was waiting in the sink is below WATCHER_LOW_BYTES again. */
void watcher_on_drain(struct watcher *watcher);
/* Watchers of one execution, for onDisconnect and the like. */
size_t watcher_count(const struct event_track *track);

#endif
