/* Who is folded, when, and what becomes of those that want their descriptors back. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_loop.h"
#include "fold.h"
#include "policies.h"

enum { COUNT = 40, LIMIT_MS = 150, PATIENT_MS = 60000 /* for who is not to be late */ };

static struct event_base *base;
static struct folds      *folds;
static struct fold        all[COUNT];
static bool               refuses[COUNT];
static int                asked[COUNT], folded[COUNT], late[COUNT], order[COUNT * 2], order_count, lose;

static bool on_fold(struct fold *fold)
{
    if (refuses[fold - all])
        return false;
    folded[fold - all]++;
    order[order_count++] = (int)(fold - all);
    return true;
}

static void on_ask(struct fold *fold)
{
    asked[fold - all]++;
    fold->is_lost = lose > 0;
    lose -= lose > 0;
}

static void on_late(struct fold *fold)
{
    late[fold - all]++;
}

static const struct fold_events events = {on_fold, on_ask, on_late};

static int set_up_with(int64_t limit_ms)
{
    memset(all, 0, sizeof all);
    memset(refuses, 0, sizeof refuses);
    memset(asked, 0, sizeof asked);
    memset(folded, 0, sizeof folded);
    memset(late, 0, sizeof late);
    order_count = lose = 0;
    base               = fake_base();
    folds              = folds_new(base, &events, limit_ms);
    assert_non_null(folds);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(PATIENT_MS);
}

static int set_up_hasty(void **state)
{
    (void)state;
    return set_up_with(LIMIT_MS);
}

static int tear_down(void **state)
{
    (void)state;
    folds_free(folds);
    folds_free(NULL);
    event_base_free(base);
    return 0;
}

static void rest(int from, int to, bool spare)
{
    for (int i = from; i < to; i++)
        folds_rest(folds, &all[i], spare);
}

static void expect_order(const int *expected, int count)
{
    assert_int_equal(order_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(order[i], expected[i]);
}

static void test_the_longest_unused_first_and_spare_ones_last(void **state)
{
    (void)state;
    rest(0, 2, true);
    rest(2, 6, false);
    folds_rest(folds, &all[2], false); /* was used */
    folds_rest(folds, &all[0], false); /* has an owner now */
    folds_forget(folds, &all[4]);
    folds_forget(folds, &all[4]);
    assert_int_equal(folds_resting(folds), 5);
    assert_true(folds_make_room(folds, 4 * FOLD_DESCRIPTORS));
    expect_order((const int[]){3, 5, 2, 0}, 4);
    assert_true(folds_make_room(folds, 1));
    expect_order((const int[]){3, 5, 2, 0, 1}, 5);
    assert_false(folds_make_room(folds, 1));
    assert_true(folds_make_room(folds, 0));
    assert_int_equal(folds_resting(folds), 0);
}

static void test_those_that_cannot_be_folded_are_passed_over(void **state)
{
    (void)state;
    rest(0, 3, false);
    refuses[0] = refuses[1] = true;
    assert_true(folds_make_room(folds, 1));
    expect_order((const int[]){2}, 1);
    assert_false(folds_make_room(folds, 1));
    assert_int_equal(folds_resting(folds), 2);
    refuses[1] = false;
    assert_true(folds_make_room(folds, 1));
    expect_order((const int[]){2, 1}, 2);
}

static bool are_two(void *arg)
{
    (void)arg;
    return order_count >= 2;
}

/* The number of a new descriptor tells; the limit is lowered for a moment. */
static void test_nothing_happens_while_there_are_plenty(void **state)
{
    struct rlimit before, few;
    int           room;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few          = before;
    few.rlim_cur = 400;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    room = (int)few.rlim_cur / 8;
    rest(0, COUNT, false);
    folds_note(folds, (int)few.rlim_cur - 2 * room - 1);
    folds_note(folds, -1);
    fake_run_for(base, 20);
    assert_int_equal(order_count, 0);
    assert_false(folds_is_full((int)few.rlim_cur - 2 * room - 1, 2));
    assert_true(folds_is_full((int)few.rlim_cur - 2 * room, 2));
    assert_false(folds_is_full((int)few.rlim_cur - 2 * room, 1));

    folds_note(folds, (int)few.rlim_cur - 2 * room + 5); /* six too many, but not from within this call */
    folds_note(folds, (int)few.rlim_cur - 2 * room);
    assert_int_equal(order_count, 0);
    fake_run_until(base, are_two, NULL);
    fake_run_for(base, 20);
    expect_order((const int[]){0, 1}, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static bool is_late(void *arg)
{
    return late[*(int *)arg] > 0;
}

static void test_an_init_that_is_silent_is_given_up(void **state)
{
    int first = 0, second = 1;
    (void)state;
    rest(0, 3, false);
    folds_ask(folds, &all[first]);
    folds_ask(folds, &all[first]);
    assert_int_equal(asked[first], 1);
    assert_int_equal(folds_resting(folds), 2);
    fake_run_for(base, 40);
    folds_ask(folds, &all[second]);
    folds_ask(folds, &all[2]);
    folds_forget(folds, &all[2]); /* it has answered */
    fake_run_until(base, is_late, &second);
    assert_int_equal(late[first], 1);
    assert_int_equal(late[second], 1);
    assert_int_equal(late[2], 0);
    assert_int_equal(all[first].place, FOLD_NOWHERE);
    fake_run_for(base, 2 * LIMIT_MS);
    assert_int_equal(late[first], 1);
}

static bool is_asked_twice(void *arg)
{
    return asked[*(int *)arg] > 1;
}

static void test_what_found_no_room_is_asked_for_again_when_others_are_folded(void **state)
{
    int lost = 0;
    (void)state;
    rest(1, 3, false);
    folds_ask(folds, &all[lost]);
    folds_lost(folds, &all[lost]);
    expect_order((const int[]){1}, 1);
    assert_int_equal(asked[lost], 1); /* not at once: it might find no room for ever */
    fake_run_until(base, is_asked_twice, &lost);
    folds_forget(folds, &all[lost]);
    folds_lost(folds, &all[lost]); /* what comes late means nothing */
    fake_run_for(base, 2 * LIMIT_MS);
    assert_int_equal(asked[lost], 2);
    assert_int_equal(late[lost], 0);
}

static void test_an_init_that_cannot_be_asked_is_asked_again(void **state)
{
    int first = 0;
    (void)state;
    lose = 1;
    folds_ask(folds, &all[first]);
    fake_run_until(base, is_asked_twice, &first);
    folds_forget(folds, &all[first]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_longest_unused_first_and_spare_ones_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_those_that_cannot_be_folded_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_happens_while_there_are_plenty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_init_that_is_silent_is_given_up, set_up_hasty, tear_down),
        cmocka_unit_test_setup_teardown(test_what_found_no_room_is_asked_for_again_when_others_are_folded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_init_that_cannot_be_asked_is_asked_again, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
