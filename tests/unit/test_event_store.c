/* The event log's file: what the next server process finds in it, when it is cut, damaged or full, and the space it gives back. */
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
#include "seen.h"

/* The next server process. */
static void expect_same(struct event_track *a, struct event_track *b)
{
    struct seen x = seen_after(a, 0), y = seen_after(b, 0);
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
    struct event_log   *log         = seen_log(dup(fd), &SEEN_ROOMY), *again;
    size_t              note_length = 1000000;
    char               *note        = malloc(note_length);
    struct bytes        read        = {0};
    struct event_track *one         = seen_track(log, 1), *two, *big;
    (void)state;
    memset(note, 'n', note_length);
    seen_run(one, log, 20);
    big = event_track_new(log, 5, "big", "session", note, note_length, NULL);
    two = seen_track(log, 2);
    seen_tell(two, EVENT_KIND_START, "{}");
    seen_say(two, "still running");
    seen_tell(big, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
    event_log_flush(log);
    again = seen_log(fd, &SEEN_ROOMY);
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
    seen_say(event_log_find(again, 2), ", and on");
    seen_tell(event_log_find(again, 2), EVENT_KIND_COMPLETE, "{}");
    event_log_flush(again);
    {
        struct seen seen = seen_after(event_log_find(again, 2), 0);
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
    struct event_log   *log   = seen_log(dup(fd), &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct seen         whole;
    struct stat         status;
    size_t              longest = 0;
    (void)state;
    seen_run(track, log, 8);
    whole = seen_after(track, 0);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t cut = 0; cut <= status.st_size; cut++) {
        struct event_log   *part  = seen_log(copy_of(fd, cut), &SEEN_ROOMY);
        struct event_track *found = event_log_find(part, 1);
        if (found == NULL) {
            assert_true(cut < 200);
            found = seen_track(part, 1);
        } else {
            struct seen seen = seen_after(found, 0);
            assert_true(seen.sse.length >= longest && seen.sse.length <= whole.sse.length);
            longest = seen.sse.length;
            if (longest > 0)
                assert_memory_equal(seen.sse.data, whole.sse.data, longest);
            seen_done(&seen);
        }
        if (!event_track_has_ended(found)) {
            uint64_t    before = event_track_last_seq(found);
            struct seen seen;
            seen_say(found, "after the cut");
            event_log_flush(part);
            seen = seen_after(found, before);
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
    struct event_log   *log   = seen_log(dup(fd), &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1);
    struct stat         status;
    (void)state;
    seen_run(track, log, 6);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = 120; at < status.st_size; at++) {
        int                 copy = copy_of(fd, status.st_size);
        char                byte;
        struct event_log   *damaged;
        struct event_track *found;
        assert_int_equal(pread(copy, &byte, 1, at), 1);
        byte ^= 0x55;
        assert_int_equal(pwrite(copy, &byte, 1, at), 1);
        damaged = seen_log(copy, &SEEN_ROOMY);
        found   = event_log_find(damaged, 1);
        if (found != NULL) {
            struct seen seen = seen_after(found, 0);
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

static void old_executions_give_their_space_back(void **state)
{
    int               fd  = memfd_create("log", 0);
    struct event_log *log = seen_log(dup(fd), &(struct event_log_limits){1 << 30, 1 << 30, 3100000}), *again;
    (void)state;
    for (uint64_t serial = 1; serial <= 20; serial++) {
        seen_talk(seen_track(log, serial), log, 1000000);
        assert_true(blocks_of(fd) < 5000000);
    }
    again = seen_log(fd, &SEEN_ROOMY);
    for (uint64_t serial = 1; serial <= 20; serial++) {
        struct event_track *track = event_log_find(log, serial);
        struct event_cursor cursor;
        struct seen         seen = seen_after(track, 0);
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
    struct event_log *log = seen_log(fd, &SEEN_ROOMY), *again;
    uint64_t          last;
    (void)state;
    event_log_set_committer(log, commit, NULL, log);
    for (uint64_t serial = 1; serial <= CELLS; serial++) {
        struct event_track *track = seen_track(log, serial);
        if (serial % 3 == 0) {
            assert_int_equal(event_track_keep(track, "running", 7, NULL), 0);
            event_log_commit(log);
        }
        seen_talk(track, log, 100);
        assert_int_equal(event_track_keep(track, NULL, 0, NULL), 0);
        if (serial % 2 == 0)
            event_log_commit(log);
        event_track_free(event_log_find(log, serial - KEPT));
        assert_true(blocks_of(fd) < 300000);
    }
    again_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    again    = seen_log(again_fd, &SEEN_ROOMY);
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
    struct event_log   *log = seen_log(fd, &(struct event_log_limits){1 << 30, 1 << 30, 1});
    struct event_track *one = seen_track(log, 1), *two, *three;
    struct seen         seen;
    (void)state;
    seen_tell(one, EVENT_KIND_START, "{}");
    two = seen_track(log, 2); /* waits */
    seen_tell(two, EVENT_KIND_COMPLETE, "{\"status\":\"interrupted\"}");
    seen_talk(one, log, 500000);
    three = seen_track(log, 3);
    event_log_flush(log);
    seen = seen_after(one, 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.kinds[EVENT_KIND_COMPLETE], 1);
    seen_done(&seen);
    seen = seen_after(two, 0);
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
    seen_talk(three, log, 10);
    seen = seen_after(three, 0);
    assert_int_equal(seen.count, 3);
    seen_done(&seen);
    {
        struct event_log *again = seen_log(dup(fd), &SEEN_ROOMY);
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
    struct event_log   *log   = seen_log(-1, &SEEN_ROOMY);
    struct event_track *track = seen_track(log, 1), *next;
    struct seen         live  = {0}, back;
    size_t              total = 0;
    (void)state;
    seen_listen(track, &live);
    seen_tell(track, EVENT_KIND_START, "{}");
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
    back = seen_after(track, 0);
    assert_int_equal(back.first, 1);
    assert_true(back.has_hole);
    assert_int_equal(back.last, event_track_last_seq(track));
    assert_true(back.text.length > 300000 && back.text.length < EVENT_LOG_MEMORY_MAX + 200000);
    seen_done(&back);
    seen_tell(track, EVENT_KIND_COMPLETE, "{}");
    event_log_flush(log);
    assert_int_equal(live.kinds[EVENT_KIND_COMPLETE], 1);
    /* there is space again: the next execution is written, and so is what was in memory */
    set_file_limit(RLIM_INFINITY);
    next = seen_track(log, 2);
    assert_false(event_log_is_in_memory(log));
    seen_talk(next, log, 1000);
    back = seen_after(track, 0);
    assert_int_equal(back.kinds[EVENT_KIND_COMPLETE], 1);
    seen_done(&back);
    back = seen_after(next, 0);
    assert_int_equal(back.count, 3);
    seen_done(&back);
    seen_done(&live);
    event_log_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_tells_everything),
        cmocka_unit_test(a_file_cut_anywhere_is_read_up_to_there),
        cmocka_unit_test(a_damaged_byte_costs_one_event),
        cmocka_unit_test(old_executions_give_their_space_back),
        cmocka_unit_test(cells_leave_no_more_than_what_is_kept),
        cmocka_unit_test(a_hole_leaves_what_others_wrote_in_between),
        cmocka_unit_test(a_full_disk_does_not_stop_the_live_stream),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
