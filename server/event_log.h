/*
 * event_log.h: the events of one session's executions, encoded, on a descriptor that outlives the server process.
 *
 * A log is append-only. A `track` is what one execution has in it: events numbered from 1. Appending only encodes into memory;
 * event_log_flush, called once at the end of each wake-up that appended, writes all of it with one pwrite and then hands each event
 * to the listener of its track. So an event is in the log before any watcher sees it.
 *
 * Text appended in one wake-up joins the event before it when that is of the same kind and has room: many prints make one event.
 *
 * Limits. Beyond an execution's limit one `truncated` event {"reason":"limit","limit":n,"message"} is appended, later output (see
 * event_kind_is_output) is dropped and counted; start, inputRequest and the terminal event always go through.
 * When the descriptor refuses to be written (full disk), one `truncated` event {"reason":"storage","message"} is appended and the log
 * goes on in memory with the last EVENT_LOG_MEMORY_MAX bytes: live watchers miss nothing, those that lag further get a `gap`.
 * Space is given back by punching holes: when more than limits.retain_bytes are kept, the oldest ended executions lose their events,
 * except the terminal one, before a new one begins.
 *
 * One thread, no locks. A listener may append to any log and may free its own watchers, but must not free a log or a track.
 */
#ifndef PENNY_EVENT_LOG_H
#define PENNY_EVENT_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "event.h"
#include "sse.h"

struct event_log;
struct event_track;

enum {
    EVENT_LOG_MEMORY_MAX = 1024 * 1024,
    EVENT_LOG_NOTE_MAX   = 4 * 1024 * 1024,
};

struct event_log_limits {
    uint64_t output_bytes; /* of one execution: text and values as the program sent them, before encoding */
    uint64_t log_bytes;    /* of one execution: encoded. Many tiny events cost more than they say */
    uint64_t retain_bytes; /* of the whole log, before older executions are dropped */
};

/*
 * Opens the log on `fd` (owned from then on, also on failure; -1: a memfd is made) and reads what it holds: the tracks of an earlier
 * server process, whole or cut off anywhere. An empty file is an empty log. Returns NULL with err filled when it can't be read.
 */
struct event_log *event_log_open(int fd, const struct event_log_limits *limits, struct err *err);
/* Ends the listeners of all tracks (on_end), frees them and closes the descriptor. NULL is fine. */
void event_log_free(struct event_log *log);
/* Limits of the executions that begin from now on. */
void event_log_set_limits(struct event_log *log, const struct event_log_limits *limits);

/*
 * A new execution. `serial` is the server's number of it, unique in this log. `note` (may be NULL; at most EVENT_LOG_NOTE_MAX) is
 * whatever the caller wants to find again after a restart: it is kept beside the ids and never shown to a watcher. Written with the
 * next flush. Returns NULL with err filled (EINVAL: an id that is not plain, or a serial that exists; ENOMEM).
 */
struct event_track *event_track_new(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                    const void *note, size_t note_length, struct err *err);
/* Forgets an execution: its listener is ended, its bytes in the file are given back, the pointer is dead. NULL is fine. */
void event_track_free(struct event_track *track);

/* The tracks of a log, in the order of their serials: for a server that starts again. `after` NULL: the first. NULL at the end. */
/* As event_track_new, for an execution that had begun when its server process died before the first flush. */
struct event_track *event_track_renew(struct event_log *log, uint64_t serial, const char *execution_id, const char *session_id,
                                      uint32_t epoch, struct err *err);
/* A second note, kept later. It replaces the one before; length 0 takes it away. And the same appended to *out; ENOENT: none. */
int event_track_keep(struct event_track *track, const void *note, size_t length, struct err *err);
int event_track_kept(const struct event_track *track, struct bytes *out, struct err *err);
/* What can't be seen in the file of an execution that goes on after a takeover. */
void                event_track_set_counts(struct event_track *track, uint64_t output_bytes, uint64_t dropped_bytes);
struct event_track *event_log_next(struct event_log *log, const struct event_track *after);
struct event_track *event_log_find(struct event_log *log, uint64_t serial);
const char         *event_track_execution_id(const struct event_track *track);
const char         *event_track_session_id(const struct event_track *track);
uint64_t            event_track_serial(const struct event_track *track);
/* The note appended to *out. Returns 0, or -1. */
int event_track_note(struct event_track *track, struct bytes *out, struct err *err);

/*
 * Appending. `data` needs not be valid UTF-8 (it is repaired), but characters should be whole: see text_carry. Text of any length;
 * it becomes as many events as it needs. Returns 0, also when the limit dropped it; -1 with err only when there is no memory, or the
 * track has ended already (EINVAL).
 */
int event_track_text(struct event_track *track, enum event_kind kind, const char *data, size_t length, struct err *err);
/*
 * `json` is one JSON value in UTF-8 without raw control characters (what json_dumps makes). plot, result and variable longer than
 * SSE_VALUE_MAX go in parts; any other kind that long is refused with EMSGSIZE: make `complete` fit (event_fit.h).
 */
int event_track_json(struct event_track *track, enum event_kind kind, const char *json, size_t length, struct err *err);
/* As event_track_json for a value (borrowed). */
int event_track_value(struct event_track *track, enum event_kind kind, const json_t *value, struct err *err);
/*
 * Writes what was appended and hands it to the listeners. A failing descriptor is not an error here (see above). Called from inside a
 * listener it returns at once; the outer call goes on until nothing is left.
 */
void event_log_flush(struct event_log *log);
bool event_log_is_dirty(const struct event_log *log); /* a flush is due */
bool event_log_is_heavy(const struct event_log *log); /* ... and soon */

/*
 * Records that are no events (event_record.h). With a committer every flush ends with what on_commit appends, the last of which must be
 * a COMMIT; then no flush is made by itself, since only the caller knows when what it has read stands behind what it has appended.
 * on_written: that is in the file, or could not be (event_log_is_in_memory), and nobody has been told of it yet. NULL: nobody asks.
 */
void event_log_set_committer(struct event_log *log, void (*on_commit)(void *arg), void (*on_written)(void *arg), void *arg);
void event_log_commit(struct event_log *log); /* flushes, although nothing was appended */
/* Appends. ret_at (may be NULL) names it. Returns 0 or -1 (no memory, too long). */
int event_log_record(struct event_log *log, unsigned kind, uint64_t serial, const void *data, size_t length, uint64_t *ret_at,
                     struct err *err);
/* The payload of the record `at`, appended to *out. Returns 0, or -1 with err: it is not there, or not of that kind. */
int  event_log_read(const struct event_log *log, uint64_t at, unsigned kind, struct bytes *out, struct err *err);
void event_log_erase(struct event_log *log, uint64_t at); /* 0: none */
int  event_log_descriptor(const struct event_log *log);   /* borrowed */
/* Payload of the COMMIT with which the file ended when it was opened; length 0: there was none. */
const struct bytes *event_log_last_commit(const struct event_log *log);

/* What a track says of itself. */
uint64_t event_track_last_seq(const struct event_track *track);  /* 0: no event yet; counts appended ones, flushed or not */
uint64_t event_track_first_seq(const struct event_track *track); /* the oldest that can still be read; last_seq + 1 when none can */
bool     event_track_has_ended(const struct event_track *track); /* the terminal event is appended */
bool     event_track_is_truncated(const struct event_track *track);
uint64_t event_track_output_bytes(const struct event_track *track);  /* what the program sent, dropped or not */
uint64_t event_track_dropped_bytes(const struct event_track *track); /* of these: what the limit took */
uint32_t event_track_epoch(const struct event_track *track);
const struct sse_source *event_track_source(const struct event_track *track);
/* The storage failed and the log lives in memory. */
bool     event_log_is_in_memory(const struct event_log *log);
uint64_t event_log_bytes(const struct event_log *log); /* kept now, holes not counted */

/* Live events, in order, during event_log_flush. on_end: the track is being freed. One listener per track (watcher.c). */
struct event_listener {
    void (*on_event)(const struct event_view *event, void *arg);
    void (*on_end)(void *arg);
    void *arg;
};
void                         event_track_set_listener(struct event_track *track, const struct event_listener *listener); /* NULL: none */
const struct event_listener *event_track_listener(const struct event_track *track);

/* Reading back. A cursor stands before the event `next_seq`, whose record is at `offset` or later. */
struct event_cursor {
    uint64_t next_seq;
    uint64_t offset;
};

/*
 * Puts the cursor behind `after_seq` (0: at the beginning). Returns true, or false when what follows is not there (dropped, or never
 * was): the cursor is then at the oldest event that is, or at the end, and the watcher must be told (`gap`).
 */
bool event_track_seek(struct event_track *track, uint64_t after_seq, struct event_cursor *ret_cursor);
/* True when all that has been flushed of this track is behind the cursor. */
bool event_track_is_at_tail(const struct event_track *track, const struct event_cursor *cursor);
/*
 * Reads flushed events from the cursor on and moves it, until the tail, `max_bytes`, or on_event returns false (that event counts as
 * read). Events that can't be read any more are passed over: on_event sees it by the seq. Returns 0, or -1 (EIO and the like).
 */
int event_track_read(struct event_track *track, struct event_cursor *cursor, size_t max_bytes,
                     bool (*on_event)(const struct event_view *event, void *arg), void *arg, struct err *err);

#endif
