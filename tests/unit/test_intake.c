/* intake.c, outlet.c and keep.c: the process may die between any two of their steps, and no byte is lost or taken twice. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "intake.h"
#include "keep.h"
#include "outlet.h"

static int               keep_fd, stage[4], ends[2];
static struct keep      *keep;
static struct keep_seat *seat;
static struct intake     intake;

/* What a process that follows another one has: the same memory and pipes, and nothing else. */
static void follow(void)
{
    struct err err = {0};
    keep_close(keep);
    keep = keep_open(keep_fd, stage, &err);
    assert_non_null(keep);
    seat   = keep_next(keep, NULL);
    intake = (struct intake){.keep = keep, .seat = keep_index(keep, seat)};
}

static int set_up(void **state)
{
    struct err err = {0};
    (void)state;
    keep_fd = keep_make(4, &err);
    assert_true(keep_fd >= 0);
    assert_int_equal(pipe2(stage, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(stage + 2, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    keep = keep_open(keep_fd, stage, &err);
    assert_non_null(keep);
    seat       = keep_take_seat(keep);
    seat->used = KEEP_FILLED;
    follow();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    keep_close(keep);
    (void)close(keep_fd);
    for (int i = 0; i < 4; i++)
        (void)close(stage[i]);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return 0;
}

static void put(const char *text)
{
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
}

static void expect(enum intake_source source, const char *text)
{
    const char *data;
    ssize_t     n = intake_read(&intake, source, ends[0], 4096, &data);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(data, text, strlen(text));
}

static void expect_nothing(enum intake_source source)
{
    const char *data;
    assert_int_equal(intake_read(&intake, source, ends[0], 4096, &data), -1);
    assert_int_equal(errno, EAGAIN);
}

static void test_what_no_commit_covers_is_read_again(void **state)
{
    uint64_t turn;
    uint32_t covered;
    (void)state;
    put("one");
    expect(INTAKE_EVENT, "one");
    intake_position(&intake, &turn, &covered); /* a commit */
    assert_int_equal(covered, 1);
    put("two");
    expect(INTAKE_STDOUT, "two");
    expect_nothing(INTAKE_STDOUT);
    put("three");
    expect(INTAKE_EVENT, "three");
    put("four"); /* nobody has read it yet */
    follow();
    assert_int_equal(intake_recover(keep), intake.seat);
    assert_true(intake_replay(&intake, turn, covered));
    expect_nothing(INTAKE_EVENT); /* it is the other's turn, as it was */
    expect(INTAKE_STDOUT, "two");
    expect_nothing(INTAKE_STDOUT);
    expect(INTAKE_EVENT, "three");
    assert_false(intake_is_replaying(&intake));
    expect(INTAKE_EVENT, "four");
}

static void test_what_a_commit_covers_is_not(void **state)
{
    uint64_t turn;
    uint32_t covered;
    (void)state;
    put("one");
    expect(INTAKE_EVENT, "one");
    intake_position(&intake, &turn, &covered);
    follow();
    (void)intake_recover(keep);
    assert_false(intake_replay(&intake, turn, covered));
    expect_nothing(INTAKE_EVENT);
}

static void test_an_older_commit_covers_nothing_of_a_newer_turn(void **state)
{
    uint64_t turn;
    uint32_t covered;
    (void)state;
    put("one");
    expect(INTAKE_EVENT, "one");
    intake_position(&intake, &turn, &covered);
    intake_restart(&intake);
    put("two");
    expect(INTAKE_EVENT, "two");
    follow();
    (void)intake_recover(keep);
    assert_true(intake_replay(&intake, turn, covered));
    expect(INTAKE_EVENT, "two");
}

/* Dies after splice() has put `staged` bytes aside and read() has taken `taken` of them, with or without the note between the two. */
static void die_within(const char *text, size_t taken, bool noted)
{
    struct keep_inbox *inbox = keep_inbox(keep);
    size_t             at    = 0;

    put("before ");
    expect(INTAKE_STDERR, "before ");
    at = strlen("before ");
    put(text);
    inbox->segment[1] = (struct keep_segment){INTAKE_EVENT, noted ? (uint32_t)strlen(text) : 0};
    inbox->current    = 1;
    inbox->phase      = noted ? KEEP_MOVING : KEEP_FILLING;
    assert_int_equal(splice(ends[0], NULL, stage[1], NULL, strlen(text), SPLICE_F_NONBLOCK), strlen(text));
    if (taken > 0)
        assert_int_equal(read(stage[0], inbox->bytes + at, taken), taken);
    follow();
    assert_int_equal(intake_recover(keep), intake.seat);
    assert_true(intake_replay(&intake, 0, 0));
    expect(INTAKE_STDERR, "before ");
    expect(INTAKE_EVENT, text);
    expect_nothing(INTAKE_EVENT);
}

static void test_death_before_the_move_is_noted(void **state)
{
    (void)state;
    die_within("spliced", 0, false);
}

static void test_death_before_it_is_read(void **state)
{
    (void)state;
    die_within("spliced", 0, true);
}

static void test_death_in_the_middle_of_the_read(void **state)
{
    (void)state;
    die_within("spliced", 3, true);
}

static void test_death_after_the_read(void **state)
{
    (void)state;
    die_within("spliced", 7, true);
}

static void test_death_before_the_splice(void **state)
{
    struct keep_inbox *inbox = keep_inbox(keep);
    (void)state;
    put("one");
    expect(INTAKE_EVENT, "one");
    put("two");
    inbox->segment[1] = (struct keep_segment){INTAKE_EVENT, 0};
    inbox->current    = 1;
    inbox->phase      = KEEP_FILLING;
    follow();
    (void)intake_recover(keep);
    assert_true(intake_replay(&intake, 0, 0));
    expect(INTAKE_EVENT, "one");
    expect_nothing(INTAKE_EVENT); /* the read that was empty */
    expect(INTAKE_EVENT, "two");
}

static void gather(const char *data, size_t length, void *arg)
{
    strncat(arg, data, length);
}

static void test_the_tail_of_the_event_pipe(void **state)
{
    char text[64] = "";
    (void)state;
    put("abc");
    expect(INTAKE_EVENT, "abc");
    put("raw");
    expect(INTAKE_STDOUT, "raw");
    put("defg");
    expect(INTAKE_EVENT, "defg");
    intake_tail(&intake, 6, gather, text);
    assert_string_equal(text, "bcdefg");
}

/* ---- outlet ---- */

static void expect_sent(size_t length)
{
    char buffer[65536];
    outlet_recover(keep, &seat->request);
    assert_int_equal(seat->request.sent, length);
    assert_int_equal(read(ends[0], buffer, sizeof buffer), length > 0 ? (ssize_t)length : -1);
    assert_int_equal(read(stage[2], buffer, sizeof buffer), -1); /* the next one finds it empty */
}

static void test_a_request_is_counted_as_far_as_it_is_taken(void **state)
{
    char    text[9000], buffer[65536];
    ssize_t n, sum = 0, total = 0;
    (void)state;
    memset(text, 'x', sizeof text);
    while ((n = outlet_write(keep, &seat->request, ends[1], text, sizeof text)) > 0)
        total += n;
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(seat->request.sent, total);
    while ((n = read(ends[0], buffer, sizeof buffer)) > 0)
        sum += n;
    assert_int_equal(sum, total);
}

static void stage_request(const char *text, size_t moved, uint32_t phase)
{
    seat->request.chunk = (uint32_t)strlen(text);
    seat->request.phase = phase;
    assert_int_equal(write(stage[3], text, strlen(text)), strlen(text));
    if (moved > 0)
        assert_int_equal(splice(stage[2], NULL, ends[1], NULL, moved, SPLICE_F_NONBLOCK), moved);
    follow();
}

static void test_death_before_a_portion_leaves(void **state)
{
    (void)state;
    stage_request("portion", 0, KEEP_FILLING);
    expect_sent(0);
}

static void test_death_when_a_part_has_left(void **state)
{
    (void)state;
    stage_request("portion", 4, KEEP_MOVING);
    expect_sent(4);
}

static void test_death_when_all_has_left(void **state)
{
    (void)state;
    stage_request("portion", 7, KEEP_MOVING);
    expect_sent(7);
}

/* ---- keep ---- */

static void test_seats_are_found_again_and_another_layout_is_refused(void **state)
{
    struct keep_seat *second = keep_take_seat(keep), *third = keep_take_seat(keep), *fourth = keep_take_seat(keep), *beyond;
    struct err        err    = {0};
    uint64_t          serial = keep_next_serial(keep);
    uint32_t          wrong  = 0;
    (void)state;
    assert_non_null(third);
    assert_non_null(fourth);
    second->used = KEEP_FILLED;
    beyond       = keep_take_seat(keep);
    assert_non_null(beyond);
    assert_false(keep_is_shared(keep, beyond));
    keep_free_seat(keep, beyond);
    follow();
    assert_true(keep_next_serial(keep) > serial);
    assert_non_null(keep_next(keep, keep_next(keep, NULL)));
    assert_null(keep_next(keep, keep_next(keep, keep_next(keep, NULL)))); /* taken, not filled: nobody's */
    keep_free_seat(keep, seat);
    assert_ptr_equal(keep_take_seat(keep), seat);
    assert_int_equal(pwrite(keep_fd, &wrong, sizeof wrong, 0), sizeof wrong);
    assert_null(keep_open(keep_fd, stage, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_no_commit_covers_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_commit_covers_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_older_commit_covers_nothing_of_a_newer_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_before_the_move_is_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_before_it_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_in_the_middle_of_the_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_after_the_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_before_the_splice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_tail_of_the_event_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_request_is_counted_as_far_as_it_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_before_a_portion_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_when_a_part_has_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_death_when_all_has_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seats_are_found_again_and_another_layout_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
