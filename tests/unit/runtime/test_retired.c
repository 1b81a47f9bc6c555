/* Groups of ended sessions: removed when it is quiet, or late, or at once where they must not wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "retired.h"

enum { KEPT_MAX = 8192, REMOVED_MAX = 20000 };

static uint32_t removed[REMOVED_MAX]; /* with their memory group */
static size_t   removed_count, begun_count;

void jail_cgroup_release(const struct jail *jail, uint32_t session, bool with_memory)
{
    assert_non_null(jail);
    if (!with_memory) {
        begun_count++;
        return;
    }
    assert_true(removed_count < REMOVED_MAX);
    removed[removed_count++] = session;
}

static struct jail jail;

static struct retired *begin(void)
{
    struct err      err = {0};
    struct retired *retired;

    removed_count = begun_count             = 0;
    jail.cgroup_version                     = 1;
    jail.report[LAYER_PID_NAMESPACE].active = true;
    retired                                 = retired_new(&jail, &err);
    assert_non_null(retired);
    return retired;
}

static void waits_for_quiet(void **state)
{
    struct retired *retired = begin();
    (void)state;

    assert_int_equal(retired_wait_ms(retired), -1);
    for (uint32_t i = 1; i <= 20; i++)
        retired_add(retired, i, 1000);
    assert_true(retired_wait_ms(retired) > 0);
    retired_turn(retired, false, 100, 1001);
    assert_int_equal(removed_count, 0);
    assert_int_equal(begun_count, 20); /* what is removed in no time does not wait */
    retired_turn(retired, true, 100, 1030);
    assert_in_range(removed_count, 1, 19); /* some: a request may have come meanwhile */
    assert_int_equal(retired_wait_ms(retired), 0);
    while (retired_wait_ms(retired) == 0)
        retired_turn(retired, true, 100, 1031);
    assert_int_equal(retired_wait_ms(retired), -1);
    assert_int_equal(removed_count, 20);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(removed[i], i + 1);
}

static void something_to_do_makes_it_wait_again(void **state)
{
    struct retired *retired = begin();
    (void)state;

    for (uint32_t i = 1; i <= 20; i++)
        retired_add(retired, i, 1000);
    retired_turn(retired, true, 100, 1030);
    retired_turn(retired, false, 100, 1031);
    assert_true(retired_wait_ms(retired) > 0);
}

static void where_it_is_never_quiet_the_late_go(void **state)
{
    struct retired *retired = begin();
    (void)state;

    retired_add(retired, 1, 1000);
    retired_add(retired, 2, 9000);
    retired_turn(retired, false, 100, 9001);
    assert_int_equal(removed_count, 0);
    retired_turn(retired, false, 100, 11001);
    assert_int_equal(removed_count, 1);
    assert_int_equal(removed[0], 1);
}

static void as_many_wait_as_have_ended(void **state)
{
    struct retired *retired = begin();
    (void)state;

    retired_turn(retired, false, 1000, 1000);
    for (uint32_t i = 1; i <= 1000; i++) {
        retired_add(retired, i, 1000);
        retired_turn(retired, false, 1000 - i, 1001);
    }
    assert_int_equal(removed_count, 0);
}

static void where_others_take_their_place_few_wait(void **state)
{
    struct retired *retired = begin();
    (void)state;

    retired_turn(retired, false, 30, 1000);
    for (uint32_t i = 1; i <= 1000; i++) {
        retired_add(retired, i, 1000);
        retired_turn(retired, false, 30, 1001);
    }
    assert_true(removed_count >= 900);
}

static void their_number_has_a_limit(void **state)
{
    struct retired *retired = begin();
    (void)state;

    for (uint32_t i = 1; i <= KEPT_MAX + 10; i++)
        retired_add(retired, i, 1000);
    assert_int_equal(removed_count, 10);
    while (retired_wait_ms(retired) >= 0)
        retired_turn(retired, true, 100, 1001);
    assert_int_equal(removed_count, KEPT_MAX + 10);
    for (uint32_t i = 0; i < removed_count; i++)
        assert_int_equal(removed[i], i + 1);
}

static void a_number_that_comes_again_finds_nothing(void **state)
{
    struct retired *retired = begin();
    (void)state;

    for (uint32_t i = 1; i <= 3; i++)
        retired_add(retired, i, 1000);
    retired_make_way(retired, 7);
    assert_int_equal(removed_count, 0);
    retired_make_way(retired, 2);
    assert_int_equal(removed_count, 1);
    while (retired_wait_ms(retired) >= 0)
        retired_turn(retired, true, 100, 1001);
    assert_int_equal(removed_count, 3); /* the second one is not removed again */
    assert_int_equal(removed[0], 2);
    assert_int_equal(removed[1], 1);
    assert_int_equal(removed[2], 3);
}

static void without_a_pid_namespace_at_once(void **state)
{
    struct retired *retired = begin();
    (void)state;

    jail.report[LAYER_PID_NAMESPACE].active = false;
    retired_add(retired, 5, 1000);
    assert_int_equal(removed_count, 1);
    assert_int_equal(retired_wait_ms(retired), -1);
}

static void without_groups_nothing(void **state)
{
    struct retired *retired = begin();
    (void)state;

    jail.cgroup_version = 0;
    retired_add(retired, 5, 1000);
    assert_int_equal(removed_count, 0);
    assert_int_equal(retired_wait_ms(retired), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_quiet),
        cmocka_unit_test(something_to_do_makes_it_wait_again),
        cmocka_unit_test(where_it_is_never_quiet_the_late_go),
        cmocka_unit_test(as_many_wait_as_have_ended),
        cmocka_unit_test(where_others_take_their_place_few_wait),
        cmocka_unit_test(their_number_has_a_limit),
        cmocka_unit_test(a_number_that_comes_again_finds_nothing),
        cmocka_unit_test(without_a_pid_namespace_at_once),
        cmocka_unit_test(without_groups_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
