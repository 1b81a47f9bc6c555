#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "seen.h"

const struct event_log_limits SEEN_ROOMY = {UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 40};

static void add_text(struct seen *seen, const struct event_view *event)
{
    json_t *object = json_loadb(event->json, event->json_length, JSON_ALLOW_NUL, NULL), *data;
    assert_non_null(object);
    data = json_object_get(object, "data");
    assert_true(bytes_append(&seen->text, json_string_value(data), json_string_length(data)));
    json_decref(object);
}

static void see(const struct event_view *event, struct seen *seen)
{
    if (seen->count++ == 0)
        seen->first = event->seq;
    else if (event->seq != seen->last + 1)
        seen->has_hole = true;
    seen->last = event->seq;
    seen->kinds[event->kind]++;
    if (event->sse_length > seen->longest)
        seen->longest = event->sse_length;
    assert_int_equal(event->json[0], '{');
    assert_int_equal(event->json[event->json_length - 1], '\n');
    assert_true(bytes_append(&seen->sse, event->sse, event->sse_length));
    if (event_kind_is_text(event->kind))
        add_text(seen, event);
}

static void on_live(const struct event_view *event, void *arg)
{
    see(event, arg);
}

bool seen_on_read(const struct event_view *event, void *arg)
{
    see(event, arg);
    return true;
}

void seen_done(struct seen *seen)
{
    bytes_done(&seen->sse);
    bytes_done(&seen->text);
    *seen = (struct seen){0};
}

struct event_log *seen_log(int fd, const struct event_log_limits *limits)
{
    struct err        err = {0};
    struct event_log *log = event_log_open(fd, limits, &err);
    if (log == NULL)
        fail_msg("%s", err.message);
    return log;
}

struct event_track *seen_track(struct event_log *log, uint64_t serial)
{
    struct err          err = {0};
    char                id[32];
    struct event_track *track;
    (void)snprintf(id, sizeof id, "execution-%" PRIu64, serial);
    track = event_track_new(log, serial, id, "session", "note", 4, &err);
    if (track == NULL)
        fail_msg("%s", err.message);
    return track;
}

void seen_say(struct event_track *track, const char *text)
{
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, strlen(text), NULL), 0);
}

void seen_tell(struct event_track *track, enum event_kind kind, const char *json)
{
    struct err err = {0};
    if (event_track_json(track, kind, json, strlen(json), &err) < 0)
        fail_msg("%s", err.message);
}

struct seen seen_after(struct event_track *track, uint64_t after)
{
    struct seen         seen = {0};
    struct event_cursor cursor;
    (void)event_track_seek(track, after, &cursor);
    assert_int_equal(event_track_read(track, &cursor, SIZE_MAX, seen_on_read, &seen, NULL), 0);
    assert_true(event_track_is_at_tail(track, &cursor));
    return seen;
}

void seen_listen(struct event_track *track, struct seen *seen)
{
    event_track_set_listener(track, &(struct event_listener){on_live, NULL, seen});
}

void seen_run(struct event_track *track, struct event_log *log, int lines)
{
    seen_tell(track, EVENT_KIND_START, "{\"executionCount\":1}");
    for (int i = 0; i < lines; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "line %d \xe4\xb8\xad\n", i);
        seen_say(track, line);
        if (i % 5 == 0)
            assert_int_equal(event_track_text(track, EVENT_KIND_ERR, "warn\n", 5, NULL), 0);
        if (i % 7 == 0)
            seen_tell(track, EVENT_KIND_RESULT, "{\"data\":{\"text/plain\":\"1\"}}");
        if (i % 3 == 0)
            event_log_flush(log);
    }
    seen_tell(track, EVENT_KIND_COMPLETE, "{\"success\":true}");
    event_log_flush(log);
}

void seen_talk(struct event_track *track, struct event_log *log, size_t bytes)
{
    char *text = malloc(bytes);
    memset(text, 'x', bytes);
    seen_tell(track, EVENT_KIND_START, "{}");
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, bytes, NULL), 0);
    seen_tell(track, EVENT_KIND_COMPLETE, "{\"success\":true}");
    event_log_flush(log);
    free(text);
}
