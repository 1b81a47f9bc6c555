/* Appending to the event log (event_log.h). */
#include "event_log_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum {
    PART_WRAP_MAX  = 128,                           /* bytes of a part's value that are not its chunk */
    PART_CHUNK_MAX = SSE_VALUE_MAX - PART_WRAP_MAX, /* of its chunk, escaped */
    TEXT_ROOM_MIN  = 64,                            /* an open event with less room is not worth filling */
};

/* An event's record is begun at `to`: returns the place of its value. */
static char *open_event(struct event_track *track, enum event_kind kind, char *to, struct event_record *ret_head)
{
    size_t json, n = sse_open(to + sizeof *ret_head, &track->source, kind, track->last_seq + 1, &json);
    *ret_head = (struct event_record){
        .length = (uint32_t)n, .serial = track->serial, .seq = track->last_seq + 1, .kind = (uint16_t)kind, .json = (uint16_t)json};
    return to + sizeof *ret_head + n;
}

/* ... and ended behind a value of `length` bytes. */
static int close_event(struct event_track *track, char *to, struct event_record *head, size_t length, struct err *err)
{
    struct event_log *log = track->log;

    head->length += (uint32_t)length;
    head->length += (uint32_t)sse_close(to + sizeof *head + head->length, &track->source, (enum event_kind)head->kind, sse_now());
    head->output = track->output_bytes - track->dropped_bytes;
    if (!event_track_count(track, head, log->end + (uint64_t)(to - log->batch.data)))
        return err_set(err, ENOMEM, "no memory for the index of events");
    event_log_add(log, head);
    return 0;
}

static int check_open(const struct event_track *track, struct err *err)
{
    return track->has_ended ? err_set(err, EINVAL, "execution %" PRIu64 " has ended: nothing can follow", track->serial) : 0;
}

/* One event whose value is ready and known to be fit. */
static int append_value(struct event_track *track, enum event_kind kind, uint16_t flags, const char *json, size_t length, struct err *err)
{
    char               *to = event_log_reserve(track->log, SSE_EVENT_MAX, err);
    struct event_record head;

    if (to == NULL)
        return -1;
    memcpy(open_event(track, kind, to, &head), json, length);
    head.flags = flags;
    return close_event(track, to, &head, length, err);
}

void event_track_tell_storage(struct event_track *track, int error)
{
    char       value[256];
    const char format[] =
        "{\"reason\":\"storage\",\"message\":\"The event log cannot be written (%s). Live events go on; what a late reader can still "
        "see is limited.\"}";
    int n = snprintf(value, sizeof value, format, strerrorname_np(error) == NULL ? "?" : strerrorname_np(error));

    if (track->told_storage || n < 0 || (size_t)n >= sizeof value)
        return;
    track->told_storage = append_value(track, EVENT_KIND_TRUNCATED, EVENT_RECORD_STORAGE, value, (size_t)n, NULL) == 0;
}

/* The limit is reached: says so, once. */
static int truncate_track(struct event_track *track, struct err *err)
{
    char value[256];
    int  n;

    if (track->is_truncated)
        return 0;
    n = snprintf(value, sizeof value,
                 "{\"reason\":\"limit\",\"limit\":%" PRIu64
                 ",\"message\":\"The output limit is reached; what the program says from here on is dropped.\"}",
                 track->output_limit);
    return append_value(track, EVENT_KIND_TRUNCATED, 0, value, (size_t)n, err);
}

/* How much output may still be kept. */
static uint64_t room_left(const struct event_track *track)
{
    uint64_t kept = track->output_bytes - track->dropped_bytes;
    if (track->is_truncated || track->kept_bytes >= track->log_limit || kept >= track->output_limit)
        return 0;
    return track->output_limit - kept;
}

static int drop(struct event_track *track, size_t length, struct err *err)
{
    track->output_bytes += length;
    track->dropped_bytes += length;
    return truncate_track(track, err);
}

/* Text. The last event of the batch stays open for more of it. */
void event_log_close_text(struct event_log *log)
{
    struct event_track *track = log->open_track;
    struct event_record head  = log->open_head;

    if (track == NULL)
        return;
    log->open_track = NULL;
    (void)close_event(track, log->batch.data + log->open_at, &head, 0, NULL);
}

static int open_text(struct event_track *track, enum event_kind kind, struct err *err)
{
    struct event_log *log = track->log;
    char             *to  = event_log_reserve(log, SSE_EVENT_MAX, err);

    if (to == NULL)
        return -1;
    (void)open_event(track, kind, to, &log->open_head);
    log->open_at    = (size_t)(to - log->batch.data);
    log->open_track = track;
    return 0;
}

/* Fills the open event. Returns how much of the text went in. */
static size_t fill_text(struct event_track *track, const char *data, size_t length)
{
    struct event_log *log  = track->log;
    size_t            room = SSE_EVENT_MAX - SSE_OVERHEAD_MAX / 2 - log->open_head.length, used;
    char             *to   = log->batch.data + log->open_at + sizeof log->open_head + log->open_head.length;

    log->open_head.length += (uint32_t)sse_escape(to, room, data, length, &used);
    track->output_bytes += used;
    return used;
}

static bool is_open_for(const struct event_track *track, enum event_kind kind)
{
    const struct event_log *log = track->log;
    return log->open_track == track && log->open_head.kind == kind &&
           log->open_head.length < SSE_EVENT_MAX - SSE_OVERHEAD_MAX / 2 - TEXT_ROOM_MIN;
}

int event_track_text(struct event_track *track, enum event_kind kind, const char *data, size_t length, struct err *err)
{
    if (check_open(track, err) < 0)
        return -1;
    while (length > 0) {
        uint64_t room = room_left(track);
        size_t   take = room >= length ? length : text_cut(data, length, (size_t)room), used;
        if (take == 0)
            return drop(track, length, err);
        if (!is_open_for(track, kind) && open_text(track, kind, err) < 0)
            return -1;
        used = fill_text(track, data, take);
        data += used;
        length -= used;
    }
    return 0;
}

/* JSON. */
static bool may_be_parted(enum event_kind kind)
{
    return kind == EVENT_KIND_PLOT || kind == EVENT_KIND_RESULT || kind == EVENT_KIND_VARIABLE;
}

static int append_part(struct event_track *track, enum event_kind kind, unsigned part, unsigned parts, const char **json, size_t *length,
                       struct err *err)
{
    char               *to = event_log_reserve(track->log, SSE_EVENT_MAX, err), *value;
    struct event_record head;
    size_t              n, used;

    if (to == NULL)
        return -1;
    value = open_event(track, EVENT_KIND_PART, to, &head);
    n     = (size_t)snprintf(value, PART_WRAP_MAX, "{\"type\":\"%s\",\"part\":%u,\"parts\":%u,\"chunk\":\"", event_kind_name(kind), part,
                             parts);
    n += sse_escape(value + n, PART_CHUNK_MAX, *json, *length, &used);
    memcpy(value + n, "\"}", 2);
    *json += used;
    *length -= used;
    return close_event(track, to, &head, n + 2, err);
}

static int append_parts(struct event_track *track, enum event_kind kind, const char *json, size_t length, struct err *err)
{
    struct bytes block = event_block_take();
    unsigned     parts = 0;

    if (block.data == NULL)
        return err_set(err, ENOMEM, "no memory for a long value");
    for (size_t at = 0, used; at < length; at += used, parts++)
        (void)sse_escape(block.data, PART_CHUNK_MAX, json + at, length - at, &used);
    event_block_give(&block);
    for (unsigned part = 0; part < parts; part++)
        if (append_part(track, kind, part, parts, &json, &length, err) < 0)
            return -1;
    return 0;
}

int event_track_json(struct event_track *track, enum event_kind kind, const char *json, size_t length, struct err *err)
{
    if (check_open(track, err) < 0)
        return -1;
    if (event_kind_is_text(kind) || kind == EVENT_KIND_NONE || kind == EVENT_KIND_PART || kind >= EVENT_KIND_COUNT)
        return err_set(err, EINVAL, "an event of kind %d takes no JSON", kind);
    if (!sse_value_is_line(json, length))
        return err_set(err, EINVAL, "the value of a %s event must be one line of valid UTF-8", event_kind_name(kind));
    if (length > SSE_VALUE_MAX && !may_be_parted(kind))
        return err_set(err, EMSGSIZE, "the value of a %s event is %zu bytes long, more than %d", event_kind_name(kind), length,
                       SSE_VALUE_MAX);
    if (event_kind_is_output(kind) && room_left(track) < length)
        return drop(track, length, err);
    if (event_kind_is_output(kind))
        track->output_bytes += length;
    if (length > SSE_VALUE_MAX)
        return append_parts(track, kind, json, length, err);
    return append_value(track, kind, 0, json, length, err);
}

int event_track_value(struct event_track *track, enum event_kind kind, const json_t *value, struct err *err)
{
    char *json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    int   result;

    if (json == NULL)
        return err_set(err, ENOMEM, "a value can't be written as JSON");
    result = event_track_json(track, kind, json, strlen(json), err);
    free(json);
    return result;
}
