/* The event log: what is appended can be read back from anywhere, by this process and by the next, within the limits. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "event_log.h"
#include "event_record.h"
#include "text.h"

static const struct event_log_limits ROOMY = {UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 40};

/* What a reader saw. */
struct seen {
    struct bytes sse, text; /* every event's bytes; stdout and stderr joined */
    uint64_t     first, last;
    size_t       count, longest;
    int          kinds[EVENT_KIND_COUNT];
    bool         has_hole;
};

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

static bool on_read(const struct event_view *event, void *arg)
{
    see(event, arg);
    return true;
}

static void seen_done(struct seen *seen)
{
    bytes_done(&seen->sse);
    bytes_done(&seen->text);
    *seen = (struct seen){0};
}

static struct event_log *open_log(int fd, const struct event_log_limits *limits)
{
    struct err        err = {0};
    struct event_log *log = event_log_open(fd, limits, &err);
    if (log == NULL)
        fail_msg("%s", err.message);
    return log;
}

static struct event_track *begin(struct event_log *log, uint64_t serial)
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

static void say(struct event_track *track, const char *text)
{
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, strlen(text), NULL), 0);
}

static void tell(struct event_track *track, enum event_kind kind, const char *json)
{
    struct err err = {0};
    if (event_track_json(track, kind, json, strlen(json), &err) < 0)
        fail_msg("%s", err.message);
}

static struct seen read_after(struct event_track *track, uint64_t after)
{
    struct seen         seen = {0};
    struct event_cursor cursor;
    (void)event_track_seek(track, after, &cursor);
    assert_int_equal(event_track_read(track, &cursor, SIZE_MAX, on_read, &seen, NULL), 0);
    assert_true(event_track_is_at_tail(track, &cursor));
    return seen;
}

static void listen_to(struct event_track *track, struct seen *seen)
{
    event_track_set_listener(track, &(struct event_listener){on_live, NULL, seen});
}

/* A run with every kind of event, flushed now and then. */
static void run(struct event_track *track, struct event_log *log, int lines)
{
    tell(track, EVENT_KIND_START, "{\"executionCount\":1}");
    for (int i = 0; i < lines; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "line %d \xe4\xb8\xad\n", i);
        say(track, line);
        if (i % 5 == 0)
            assert_int_equal(event_track_text(track, EVENT_KIND_ERR, "warn\n", 5, NULL), 0);
        if (i % 7 == 0)
            tell(track, EVENT_KIND_RESULT, "{\"data\":{\"text/plain\":\"1\"}}");
        if (i % 3 == 0)
            event_log_flush(log);
    }
    tell(track, EVENT_KIND_COMPLETE, "{\"success\":true}");
    event_log_flush(log);
}

static void live_and_read_back_are_the_same_bytes(void **state)
{
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         live  = {0}, back;
    (void)state;
    listen_to(track, &live);
    run(track, log, 100);
    assert_false(event_log_is_dirty(log));
    assert_int_equal(live.kinds[EVENT_KIND_COMPLETE], 1);
    assert_false(live.has_hole);
    back = read_after(track, 0);
    assert_int_equal(live.sse.length, back.sse.length);
    assert_memory_equal(live.sse.data, back.sse.data, back.sse.length);
    seen_done(&live);
    seen_done(&back);
    event_log_free(log);
}

static void resumed_after_every_event_it_is_the_rest(void **state)
{
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         whole;
    (void)state;
    run(track, log, 60);
    whole = read_after(track, 0);
    for (uint64_t after = 0; after <= event_track_last_seq(track); after++) {
        struct seen rest = read_after(track, after);
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
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         seen  = {0};
    (void)state;
    listen_to(track, &seen);
    say(track, "a");
    say(track, "b");
    event_log_flush(log);
    say(track, "c");
    assert_int_equal(event_track_text(track, EVENT_KIND_ERR, "d", 1, NULL), 0);
    say(track, "e");
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
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         live  = {0};
    (void)state;
    for (size_t i = 0; i < length; i += unit)
        memcpy(text + i, UNIT, unit);
    listen_to(track, &live);
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
    struct event_log   *log    = open_log(-1, &ROOMY);
    struct event_track *track  = begin(log, 1);
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
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct err          err;
    (void)state;
    tell(track, EVENT_KIND_ERROR, "{\"error\":\"e\",\"message\":\"m\"}");
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
    struct event_log   *log   = open_log(-1, &(struct event_log_limits){10, 1 << 20, 1 << 20});
    struct event_track *track = begin(log, 1);
    struct seen         seen;
    (void)state;
    say(track, "12345678");
    say(track, "\xe4\xb8\xad"
               "abc"); /* two bytes of room: not even the first character */
    say(track, "dropped too");
    tell(track, EVENT_KIND_RESULT, "{\"data\":1}");
    tell(track, EVENT_KIND_INPUT_REQUEST, "{\"prompt\":\"\"}");
    tell(track, EVENT_KIND_COMPLETE, "{}");
    event_log_flush(log);
    seen = read_after(track, 0);
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
    struct event_log   *log   = open_log(-1, &(struct event_log_limits){1 << 30, 100000, 1 << 30});
    struct event_track *track = begin(log, 1);
    (void)state;
    for (int i = 0; i < 10000; i++) {
        say(track, "x");
        event_log_flush(log);
    }
    assert_true(event_track_is_truncated(track));
    assert_true(event_log_bytes(log) < 110000);
    assert_int_equal(event_track_output_bytes(track), 10000);
    assert_true(event_track_dropped_bytes(track) > 9000);
    event_log_free(log);
}

/* The next server process. */
static void expect_same(struct event_track *a, struct event_track *b)
{
    struct seen x = read_after(a, 0), y = read_after(b, 0);
    assert_int_equal(event_track_serial(a), event_track_serial(b));
    assert_int_equal(event_track_epoch(a), event_track_epoch(b));
    assert_string_equal(event_track_execution_id(a), event_track_execution_id(b));
    assert_string_equal(event_track_session_id(a), event_track_session_id(b));
    assert_int_equal(event_track_has_ended(a), event_track_has_ended(b));
    assert_int_equal(event_track_is_truncated(a), event_track_is_truncated(b));
    assert_int_equal(event_track_output_bytes(a), event_track_output_bytes(b));
    assert_int_equal(x.sse.length, y.sse.length);
    if (x.sse.length > 0)
        assert_memory_equal(x.sse.data, y.sse.data, x.sse.length);
    seen_done(&x);
    seen_done(&y);
}

static void the_file_tells_everything(void **state)
{
    int                 fd          = memfd_create("log", 0);
    struct event_log   *log         = open_log(dup(fd), &ROOMY), *again;
    size_t              note_length = 1000000;
    char               *note        = malloc(note_length);
    struct bytes        read        = {0};
    struct event_track *one         = begin(log, 1), *two, *big;
    (void)state;
    memset(note, 'n', note_length);
    run(one, log, 20);
    big = event_track_new(log, 5, "big", "session", note, note_length, NULL);
    two = begin(log, 2);
    tell(two, EVENT_KIND_START, "{}");
    say(two, "still running");
    tell(big, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
    event_log_flush(log);
    again = open_log(fd, &ROOMY);
    expect_same(one, event_log_find(again, 1));
    expect_same(two, event_log_find(again, 2));
    expect_same(big, event_log_find(again, 5));
    assert_ptr_equal(event_log_next(again, NULL), event_log_find(again, 1));
    assert_ptr_equal(event_log_next(again, event_log_find(again, 1)), event_log_find(again, 2));
    assert_null(event_log_next(again, event_log_find(again, 5)));
    assert_int_equal(event_track_note(event_log_find(again, 5), &read, NULL), 0);
    assert_int_equal(read.length, note_length);
    assert_memory_equal(read.data, note, note_length);
    read.length = 0;
    assert_int_equal(event_track_note(event_log_find(again, 2), &read, NULL), 0);
    assert_int_equal(read.length, 4);
    /* and goes on where the other stopped */
    say(event_log_find(again, 2), ", and on");
    tell(event_log_find(again, 2), EVENT_KIND_COMPLETE, "{}");
    event_log_flush(again);
    {
        struct seen seen = read_after(event_log_find(again, 2), 0);
        assert_false(seen.has_hole);
        assert_int_equal(seen.count, 4);
        assert_memory_equal(seen.text.data, "still running, and on", 21);
        seen_done(&seen);
    }
    bytes_done(&read);
    event_log_free(again);
    event_log_free(log);
    free(note);
}

static int copy_of(int fd, off_t length)
{
    int   copy = memfd_create("copy", 0);
    char *data = malloc((size_t)length + 1);
    assert_int_equal(pread(fd, data, (size_t)length, 0), length);
    assert_int_equal(write(copy, data, (size_t)length), length);
    free(data);
    return copy;
}

/* Cut at every byte: what is whole before the cut is there, nothing else is, and the log can be used. */
static void a_file_cut_anywhere_is_read_up_to_there(void **state)
{
    int                 fd    = memfd_create("log", 0);
    struct event_log   *log   = open_log(dup(fd), &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         whole;
    struct stat         status;
    size_t              longest = 0;
    (void)state;
    run(track, log, 8);
    whole = read_after(track, 0);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t cut = 0; cut <= status.st_size; cut++) {
        struct event_log   *part  = open_log(copy_of(fd, cut), &ROOMY);
        struct event_track *found = event_log_find(part, 1);
        if (found == NULL) {
            assert_true(cut < 200);
            found = begin(part, 1);
        } else {
            struct seen seen = read_after(found, 0);
            assert_true(seen.sse.length >= longest && seen.sse.length <= whole.sse.length);
            longest = seen.sse.length;
            if (longest > 0)
                assert_memory_equal(seen.sse.data, whole.sse.data, longest);
            seen_done(&seen);
        }
        if (!event_track_has_ended(found)) {
            uint64_t    before = event_track_last_seq(found);
            struct seen seen;
            say(found, "after the cut");
            event_log_flush(part);
            seen = read_after(found, before);
            assert_int_equal(seen.count, 1);
            assert_memory_equal(seen.text.data, "after the cut", 13);
            seen_done(&seen);
        }
        event_log_free(part);
    }
    assert_int_equal(longest, whole.sse.length);
    seen_done(&whole);
    event_log_free(log);
    close(fd);
}

/* A byte changed anywhere spoils at most the record it is in. */
static void a_damaged_byte_costs_one_event(void **state)
{
    int                 fd    = memfd_create("log", 0);
    struct event_log   *log   = open_log(dup(fd), &ROOMY);
    struct event_track *track = begin(log, 1);
    struct stat         status;
    (void)state;
    run(track, log, 6);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = 120; at < status.st_size; at++) {
        int                 copy = copy_of(fd, status.st_size);
        char                byte;
        struct event_log   *damaged;
        struct event_track *found;
        assert_int_equal(pread(copy, &byte, 1, at), 1);
        byte ^= 0x55;
        assert_int_equal(pwrite(copy, &byte, 1, at), 1);
        damaged = open_log(copy, &ROOMY);
        found   = event_log_find(damaged, 1);
        if (found != NULL) {
            struct seen seen = read_after(found, 0);
            assert_true(seen.count + 1 >= event_track_last_seq(track));
            seen_done(&seen);
        } else {
            assert_true(at < 140);
        }
        event_log_free(damaged);
    }
    event_log_free(log);
    close(fd);
}

/* Space. */
static uint64_t blocks_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

static void talk(struct event_track *track, struct event_log *log, size_t bytes)
{
    char *text = malloc(bytes);
    memset(text, 'x', bytes);
    tell(track, EVENT_KIND_START, "{}");
    assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, bytes, NULL), 0);
    tell(track, EVENT_KIND_COMPLETE, "{\"success\":true}");
    event_log_flush(log);
    free(text);
}

static void old_executions_give_their_space_back(void **state)
{
    int               fd  = memfd_create("log", 0);
    struct event_log *log = open_log(dup(fd), &(struct event_log_limits){1 << 30, 1 << 30, 3100000}), *again;
    (void)state;
    for (uint64_t serial = 1; serial <= 20; serial++) {
        talk(begin(log, serial), log, 1000000);
        assert_true(blocks_of(fd) < 5000000);
    }
    again = open_log(fd, &ROOMY);
    for (uint64_t serial = 1; serial <= 20; serial++) {
        struct event_track *track = event_log_find(log, serial);
        struct event_cursor cursor;
        struct seen         seen = read_after(track, 0);
        assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
        assert_int_equal(seen.first, event_track_first_seq(track));
        assert_int_equal(event_track_seek(track, 0, &cursor), serial > 16);
        assert_int_equal(seen.text.length, serial > 16 ? 1000000 : 0);
        assert_int_equal(event_track_first_seq(event_log_find(again, serial)), event_track_first_seq(track));
        assert_true(event_track_seek(event_log_find(again, serial), event_track_last_seq(track) - 1, &cursor));
        expect_same(track, event_log_find(again, serial));
        seen_done(&seen);
    }
    event_log_free(again);
    event_log_free(log);
}

static void commit(void *arg)
{
    static uint64_t commits[30];
    commits[0]++;
    assert_int_equal(event_log_record(arg, EVENT_RECORD_COMMIT, 0, commits, sizeof commits, NULL, NULL), 0);
}

/* What a session writes for each cell: its events, notes that another replaces, commits with and without events. */
static void cells_leave_no_more_than_what_is_kept(void **state)
{
    enum { CELLS = 3000, KEPT = 16 };
    int               fd  = memfd_create("log", 0), again_fd;
    struct event_log *log = open_log(fd, &ROOMY), *again;
    uint64_t          last;
    (void)state;
    event_log_set_committer(log, commit, log);
    for (uint64_t serial = 1; serial <= CELLS; serial++) {
        struct event_track *track = begin(log, serial);
        if (serial % 3 == 0) {
            assert_int_equal(event_track_keep(track, "running", 7, NULL), 0);
            event_log_commit(log);
        }
        talk(track, log, 100);
        assert_int_equal(event_track_keep(track, NULL, 0, NULL), 0);
        if (serial % 2 == 0)
            event_log_commit(log);
        event_track_free(event_log_find(log, serial - KEPT));
        assert_true(blocks_of(fd) < 300000);
    }
    again_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    again    = open_log(again_fd, &ROOMY);
    memcpy(&last, event_log_last_commit(again)->data, sizeof last);
    assert_int_equal(last, CELLS + CELLS / 3 + CELLS / 2);
    assert_null(event_log_find(again, CELLS / 2));
    for (uint64_t serial = CELLS - KEPT + 1; serial <= CELLS; serial++)
        expect_same(event_log_find(log, serial), event_log_find(again, serial));
    event_log_free(again);
    event_log_free(log);
}

static void a_hole_leaves_what_others_wrote_in_between(void **state)
{
    int                 fd  = memfd_create("log", 0);
    struct event_log   *log = open_log(fd, &(struct event_log_limits){1 << 30, 1 << 30, 1});
    struct event_track *one = begin(log, 1), *two, *three;
    struct seen         seen;
    (void)state;
    tell(one, EVENT_KIND_START, "{}");
    two = begin(log, 2); /* waits */
    tell(two, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
    talk(one, log, 500000);
    three = begin(log, 3);
    event_log_flush(log);
    seen = read_after(one, 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
    seen_done(&seen);
    seen = read_after(two, 0);
    assert_int_equal(seen.count, 1);
    seen_done(&seen);
    event_track_free(one);
    assert_true(blocks_of(fd) < 100000);
    {
        struct bytes note = {0};
        assert_int_equal(event_track_note(two, &note, NULL), 0);
        assert_int_equal(note.length, 4);
        bytes_done(&note);
    }
    talk(three, log, 10);
    seen = read_after(three, 0);
    assert_int_equal(seen.count, 3);
    seen_done(&seen);
    {
        struct event_log *again = open_log(dup(fd), &ROOMY);
        assert_null(event_log_find(again, 1));
        expect_same(two, event_log_find(again, 2));
        expect_same(three, event_log_find(again, 3));
        event_log_free(again);
    }
    event_log_free(log);
}

/* A full disk, by the limit on a file's size. */
static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_does_not_stop_the_live_stream(void **state)
{
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1), *next;
    struct seen         live  = {0}, back;
    size_t              total = 0;
    (void)state;
    listen_to(track, &live);
    tell(track, EVENT_KIND_START, "{}");
    event_log_flush(log);
    set_file_limit(100000);
    while (total < 5000000) {
        static char text[30000];
        memset(text, 'a' + (int)(total / sizeof text % 26), sizeof text);
        assert_int_equal(event_track_text(track, EVENT_KIND_OUT, text, sizeof text, NULL), 0);
        event_log_flush(log);
        total += sizeof text;
    }
    assert_true(event_log_is_in_memory(log));
    assert_false(live.has_hole);
    assert_int_equal(live.text.length, total);
    assert_int_equal(live.kinds[EVENT_KIND_TRUNCATED], 1);
    assert_false(event_track_is_truncated(track));
    /* late: the beginning from the disk, then the last of it from memory */
    back = read_after(track, 0);
    assert_int_equal(back.first, 1);
    assert_true(back.has_hole);
    assert_int_equal(back.last, event_track_last_seq(track));
    assert_true(back.text.length > 300000 && back.text.length < EVENT_LOG_MEMORY_MAX + 200000);
    seen_done(&back);
    tell(track, EVENT_KIND_COMPLETE, "{}");
    event_log_flush(log);
    assert_int_equal(live.kinds[EVENT_KIND_COMPLETE], 1);
    /* there is space again: the next execution is written, and so is what was in memory */
    set_file_limit(RLIM_INFINITY);
    next = begin(log, 2);
    assert_false(event_log_is_in_memory(log));
    talk(next, log, 1000);
    back = read_after(track, 0);
    assert_int_equal(back.kinds[EVENT_KIND_COMPLETE], 1);
    seen_done(&back);
    back = read_after(next, 0);
    assert_int_equal(back.count, 3);
    seen_done(&back);
    seen_done(&live);
    event_log_free(log);
}

static void reading_stops_and_goes_on(void **state)
{
    struct event_log   *log   = open_log(-1, &ROOMY);
    struct event_track *track = begin(log, 1);
    struct seen         whole, pieces = {0};
    struct event_cursor cursor;
    (void)state;
    talk(track, log, 2000000);
    whole = read_after(track, 0);
    assert_true(event_track_seek(track, 0, &cursor));
    while (!event_track_is_at_tail(track, &cursor))
        assert_int_equal(event_track_read(track, &cursor, 1, on_read, &pieces, NULL), 0);
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
    struct event_log   *log = open_log(-1, &ROOMY);
    struct event_track *one = begin(log, 1), *two = begin(log, 2);
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
        tell(echo_to, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
}

static void a_listener_may_append(void **state)
{
    struct event_log   *log  = open_log(-1, &ROOMY);
    struct event_track *one  = begin(log, 1);
    struct seen         seen = {0};
    (void)state;
    echo_to = begin(log, 2);
    event_track_set_listener(one, &(struct event_listener){echo, NULL, NULL});
    listen_to(echo_to, &seen);
    run(one, log, 3);
    assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
    assert_false(event_log_is_dirty(log));
    seen_done(&seen);
    seen = read_after(one, 0);
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
        cmocka_unit_test(the_file_tells_everything),
        cmocka_unit_test(a_file_cut_anywhere_is_read_up_to_there),
        cmocka_unit_test(a_damaged_byte_costs_one_event),
        cmocka_unit_test(old_executions_give_their_space_back),
        cmocka_unit_test(cells_leave_no_more_than_what_is_kept),
        cmocka_unit_test(a_hole_leaves_what_others_wrote_in_between),
        cmocka_unit_test(a_full_disk_does_not_stop_the_live_stream),
        cmocka_unit_test(reading_stops_and_goes_on),
        cmocka_unit_test(listeners_are_told_of_the_end),
        cmocka_unit_test(a_listener_may_append),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
