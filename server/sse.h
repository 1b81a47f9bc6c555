/*
 * sse.h: the encoding of events, for Server-Sent Events and, as a slice of the same bytes, for NDJSON.
 *
 *     id: <epoch>-<seq>
 *     event: <type>
 *     data: {"type":"<type>","data":<value>,"timestamp":"2026-01-31T12:00:00.000Z","executionId":"...","sessionId":"..."}
 *     (blank line)
 *
 * epoch is 8 hexadecimal digits, a number of its own for each execution, so that an id of another execution is noticed; seq counts
 * from 1. Every event is at most SSE_EVENT_MAX bytes: a client that reads 64 KB at a time gets it whole.
 *
 * A value too long for that (plot, result, variable) goes as several events of type "part", which follow each other directly:
 *     {"type":"part","data":{"type":"plot","part":0,"parts":3,"chunk":"..."},...}
 * The chunks joined, in order, are the JSON text of the value: JSON.parse(chunks.join("")) is the `data` of one event of the named
 * type. A type of its own, because a client that does not know it ignores it, where half a PlotData would be shown as a broken
 * image. Each part has its own id, so a stream can be resumed between two parts; the client keeps the chunks it has.
 */
#ifndef PENNY_SSE_H
#define PENNY_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "event.h"

enum {
    SSE_EVENT_MAX    = 60 * 1024,                        /* bytes of one encoded event */
    SSE_OVERHEAD_MAX = 512,                              /* of these, at most so many are not the value */
    SSE_VALUE_MAX    = SSE_EVENT_MAX - SSE_OVERHEAD_MAX, /* longest JSON value that fits in one event */
    SSE_ID_MAX       = 32,                               /* bytes of "<epoch>-<seq>" with its NUL */
    SSE_NAME_MAX     = 64,                               /* characters of an executionId or sessionId */
};

/* What all events of one execution have in common, encoded once. */
struct sse_source {
    uint32_t epoch;
    uint16_t tail_length;
    char     tail[SSE_NAME_MAX * 2 + 48]; /* `","executionId":"...","sessionId":"..."}` and the blank line, as it follows a timestamp */
};

/* The ids: 1..SSE_NAME_MAX characters of [A-Za-z0-9._:-], so that they need no escape. Returns 0, or -1 (EINVAL). */
int sse_source_init(struct sse_source *source, uint32_t epoch, const char *execution_id, const char *session_id, struct err *err);

/* "2026-01-31T12:00:00.000Z" of milliseconds since 1970; formatted again only when the millisecond has changed. Static storage. */
const char *sse_timestamp(uint64_t unix_ms);
const char *sse_now(void); /* of this moment */
enum { SSE_TIMESTAMP_LENGTH = 24 };

/*
 * The inside of a JSON string: escapes `"`, `\` and control characters, replaces what is not UTF-8 by U+FFFD. Writes at most `room`
 * bytes to `out` and never part of a character or escape. Returns the bytes written; *ret_used: how much of `text` they stand for.
 */
size_t sse_escape(char *out, size_t room, const char *text, size_t length, size_t *ret_used);

/*
 * The pieces of an event, for who assembles one in place. sse_open writes everything before the value (at most SSE_OVERHEAD_MAX / 2 bytes),
 * *ret_json: where the JSON object begins. sse_close writes what follows it (likewise). For a text event sse_open includes the
 * opening quote and sse_close the closing one. Both return the bytes written.
 */
size_t sse_open(char *out, const struct sse_source *source, enum event_kind kind, uint64_t seq, size_t *ret_json);
size_t sse_close(char *out, const struct sse_source *source, enum event_kind kind, const char *timestamp);

/* True when `value` can stand on a data line as it is: not empty, no control characters, valid UTF-8. Whether it is JSON is the caller's to know. */
bool sse_value_is_line(const char *value, size_t length);

/* A whole event appended to `out`. For text kinds `value` is the text, else JSON. Returns 0, or -1: EMSGSIZE, EINVAL (not one line), ENOMEM. */
int sse_encode(struct bytes *out, const struct sse_source *source, enum event_kind kind, uint64_t seq, const char *timestamp,
               const char *value, size_t length, struct err *err);

/* "<epoch>-<seq>" to `out`. */
void sse_format_id(char out[SSE_ID_MAX], uint32_t epoch, uint64_t seq);
/*
 * A Last-Event-ID or ?after=: "<epoch>-<seq>", or "<seq>" alone, whose epoch is then not checked. Returns false when it is neither;
 * *ret_has_epoch tells which.
 */
bool sse_parse_id(const char *text, uint32_t *ret_epoch, bool *ret_has_epoch, uint64_t *ret_seq);

/* Silence: what keeps a connection alive. SSE: a comment. NDJSON: {"type":"ping"} and a newline, as clients ignore types they don't know. */
#define SSE_PING    ": ping\n\n"
#define NDJSON_PING "{\"type\":\"ping\"}\n"

#endif
