/* When to tell, to ask, and to give a server process up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watchdog.h"

static void test_none(void **state)
{
    struct watchdog watchdog;
    (void)state;
    watchdog_init(&watchdog, 0, 1000);
    assert_int_equal(watchdog_act(&watchdog, true, 1000000), WATCHDOG_WAIT);
    assert_int_equal(watchdog.next_ms, 0);
}

static void test_one_that_answers(void **state)
{
    struct watchdog watchdog;
    (void)state;
    watchdog_init(&watchdog, 3000, 1000);
    for (int64_t now = 1000; now < 100000; now += 1000) {
        assert_int_equal(watchdog_act(&watchdog, true, now), WATCHDOG_ASK);
        assert_int_equal(watchdog_act(&watchdog, true, now), WATCHDOG_WAIT);
        watchdog_on_answer(&watchdog);
    }
}

static void test_one_that_does_not(void **state)
{
    struct watchdog watchdog;
    (void)state;
    watchdog_init(&watchdog, 3000, 1000);
    assert_int_equal(watchdog_act(&watchdog, true, 1000), WATCHDOG_ASK);
    assert_int_equal(watchdog_act(&watchdog, true, 2000), WATCHDOG_BEAT);
    assert_int_equal(watchdog_act(&watchdog, true, 3000), WATCHDOG_BEAT);
    assert_int_equal(watchdog_act(&watchdog, true, 4000), WATCHDOG_KILL);
}

/* The whole machine stood still: the server process has had no more time to answer than we to look. */
static void test_one_is_not_judged_by_the_time_in_which_nobody_ran(void **state)
{
    struct watchdog watchdog;
    (void)state;
    watchdog_init(&watchdog, 3000, 1000);
    assert_int_equal(watchdog_act(&watchdog, true, 1000), WATCHDOG_ASK);
    assert_int_equal(watchdog_act(&watchdog, true, 60000), WATCHDOG_BEAT);
    assert_int_equal(watchdog_act(&watchdog, true, 61000), WATCHDOG_BEAT);
    assert_int_equal(watchdog_act(&watchdog, true, 62000), WATCHDOG_KILL);
}

static void test_one_that_is_not_there_owes_nothing(void **state)
{
    struct watchdog watchdog;
    (void)state;
    watchdog_init(&watchdog, 3000, 1000);
    assert_int_equal(watchdog_act(&watchdog, true, 1000), WATCHDOG_ASK);
    for (int64_t now = 2000; now < 20000; now += 1000)
        assert_int_equal(watchdog_act(&watchdog, false, now), WATCHDOG_BEAT);
    assert_int_equal(watchdog_act(&watchdog, true, 20000), WATCHDOG_ASK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_one_that_answers),
        cmocka_unit_test(test_one_that_does_not),
        cmocka_unit_test(test_one_is_not_judged_by_the_time_in_which_nobody_ran),
        cmocka_unit_test(test_one_that_is_not_there_owes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
