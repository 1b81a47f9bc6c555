/* A watcher over HTTP: what it asks of http.h, with an http of our own in its stead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "watcher_http.h"

struct http_request {
    const char *accept, *last_event_id, *after;
    int         headers;
};

struct http_stream {
    struct bytes got;
    char         type[64];
    size_t       low_water, pending, moved, before_last;
    void (*on_drain)(void *arg);
    void (*on_gone)(void *arg);
    void *arg;
    int   begun, ended, lasts;
};

static struct http_stream stream;

const char *http_request_header(const struct http_request *request, const char *name)
{
    if (strcmp(name, "Accept") == 0)
        return request->accept;
    return strcmp(name, "Last-Event-ID") == 0 ? request->last_event_id : NULL;
}

const char *http_request_query(const struct http_request *request, const char *name)
{
    return strcmp(name, "after") == 0 ? request->after : NULL;
}

void http_request_add_header(struct http_request *request, const char *name, const char *value)
{
    request->headers += (strcmp(name, "Cache-Control") == 0 && strcmp(value, "no-cache") == 0) ||
                        (strcmp(name, "X-Accel-Buffering") == 0 && strcmp(value, "no") == 0);
}

struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type)
{
    assert_int_equal(status, 200);
    assert_int_equal(request->headers, 2);
    stream.begun++;
    (void)snprintf(stream.type, sizeof stream.type, "%s", content_type);
    return &stream;
}

void http_stream_set_callbacks(struct http_stream *s, size_t low_water, void (*on_drain)(void *arg), void (*on_gone)(void *arg), void *arg)
{
    s->low_water = low_water;
    s->on_drain  = on_drain;
    s->on_gone   = on_gone;
    s->arg       = arg;
}

size_t http_stream_write(struct http_stream *s, const void *data, size_t length)
{
    assert_true(s->ended < s->begun);
    assert_true(bytes_append(&s->got, data, length));
    return s->pending;
}

size_t http_stream_write_buffer(struct http_stream *s, struct evbuffer *moved_from)
{
    size_t length = evbuffer_get_length(moved_from);
    s->moved++;
    (void)http_stream_write(s, evbuffer_pullup(moved_from, -1), length);
    (void)evbuffer_drain(moved_from, length);
    return s->pending;
}

void http_stream_last(struct http_stream *s)
{
    s->lasts++;
    s->before_last = s->got.length;
}

void http_stream_end(struct http_stream *s)
{
    s->ended++;
}

static struct event_base  *base;
static struct watcher_hub *hub;
static struct event_log   *event_log;
static struct event_track *track;
static int                 gone;

static int set_up(void **state)
{
    static const struct event_log_limits LIMITS = {1 << 30, 1 << 30, 1 << 30};
    (void)state;
    base      = event_base_new();
    hub       = watcher_hub_new(base, WATCHER_SILENCE_MS, NULL);
    event_log = event_log_open(-1, &LIMITS, NULL);
    track     = event_track_new(event_log, 1, "execution", "session", NULL, 0, NULL);
    gone      = 0;
    return track == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    event_log_free(event_log);
    watcher_hub_free(hub);
    event_base_free(base);
    bytes_done(&stream.got);
    stream = (struct http_stream){0};
    return 0;
}

static void on_gone(void *arg)
{
    ++*(int *)arg;
}

static void start(struct http_request request)
{
    assert_int_equal(watcher_http_start(hub, track, &request, on_gone, &gone, NULL), 0);
}

static void turn(void)
{
    for (int i = 0; i < 100; i++)
        (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void say(size_t length)
{
    char *text = malloc(length);
    memset(text, 'x', length);
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, length, NULL), 0);
    event_log_flush(event_log);
    free(text);
}

static void complete(void)
{
    assert_int_equal(event_track_json(track, EVENT_KIND_COMPLETE, "{}", 2, NULL), 0);
    event_log_flush(event_log);
}

static void the_format_is_what_accept_prefers(void **state)
{
    static const struct {
        const char         *accept;
        enum watcher_format format;
    } CASES[] = {
        {NULL, WATCHER_SSE},
        {"*/*", WATCHER_SSE},
        {"text/event-stream", WATCHER_SSE},
        {"application/x-ndjson", WATCHER_NDJSON},
        {"Application/X-NDJSON; q=1", WATCHER_NDJSON},
        {"application/jsonl", WATCHER_NDJSON},
        {"text/event-stream, application/x-ndjson", WATCHER_SSE},
        {"application/x-ndjson, text/event-stream", WATCHER_NDJSON},
        {"application/json", WATCHER_SSE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(watcher_http_format(&(struct http_request){.accept = CASES[i].accept}), CASES[i].format);
}

static void a_stream_ends_after_the_terminal_event(void **state)
{
    (void)state;
    start((struct http_request){0});
    assert_string_equal(stream.type, "text/event-stream");
    assert_int_equal(stream.low_water, WATCHER_LOW_BYTES);
    say(10);
    complete();
    assert_int_equal(stream.ended, 1);
    assert_int_equal(gone, 0);
    assert_int_equal(watcher_hub_count(hub), 0);
    assert_memory_equal(stream.got.data, "id: ", 4);
    assert_memory_equal(stream.got.data + stream.got.length - 3, "}\n\n", 3);
}

static void what_is_there_goes_with_the_head_and_the_end_with_the_last_event(void **state)
{
    (void)state;
    say(10);
    start((struct http_request){0});
    assert_non_null(memmem(stream.got.data, stream.got.length, "-1\nevent: stdout", 16));
    assert_int_equal(stream.lasts, 0);
    complete();
    assert_int_equal(stream.lasts, 1);
    assert_memory_equal(stream.got.data + stream.before_last, "id: ", 4);
    assert_non_null(memmem(stream.got.data + stream.before_last, stream.got.length - stream.before_last, "event: complete", 15));
    assert_int_equal(stream.ended, 1);
    start((struct http_request){0}); /* all of it, and its end, before the loop has turned */
    assert_int_equal(stream.lasts, 2);
    assert_int_equal(stream.ended, 2);
}

static void it_goes_on_after_the_id_given(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        say(1);
    complete();
    start((struct http_request){.accept = "application/x-ndjson", .last_event_id = "3", .after = "1"});
    turn();
    assert_string_equal(stream.type, "application/x-ndjson");
    assert_int_equal(stream.ended, 1);
    assert_memory_equal(stream.got.data, "{\"type\":\"complete\"", 18);
    stream.got.length = 0;
    stream.ended      = 0;
    start((struct http_request){.after = "2"});
    turn();
    assert_non_null(memmem(stream.got.data, stream.got.length, "-3\nevent: stdout", 16));
    assert_null(memmem(stream.got.data, stream.got.length, "-2\nevent: stdout", 16));
}

static void a_client_that_leaves_is_told_of_and_forgotten(void **state)
{
    size_t before;
    (void)state;
    start((struct http_request){0});
    say(10);
    before = stream.got.length;
    stream.on_gone(stream.arg);
    assert_int_equal(gone, 1);
    assert_int_equal(watcher_count(track), 0);
    say(10);
    complete();
    assert_int_equal(stream.got.length, before);
    assert_int_equal(stream.ended, 0);
}

static void big_events_of_two_are_moved_not_copied(void **state)
{
    (void)state;
    start((struct http_request){0});
    start((struct http_request){0}); /* both write to the one stream of this test */
    say(10);
    assert_int_equal(stream.moved, 0);
    say(10000);
    assert_int_equal(stream.moved, 2);
    complete();
    assert_int_equal(stream.ended, 2);
}

static void a_full_client_is_drained_first(void **state)
{
    size_t before;
    (void)state;
    start((struct http_request){0});
    stream.pending = WATCHER_HIGH_BYTES + 1;
    say(10);
    before = stream.got.length;
    say(10);
    turn();
    assert_int_equal(stream.got.length, before);
    stream.pending = 0;
    stream.on_drain(stream.arg);
    turn();
    assert_true(stream.got.length > before);
    complete();
    assert_int_equal(stream.ended, 1);
}

static void a_track_that_goes_ends_the_stream(void **state)
{
    (void)state;
    start((struct http_request){0});
    event_track_free(track);
    assert_int_equal(stream.ended, 1);
    assert_int_equal(gone, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_format_is_what_accept_prefers),
        TEST(a_stream_ends_after_the_terminal_event),
        TEST(what_is_there_goes_with_the_head_and_the_end_with_the_last_event),
        TEST(what_is_there_goes_with_the_head_and_the_end_with_the_last_event),
        TEST(it_goes_on_after_the_id_given),
        TEST(a_client_that_leaves_is_told_of_and_forgotten),
        TEST(big_events_of_two_are_moved_not_copied),
        TEST(a_full_client_is_drained_first),
        TEST(a_track_that_goes_ends_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
