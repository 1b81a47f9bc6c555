/* The event log: what is appended is told live and can be read back from anywhere, within the limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "event_log.h"
#include "seen.h"
#include "text.h"

static void live_and_read_back_are_the_same_bytes(void **state)
{
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         live  = {0}, back;
    (void)state;
    seen_listen(track, &live);
    seen_run(track, log, 100);
    assert_false(event_log_is_dirty(log));
    assert_int_equal(live.kinds[EVENT_KIND_COMPLETE], 1);
    assert_false(live.has_hole);
    back = seen_after(track, 0);
    assert_int_equal(live.sse.length, back.sse.length);
    assert_memory_equal(live.sse.data, back.sse.data, back.sse.length);
    seen_done(&live);
    seen_done(&back);
    event_log_free(log);
}

static void resumed_after_every_event_it_is_the_rest(void **state)
{
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         whole;
    (void)state;
    seen_run(track, log, 60);
    whole = seen_after(track, 0);
    for (uint64_t after = 0; after <= event_track_last_seq(track); after++) {
        struct seen rest = seen_after(track, after);
        assert_int_equal(rest.count, event_track_last_seq(track) - after);
        if (rest.count > 0) {
            assert_int_equal(rest.first, after + 1);
            assert_memory_equal(rest.sse.data, whole.sse.data + whole.sse.length - rest.sse.length, rest.sse.length);
        }
        seen_done(&rest);
    }
    seen_done(&whole);
    event_log_free(log);
}

static void text_of_one_wake_up_is_one_event(void **state)
{
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         seen  = {0};
    (void)state;
    seen_listen(track, &seen);
    seen_say(track, "a");
    seen_say(track, "b");
    event_log_flush(log);
    seen_say(track, "c");
    assert_int_equal(event_track_text(track, EVENT_KIND_ERR, "d", 1, NULL), 0);
    seen_say(track, "e");
    event_log_flush(log);
    assert_int_equal(seen.count, 4);
    assert_memory_equal(seen.text.data, "abcde", 5);
    seen_done(&seen);
    event_log_free(log);
}

static void fifty_megabytes_in_one_line(void **state)
{
    static const char   UNIT[] = "0123456789\"\\\x01 \xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80";
    size_t              unit = sizeof UNIT - 1, length = 50 * 1024 * 1024 / unit * unit;
    char               *text  = malloc(length);
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         live  = {0};
    (void)state;
    for (size_t i = 0; i < length; i += unit)
        memcpy(text + i, UNIT, unit);
    seen_listen(track, &live);
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, length, NULL), 0);
    event_log_flush(log);
    assert_false(live.has_hole);
    assert_true(live.longest <= SSE_EVENT_MAX && live.longest > SSE_EVENT_MAX - 1000);
    assert_int_equal(live.text.length, length);
    assert_memory_equal(live.text.data, text, length);
    assert_int_equal(event_track_output_bytes(track), length);
    seen_done(&live);
    event_log_free(log);
    free(text);
}

/* Parts. */
struct parts {
    struct bytes json;
    int          next, count;
};

static bool on_part(const struct event_view *event, void *arg)
{
    struct parts *parts = arg;
    json_t       *object, *data;
    assert_true(event->sse_length <= SSE_EVENT_MAX);
    if (event->kind != EVENT_KIND_PART)
        return true;
    object = json_loadb(event->json, event->json_length, 0, NULL);
    data   = json_object_get(object, "data");
    assert_string_equal(json_string_value(json_object_get(data, "type")), "plot");
    assert_int_equal(json_integer_value(json_object_get(data, "part")), parts->next++);
    parts->count = (int)json_integer_value(json_object_get(data, "parts"));
    data         = json_object_get(data, "chunk");
    assert_true(bytes_append(&parts->json, json_string_value(data), json_string_length(data)));
    json_decref(object);
    return true;
}

static void a_long_value_goes_in_parts(void **state)
{
    struct event_log   *log    = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track  = seen_track(log, 1);
    size_t              length = 700001;
    char               *json   = malloc(length);
    struct parts        parts  = {0};
    struct event_cursor cursor;
    struct err          err;
    (void)state;
    for (size_t i = 0; i < length; i++)
        json[i] = "abc\\n\xe4\xb8\xad"[i % 8];
    json[0] = json[length - 1] = '"';
    memset(json + (length - 1) / 8 * 8 - 8, 'x', 8 + (length - 1) % 8);
    assert_int_equal(event_track_json(track, EVENT_KIND_PLOT, json, length, &err), 0);
    assert_int_equal(event_track_json(track, EVENT_KIND_COMPLETE, json, length, &err), -1);
    assert_int_equal(err.code, EMSGSIZE);
    assert_false(event_track_has_ended(track));
    event_log_flush(log);
    assert_true(event_track_seek(track, 0, &cursor));
    assert_int_equal(event_track_read(track, &cursor, SIZE_MAX, on_part, &parts, NULL), 0);
    assert_true(parts.count > 10);
    assert_int_equal(parts.next, parts.count);
    assert_int_equal(parts.json.length, length);
    assert_memory_equal(parts.json.data, json, length);
    bytes_done(&parts.json);
    event_log_free(log);
    free(json);
}

static void nothing_follows_the_end(void **state)
{
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct err          err;
    (void)state;
    seen_tell(track, EVENT_KIND_ERROR, "{\"error\":\"e\",\"message\":\"m\"}");
    assert_true(event_track_has_ended(track));
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, "x", 1, &err), -1);
    assert_int_equal(err.code, EINVAL);
    assert_int_equal(event_track_json(track, EVENT_KIND_COMPLETE, "{}", 2, &err), -1);
    assert_int_equal(event_track_json(track, EVENT_KIND_OUT, "{}", 2, &err), -1);
    assert_int_equal(event_track_last_seq(track), 1);
    assert_null(event_track_new(log, 1, "again", "s", NULL, 0, &err));
    assert_null(event_track_new(log, 2, "bad id", "s", NULL, 0, &err));
    assert_null(event_log_find(log, 2));
    event_log_free(log);
}

/* Limits. */
static void beyond_the_limit_output_is_counted_not_kept(void **state)
{
    struct event_log   *log   = seen_log(-1, &(struct event_log_limits){10, 1 << 20, 1 << 20});
    struct event_track *track = seen_track(log, 1);
    struct seen         seen;
    (void)state;
    seen_say(track, "12345678");
    seen_say(track, "\xe4\xb8\xad"
                    "abc"); /* two bytes of room: not even the first character */
    seen_say(track, "dropped too");
    seen_tell(track, EVENT_KIND_RESULT, "{\"data\":1}");
    seen_tell(track, EVENT_KIND_INPUT_REQUEST, "{\"prompt\":\"\"}");
    seen_tell(track, EVENT_KIND_COMPLETE, "{}");
    event_log_flush(log);
    seen = seen_after(track, 0);
    assert_memory_equal(seen.text.data, "12345678", 8);
    assert_int_equal(seen.text.length, 8);
    assert_int_equal(seen.kinds[EVENT_KIND_TRUNCATED], 1);
    assert_int_equal(seen.kinds[EVENT_KIND_INPUT_REQUEST], 1);
    assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
    assert_int_equal(seen.count, 4);
    assert_true(event_track_is_truncated(track));
    assert_int_equal(event_track_output_bytes(track), 8 + 6 + 11 + 10);
    assert_int_equal(event_track_dropped_bytes(track), 6 + 11 + 10);
    seen_done(&seen);
    event_log_free(log);
}

static void many_tiny_events_have_a_limit_too(void **state)
{
    struct event_log   *log   = seen_log(-1, &(struct event_log_limits){1 << 30, 100000, 1 << 30});
    struct event_track *track = seen_track(log, 1);
    (void)state;
    for (int i = 0; i < 10000; i++) {
        seen_say(track, "x");
        event_log_flush(log);
    }
    assert_true(event_track_is_truncated(track));
    assert_true(event_log_bytes(log) < 110000);
    assert_int_equal(event_track_output_bytes(track), 10000);
    assert_true(event_track_dropped_bytes(track) > 9000);
    event_log_free(log);
}

static void reading_stops_and_goes_on(void **state)
{
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         whole, pieces = {0};
    struct event_cursor cursor;
    (void)state;
    seen_talk(track, log, 2000000);
    whole = seen_after(track, 0);
    assert_true(event_track_seek(track, 0, &cursor));
    while (!event_track_is_at_tail(track, &cursor))
        assert_int_equal(event_track_read(track, &cursor, 1, seen_on_read, &pieces, NULL), 0);
    assert_int_equal(pieces.sse.length, whole.sse.length);
    assert_memory_equal(pieces.sse.data, whole.sse.data, whole.sse.length);
    assert_false(event_track_seek(track, event_track_last_seq(track) + 1, &cursor));
    seen_done(&whole);
    seen_done(&pieces);
    event_log_free(log);
}

static void on_end(void *arg)
{
    ++*(int *)arg;
}

static void ignore_event(const struct event_view *event, void *arg)
{
    (void)event;
    (void)arg;
}

static void listeners_are_told_of_the_end(void **state)
{
    struct event_log   *log = seen_log(-1, &SEEN_ROOMY);
    struct event_track *one = seen_track(log, 1), *two = seen_track(log, 2);
    int                 ended = 0;
    (void)state;
    event_track_set_listener(one, &(struct event_listener){ignore_event, on_end, &ended});
    event_track_set_listener(two, &(struct event_listener){ignore_event, on_end, &ended});
    event_track_free(one);
    assert_int_equal(ended, 1);
    assert_null(event_log_find(log, 1));
    event_log_free(log);
    assert_int_equal(ended, 2);
}

/* A listener that appends: delivered by the same flush, in order. */
static struct event_track *echo_to;

static void echo(const struct event_view *event, void *arg)
{
    (void)arg;
    if (event->kind == EVENT_KIND_START)
        seen_tell(echo_to, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
}

static void a_listener_may_append(void **state)
{
    struct event_log   *log  = seen_log(-1, &SEEN_ROOMY);
    struct event_track *one  = seen_track(log, 1);
    struct seen         seen = {0};
    (void)state;
    echo_to = seen_track(log, 2);
    event_track_set_listener(one, &(struct event_listener){echo, NULL, NULL});
    seen_listen(echo_to, &seen);
    seen_run(one, log, 3);
    assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
    assert_false(event_log_is_dirty(log));
    seen_done(&seen);
    seen = seen_after(one, 0);
    assert_false(seen.has_hole);
    seen_done(&seen);
    event_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_and_read_back_are_the_same_bytes),
        cmocka_unit_test(resumed_after_every_event_it_is_the_rest),
        cmocka_unit_test(text_of_one_wake_up_is_one_event),
        cmocka_unit_test(fifty_megabytes_in_one_line),
        cmocka_unit_test(a_long_value_goes_in_parts),
        cmocka_unit_test(nothing_follows_the_end),
        cmocka_unit_test(beyond_the_limit_output_is_counted_not_kept),
        cmocka_unit_test(many_tiny_events_have_a_limit_too),
        cmocka_unit_test(reading_stops_and_goes_on),
        cmocka_unit_test(listeners_are_told_of_the_end),
        cmocka_unit_test(a_listener_may_append),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
