/* Watchers: from wherever they start, however often they leave, what they saw joined is the uncut stream. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "watcher.h"

static struct event_base      *base;
static struct watcher_hub     *hub;
static struct event_log       *event_log;
static struct event_track     *track;
static struct event_log_limits limits = {UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 40};

/* A reader in memory. */
struct reader {
    struct watcher *watcher;
    struct bytes    got;
    size_t          pending; /* what it says is waiting */
    size_t          writes, shared_writes, stop_after;
    int             ended;      /* 1 whole, -1 not */
    bool            takes_none; /* all that is written stays pending */
};

static size_t on_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    struct reader *reader = arg;
    assert_int_equal(reader->ended, 0);
    assert_true(length <= SSE_EVENT_MAX);
    if (owner != NULL) {
        assert_true(data >= owner->data && data + length <= owner->data + owner->length);
        reader->shared_writes++;
    }
    assert_true(bytes_append(&reader->got, data, length));
    if (reader->takes_none)
        reader->pending += length;
    if (++reader->writes == reader->stop_after) {
        watcher_free(reader->watcher);
        reader->watcher = NULL;
    }
    return reader->pending;
}

static void on_end(bool whole, void *arg)
{
    struct reader *reader = arg;
    assert_int_equal(reader->ended, 0);
    reader->ended   = whole ? 1 : -1;
    reader->watcher = NULL;
}

static void start(struct reader *reader, enum watcher_format format, const char *after)
{
    struct watcher_sink sink   = {on_write, on_end, reader, NULL};
    size_t              before = reader->got.length;
    reader->ended              = 0;
    reader->watcher            = watcher_new(hub, track, format, after, &sink, NULL);
    assert_non_null(reader->watcher);
    assert_int_equal(reader->got.length, before);
}

static void turn(void)
{
    for (int i = 0; i < 200; i++)
        (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void reader_done(struct reader *reader)
{
    watcher_free(reader->watcher);
    bytes_done(&reader->got);
    *reader = (struct reader){0};
}

static int set_up(void **state)
{
    (void)state;
    base      = event_base_new();
    hub       = watcher_hub_new(base, WATCHER_SILENCE_MS, NULL);
    event_log = event_log_open(-1, &limits, NULL);
    track     = event_track_new(event_log, 1, "execution", "session", NULL, 0, NULL);
    return base == NULL || hub == NULL || track == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    event_log_free(event_log);
    if (watcher_hub_count(hub) != 0)
        return -1;
    watcher_hub_free(hub);
    event_base_free(base);
    return 0;
}

static void tell(enum event_kind kind, const char *json)
{
    assert_int_equal(event_track_json(track, kind, json, strlen(json), NULL), 0);
}

static void say(size_t length)
{
    char *text = malloc(length);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, length, NULL), 0);
    free(text);
}

static void run(int steps, size_t length, bool to_the_end)
{
    for (int i = 0; i < steps; i++) {
        say(length);
        event_log_flush(event_log);
    }
    if (to_the_end)
        tell(EVENT_KIND_COMPLETE, "{\"success\":true}");
    event_log_flush(event_log);
}

static void expect_same(const struct reader *a, const struct reader *b)
{
    assert_int_equal(a->got.length, b->got.length);
    assert_memory_equal(a->got.data, b->got.data, a->got.length);
}

static void live_late_and_half_way_see_the_same(void **state)
{
    struct reader live = {0}, middle = {0}, late = {0};
    (void)state;
    start(&live, WATCHER_SSE, NULL);
    run(10, 300, false);
    start(&middle, WATCHER_SSE, "");
    run(10, 300, false);
    turn();
    run(10, 300, true);
    start(&late, WATCHER_SSE, NULL);
    turn();
    assert_int_equal(live.writes, 31);
    assert_int_equal(live.ended, 1);
    assert_int_equal(middle.ended, 1);
    assert_int_equal(late.ended, 1);
    expect_same(&live, &middle);
    expect_same(&live, &late);
    assert_int_equal(watcher_hub_count(hub), 0);
    assert_int_equal(watcher_count(track), 0);
    reader_done(&live);
    reader_done(&middle);
    reader_done(&late);
}

/* Leaves after n events, comes back with the id of the last one it saw: for every n. */
static void cut_after_every_event_the_joined_stream_is_whole(void **state)
{
    struct reader whole = {0};
    (void)state;
    tell(EVENT_KIND_START, "{}");
    run(40, 50, true);
    start(&whole, WATCHER_SSE, NULL);
    turn();
    for (size_t step = 1; step <= whole.writes; step++) {
        struct reader joined         = {.stop_after = step};
        char          id[SSE_ID_MAX] = "";
        while (joined.ended == 0) {
            start(&joined, WATCHER_SSE, id);
            turn();
            joined.stop_after = joined.writes + step;
            sse_format_id(id, event_track_epoch(track), joined.writes);
        }
        assert_int_equal(joined.ended, 1);
        expect_same(&whole, &joined);
        reader_done(&joined);
    }
    reader_done(&whole);
}

/* The same with events still coming. */
static void coming_back_during_the_run_misses_nothing(void **state)
{
    struct reader whole = {0}, joined = {.stop_after = 3};
    char          id[SSE_ID_MAX] = "";
    (void)state;
    start(&whole, WATCHER_SSE, NULL);
    for (int i = 0; i < 60; i++) {
        if (joined.watcher == NULL) {
            sse_format_id(id, event_track_epoch(track), joined.writes);
            joined.stop_after = joined.writes + 1 + (size_t)i % 4;
            start(&joined, WATCHER_SSE, id);
        }
        if (i % 3 == 0)
            turn();
        run(1, 100, false);
    }
    joined.stop_after = 0;
    if (joined.watcher == NULL) {
        sse_format_id(id, event_track_epoch(track), joined.writes);
        start(&joined, WATCHER_SSE, id);
    }
    run(1, 100, true);
    turn();
    assert_int_equal(joined.ended, 1);
    expect_same(&whole, &joined);
    reader_done(&whole);
    reader_done(&joined);
}

static void ndjson_is_the_same_objects(void **state)
{
    struct reader lines = {0};
    char         *rest, *line;
    size_t        count = 0;
    (void)state;
    start(&lines, WATCHER_NDJSON, NULL);
    run(5, 3000, false);
    run(1, 10, true);
    assert_true(bytes_append(&lines.got, "", 1));
    rest = lines.got.data;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        assert_non_null(json_object_get(object, "data"));
        json_decref(object);
        count++;
    }
    assert_int_equal(count, 7);
    assert_int_equal(lines.writes, 7);
    reader_done(&lines);
}

static void a_slow_reader_is_passed_by_and_catches_up(void **state)
{
    struct reader fast = {0}, slow = {.takes_none = true};
    (void)state;
    start(&fast, WATCHER_SSE, NULL);
    start(&slow, WATCHER_SSE, NULL);
    run(100, 20000, false);
    turn();
    assert_true(slow.got.length > WATCHER_HIGH_BYTES && slow.got.length < WATCHER_HIGH_BYTES + SSE_EVENT_MAX);
    assert_true(fast.got.length > 2000000);
    for (int i = 0; i < 3; i++) { /* drains, and fills up again */
        slow.pending = 0;
        watcher_on_drain(slow.watcher);
        turn();
        assert_true(slow.pending > WATCHER_HIGH_BYTES && slow.pending < WATCHER_HIGH_BYTES + SSE_EVENT_MAX);
    }
    slow.takes_none = false;
    slow.pending    = 0;
    watcher_on_drain(slow.watcher);
    run(3, 20000, false);
    turn();
    run(3, 20000, true);
    turn();
    assert_int_equal(slow.ended, 1);
    expect_same(&fast, &slow);
    reader_done(&fast);
    reader_done(&slow);
}

static void one_turn_does_not_read_a_whole_log(void **state)
{
    struct reader late = {0};
    (void)state;
    run(200, 20000, true);
    start(&late, WATCHER_SSE, NULL);
    (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_true(late.got.length > 0 && late.got.length < WATCHER_TURN_BYTES + SSE_EVENT_MAX);
    turn();
    assert_int_equal(late.ended, 1);
    reader_done(&late);
}

static void a_thousand_watchers_share_the_bytes(void **state)
{
    enum { COUNT = 1000 };
    struct reader *readers = calloc(COUNT, sizeof *readers);
    (void)state;
    for (int i = 0; i < COUNT; i++)
        start(&readers[i], i % 2 == 0 ? WATCHER_SSE : WATCHER_NDJSON, NULL);
    assert_int_equal(watcher_count(track), COUNT);
    run(5, 5000, true);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(readers[i].ended, 1);
        assert_int_equal(readers[i].shared_writes, 5);
        expect_same(&readers[i], &readers[i % 2]);
    }
    for (int i = 0; i < COUNT; i++)
        reader_done(&readers[i]);
    free(readers);
}

static bool has(const struct reader *reader, const char *text)
{
    return memmem(reader->got.data, reader->got.length, text, strlen(text)) != NULL;
}

static void expect_gap(const char *after, const char *data, const char *id)
{
    struct reader reader = {0};
    start(&reader, WATCHER_SSE, after);
    turn();
    assert_true(has(&reader, data));
    assert_memory_equal(reader.got.data + 12, id, strlen(id));
    reader_done(&reader);
}

static void an_id_of_something_else_is_a_gap(void **state)
{
    char other[SSE_ID_MAX];
    (void)state;
    run(3, 10, false);
    sse_format_id(other, event_track_epoch(track) + 1, 2);
    expect_gap(other, "{\"after\":0,\"next\":1,\"reason\":\"unknown\"}", "-0\nevent: gap");
    expect_gap("nonsense", "{\"after\":0,\"next\":1,\"reason\":\"unknown\"}", "-0\nevent: gap");
    expect_gap("99", "{\"after\":99,\"next\":1,\"reason\":\"unknown\"}", "-0\nevent: gap");
}

static void what_was_dropped_is_a_gap_and_the_end_is_kept(void **state)
{
    struct reader whole = {0}, back = {0};
    char          id[SSE_ID_MAX];
    (void)state;
    run(30, 50000, true);
    event_log_set_limits(event_log, &(struct event_log_limits){1, 1, 1});
    assert_non_null(event_track_new(event_log, 2, "next", "session", NULL, 0, NULL));
    start(&whole, WATCHER_SSE, NULL);
    turn();
    assert_int_equal(whole.ended, 1);
    assert_true(has(&whole, "{\"after\":0,\"next\":31,\"reason\":\"dropped\"}"));
    assert_true(has(&whole, "event: complete"));
    assert_int_equal(whole.writes, 2);
    sse_format_id(id, event_track_epoch(track), 30); /* the gap's own id */
    start(&back, WATCHER_SSE, id);
    turn();
    assert_int_equal(back.writes, 1);
    assert_int_equal(back.ended, 1);
    reader_done(&whole);
    reader_done(&back);
}

static void after_the_last_event_there_is_only_the_end(void **state)
{
    struct reader reader = {0};
    char          id[SSE_ID_MAX];
    (void)state;
    run(3, 10, true);
    sse_format_id(id, event_track_epoch(track), event_track_last_seq(track));
    start(&reader, WATCHER_SSE, id);
    turn();
    assert_int_equal(reader.writes, 0);
    assert_int_equal(reader.ended, 1);
    reader_done(&reader);
}

/* The log is in memory and has forgotten the middle; a reader who was slow is told. */
static void an_overtaken_reader_gets_one_gap(void **state)
{
    struct reader slow = {.takes_none = true}, fast = {0};
    struct rlimit limit;
    rlim_t        was;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    was            = limit.rlim_cur;
    limit.rlim_cur = 300000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    start(&slow, WATCHER_SSE, NULL);
    start(&fast, WATCHER_SSE, NULL);
    run(200, 20000, true);
    limit.rlim_cur = was;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(fast.ended, 1);
    assert_true(has(&fast, "\"reason\":\"storage\""));
    assert_false(has(&fast, "event: gap"));
    slow.takes_none = false;
    slow.pending    = 0;
    watcher_on_drain(slow.watcher);
    turn();
    assert_int_equal(slow.ended, 1);
    assert_true(has(&slow, "\"reason\":\"dropped\""));
    assert_true(slow.got.length < fast.got.length);
    reader_done(&slow);
    reader_done(&fast);
}

enum { PINGED_MS = 50, CLOCK_STEP_MS = 10 /* of the hub's, which is coarse */ };

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_a_little(void)
{
    const struct timespec pause = {0, 1000000};
    (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    (void)nanosleep(&pause, NULL);
}

/* A ping for each time of silence and no more, however long the machine takes over it. */
static void wait_for_pings(const struct reader *reader, size_t count, int64_t since_ms)
{
    while (reader->writes < count) {
        wait_a_little();
        assert_true((int64_t)reader->writes * (PINGED_MS - CLOCK_STEP_MS) <= now_ms() - since_ms);
        assert_true(now_ms() - since_ms < 60000);
    }
}

static void silence_is_filled(void **state)
{
    struct reader sse = {0}, lines = {0}, stalled = {.takes_none = true};
    int64_t       begun_ms;
    (void)state;
    event_log_free(event_log);
    watcher_hub_free(hub);
    hub       = watcher_hub_new(base, PINGED_MS, NULL);
    event_log = event_log_open(-1, &limits, NULL);
    track     = event_track_new(event_log, 1, "execution", "session", NULL, 0, NULL);
    begun_ms  = now_ms();
    start(&sse, WATCHER_SSE, NULL);
    start(&lines, WATCHER_NDJSON, NULL);
    wait_for_pings(&sse, 3, begun_ms);
    wait_for_pings(&lines, 3, begun_ms);
    assert_int_equal(memcmp(sse.got.data, SSE_PING SSE_PING, 2 * strlen(SSE_PING)), 0);
    assert_int_equal(memcmp(lines.got.data, NDJSON_PING NDJSON_PING, 2 * strlen(NDJSON_PING)), 0);
    start(&stalled, WATCHER_SSE, NULL);
    run(20, 20000, false);
    assert_true(stalled.pending > WATCHER_HIGH_BYTES);
    {
        size_t before = stalled.writes;
        size_t pings  = sse.writes;
        while (sse.writes < pings + 3)
            wait_a_little();
        assert_int_equal(stalled.writes, before);
    }
    reader_done(&sse);
    reader_done(&lines);
    reader_done(&stalled);
}

static void leaving_inside_a_write_is_fine(void **state)
{
    struct reader a = {.stop_after = 2}, b = {.stop_after = 1}, c = {0};
    (void)state;
    start(&a, WATCHER_SSE, NULL);
    start(&b, WATCHER_SSE, NULL);
    start(&c, WATCHER_SSE, NULL);
    run(1, 10, false);
    assert_int_equal(watcher_count(track), 2);
    run(1, 10, false);
    assert_int_equal(watcher_count(track), 1);
    run(1, 10, true);
    assert_int_equal(a.writes, 2);
    assert_int_equal(b.writes, 1);
    assert_int_equal(c.writes, 4);
    reader_done(&a);
    reader_done(&b);
    reader_done(&c);
}

static void a_track_that_goes_ends_its_watchers(void **state)
{
    struct reader live = {0}, late = {0};
    (void)state;
    start(&live, WATCHER_SSE, NULL);
    run(3, 10, false);
    start(&late, WATCHER_SSE, NULL);
    event_track_free(track);
    assert_int_equal(live.ended, -1);
    assert_int_equal(late.ended, -1);
    turn();
    assert_int_equal(late.writes, 0);
    reader_done(&live);
    reader_done(&late);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(live_late_and_half_way_see_the_same),
        TEST(cut_after_every_event_the_joined_stream_is_whole),
        TEST(coming_back_during_the_run_misses_nothing),
        TEST(ndjson_is_the_same_objects),
        TEST(a_slow_reader_is_passed_by_and_catches_up),
        TEST(one_turn_does_not_read_a_whole_log),
        TEST(a_thousand_watchers_share_the_bytes),
        TEST(an_id_of_something_else_is_a_gap),
        TEST(what_was_dropped_is_a_gap_and_the_end_is_kept),
        TEST(after_the_last_event_there_is_only_the_end),
        TEST(an_overtaken_reader_gets_one_gap),
        TEST(silence_is_filled),
        TEST(leaving_inside_a_write_is_fine),
        TEST(a_track_that_goes_ends_its_watchers),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
