#define _GNU_SOURCE
#include "result_read.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "result.h"

/* What is gathered from the events. */
struct reading {
    struct result result;
    struct bytes  parts; /* of a value that came in parts */
    struct bytes  last;  /* the terminal event's value */
    bool          failed, missing;
    int64_t       last_ms; /* of the terminal event: when */
    unsigned      streams; /* RESULT_TEXT_*, of the text alone */
    uint64_t      next_seq, part_seq;
    void (*on_value)(enum event_kind kind, const json_t *value, uint64_t seq, void *arg); /* nothing but values is wanted, and by it */
    void *arg;
};

static bool add_value(struct reading *reading, enum event_kind kind, const char *text, size_t length)
{
    json_error_t error;
    json_t      *value = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    bool         fine;
    if (reading->on_value != NULL && value != NULL) {
        reading->on_value(kind, value, reading->part_seq != 0 ? reading->part_seq : reading->next_seq - 1, reading->arg);
        json_decref(value);
        return true;
    }
    fine = value != NULL && result_add_value(&reading->result, kind, text, length, value);
    json_decref(value);
    return fine;
}

static bool add_text(struct reading *reading, enum event_kind kind, const char *text, size_t length)
{
    json_error_t error;
    json_t      *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool fine = json_is_string(value) && result_add_text(&reading->result, kind, json_string_value(value), json_string_length(value));
    json_decref(value);
    return fine;
}

static enum event_kind kind_named(const char *name)
{
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        if (name != NULL && strcmp(event_kind_name((enum event_kind)kind), name) == 0)
            return (enum event_kind)kind;
    return EVENT_KIND_NONE;
}

static bool add_part(struct reading *reading, const char *text, size_t length)
{
    json_error_t error;
    json_t      *part = json_loadb(text, length, JSON_ALLOW_NUL, &error), *chunk = json_object_get(part, "chunk");
    json_int_t   index = json_integer_value(json_object_get(part, "part")), count = json_integer_value(json_object_get(part, "parts"));
    bool         fine = json_is_string(chunk);
    if (index == 0) {
        reading->parts.length = 0;
        reading->part_seq     = reading->next_seq - 1;
    }
    fine = fine && bytes_append(&reading->parts, json_string_value(chunk), json_string_length(chunk));
    if (fine && index + 1 == count)
        fine = add_value(reading, kind_named(json_string_value(json_object_get(part, "type"))), reading->parts.data, reading->parts.length);
    if (index + 1 == count)
        reading->part_seq = 0;
    json_decref(part);
    return fine;
}

static bool take(struct reading *reading, enum event_kind kind, const char *text, size_t length)
{
    switch (kind) {
    case EVENT_KIND_OUT:
    case EVENT_KIND_ERR: return add_text(reading, kind, text, length);
    case EVENT_KIND_PLOT:
    case EVENT_KIND_RESULT:
    case EVENT_KIND_VARIABLE: return add_value(reading, kind, text, length);
    case EVENT_KIND_PART: return add_part(reading, text, length);
    case EVENT_KIND_ERROR: reading->failed = true; return bytes_append(&reading->last, text, length);
    case EVENT_KIND_COMPLETE: return bytes_append(&reading->last, text, length);
    default: return true;
    }
}

/* Behind its data an event says when it was made: "timestamp":"2024-05-06T07:08:09.123Z". */
static int64_t time_of(const struct event_view *event)
{
    static const char name[] = "\"timestamp\":\"";
    struct tm         utc    = {0};
    int               ms     = 0;
    const char       *at = NULL, *next = event->json;
    while ((next = memmem(next, event->json_length - (size_t)(next - event->json), name, sizeof name - 1)) != NULL)
        at = next += sizeof name - 1;
    if (at == NULL || event->json_length - (size_t)(at - event->json) < sizeof "2024-05-06T07:08:09.123Z" ||
        sscanf(at, "%d-%d-%dT%d:%d:%d.%d", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &ms) != 7)
        return 0;
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    return (int64_t)timegm(&utc) * 1000 + ms;
}

static bool on_event(const struct event_view *event, void *arg)
{
    struct reading *reading = arg;
    const char     *text;
    size_t          length;
    if (event->seq != reading->next_seq)
        reading->missing = true;
    reading->next_seq = event->seq + 1;
    if (event_kind_is_terminal(event->kind))
        reading->last_ms = time_of(event);
    if (reading->on_value != NULL && event->kind != EVENT_KIND_PLOT && event->kind != EVENT_KIND_RESULT && event->kind != EVENT_KIND_PART)
        return true;
    if (!event_view_data(event, &text, &length) || !take(reading, event->kind, text, length))
        reading->missing = true;
    return true;
}

static int read_from(struct event_track *track, uint64_t after_seq, struct reading *reading, struct err *err)
{
    struct event_cursor cursor;
    if (!event_track_seek(track, after_seq, &cursor))
        reading->missing = true;
    reading->next_seq = after_seq + 1;
    return event_track_read(track, &cursor, SIZE_MAX, on_event, reading, err);
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void fill_metrics(struct result_metrics *metrics, const json_t *json)
{
    *metrics = (struct result_metrics){
        .execution_ms      = number(json, "executionTime"),
        .queued_ms         = number(json, "queued"),
        .cpu_user_us       = (uint64_t)(number(json, "cpuUser") * 1000 + 0.5),
        .cpu_system_us     = (uint64_t)(number(json, "cpuSystem") * 1000 + 0.5),
        .memory_bytes      = (uint64_t)number(json, "memoryUsage"),
        .memory_peak_bytes = (uint64_t)number(json, "memoryPeak"),
        .bytes_out         = (uint64_t)number(json, "bytesOut"),
        .cpu_is_split      = json_object_get(json, "cpuUser") != NULL,
    };
    if (!metrics->cpu_is_split)
        metrics->cpu_user_us = (uint64_t)(number(json, "cpuUsage") * metrics->execution_ms * 10 + 0.5);
}

/* The terminal event's result again, with all the output that the events before it brought. */
static bool write_whole(struct event_track *track, const struct reading *reading, const json_t *brief, struct bytes *out)
{
    json_t               *restored_to = json_object_get(brief, "restoredTo");
    struct result_summary summary     = {
            .status            = json_string_value(json_object_get(brief, "status")),
            .state             = json_string_value(json_object_get(brief, "state")),
            .session_id        = event_track_session_id(track),
            .execution_id      = event_track_execution_id(track),
            .success           = json_is_true(json_object_get(brief, "success")),
            .restored_to       = restored_to != NULL ? (int64_t)json_number_value(restored_to) : -1,
            .execution_count   = (uint64_t)json_number_value(json_object_get(brief, "executionCount")),
            .error             = json_object_get(brief, "error"),
            .artifacts         = json_object_get(brief, "artifacts"),
            .artifacts_omitted = (uint64_t)json_integer_value(json_object_get(brief, "artifactsOmitted")),
            .notice            = json_string_value(json_object_get(brief, "notice")),
            .truncated         = event_track_is_truncated(track) || reading->missing,
    };
    if (summary.status == NULL || summary.state == NULL)
        return false;
    fill_metrics(&summary.metrics, json_object_get(brief, "metrics"));
    return result_write(&reading->result, &summary, out);
}

static bool is_whole(const json_t *brief)
{
    return json_object_get(brief, "truncated") == NULL && json_array_size(json_object_get(json_object_get(brief, "output"), "plots")) == 0;
}

static int read_rest(struct event_track *track, const json_t *brief, struct bytes *out, struct err *err)
{
    struct reading reading = {.result = {.whole = true}};
    int            result  = read_from(track, 0, &reading, err);
    if (result == 0 && !write_whole(track, &reading, brief, out))
        result = err_set(err, ENOMEM, "the result can't be put together again");
    result_done(&reading.result);
    bytes_done(&reading.parts);
    bytes_done(&reading.last);
    return result;
}

int result_read(struct event_track *track, struct bytes *out, bool *ret_failed, struct err *err)
{
    struct reading reading = {0};
    json_error_t   error;
    json_t        *brief;
    int            result = read_from(track, event_track_last_seq(track) - 1, &reading, err);

    if (result == 0 && reading.last.length == 0)
        result = err_set(err, EIO, "the end of the execution can't be read");
    *ret_failed = reading.failed;
    /* Whole numbers are read as floating point: those among the values may have more than 64 bits, ours are far from 53. */
    brief = result == 0 && !reading.failed
                ? json_loadb(reading.last.data, reading.last.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error)
                : NULL;
    if (result == 0 && brief != NULL && !is_whole(brief))
        result = read_rest(track, brief, out, err);
    else if (result == 0 && !bytes_append(out, reading.last.data, reading.last.length))
        result = err_set(err, ENOMEM, "no memory for a result");
    json_decref(brief);
    bytes_done(&reading.last);
    bytes_done(&reading.parts);
    result_done(&reading.result);
    return result;
}

/* ---- the text alone ---- */

static bool on_text_event(const struct event_view *event, void *arg)
{
    struct reading *reading = arg;
    const char     *text;
    size_t          length;
    json_error_t    error;
    json_t         *value;

    if ((event->kind != EVENT_KIND_OUT || (reading->streams & RESULT_TEXT_OUT) == 0) &&
        (event->kind != EVENT_KIND_ERR || (reading->streams & RESULT_TEXT_ERR) == 0))
        return true;
    value = event_view_data(event, &text, &length) ? json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error) : NULL;
    if (!json_is_string(value) || !bytes_append(&reading->last, json_string_value(value), json_string_length(value)))
        reading->failed = true;
    json_decref(value);
    return !reading->failed;
}

int result_read_text(struct event_track *track, unsigned streams, struct bytes *out, struct err *err)
{
    struct reading      reading = {.streams = streams};
    struct event_cursor cursor;
    int                 result;

    (void)event_track_seek(track, 0, &cursor);
    result = event_track_read(track, &cursor, SIZE_MAX, on_text_event, &reading, err);
    if (result == 0 && (reading.failed || (reading.last.length > 0 && !bytes_append(out, reading.last.data, reading.last.length))))
        result = err_set(err, ENOMEM, "no memory for the text");
    bytes_done(&reading.last);
    return result;
}

/* ---- for a server process that takes over ---- */

static void take_string(char *to, size_t room, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    (void)snprintf(to, room, "%s", text != NULL ? text : "");
}

int result_read_end(struct event_track *track, struct result_end *ret)
{
    struct reading reading = {0};
    struct err     err     = {0};
    json_error_t   error;
    json_t        *brief  = NULL;
    int            result = read_from(track, event_track_last_seq(track) - 1, &reading, &err);

    *ret = (struct result_end){.failed = reading.failed};
    if (result == 0 && reading.last.length > 0)
        brief = json_loadb(reading.last.data, reading.last.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    take_string(ret->status, sizeof ret->status, brief, "status");
    take_string(ret->message, sizeof ret->message, brief, "message");
    ret->ended_ms     = reading.last_ms;
    ret->execution_ms = number(json_object_get(brief, "metrics"), "executionTime");
    result            = brief != NULL ? 0 : -1;
    json_decref(brief);
    bytes_done(&reading.last);
    bytes_done(&reading.parts);
    result_done(&reading.result);
    return result;
}

int result_read_so_far(struct event_track *track, struct result *result)
{
    struct reading reading = {.result = *result};
    struct err     err     = {0};
    int            failed  = event_track_last_seq(track) > 0 ? read_from(track, 0, &reading, &err) : 0;

    *result = reading.result;
    result->cut |= reading.missing;
    bytes_done(&reading.last);
    bytes_done(&reading.parts);
    return failed;
}

void result_read_values(struct event_track *track, void (*on_value)(enum event_kind kind, const json_t *value, uint64_t seq, void *arg),
                        void               *arg)
{
    struct reading reading = {.on_value = on_value, .arg = arg};
    struct err     err     = {0};
    if (event_track_last_seq(track) > 0)
        (void)read_from(track, 0, &reading, &err);
    bytes_done(&reading.parts);
}
