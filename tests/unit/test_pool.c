/* The pool: full when nothing else is to be done, fair when it is empty, patient when spawns fail. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"
#include "zygote_client.h"

static int set_up(void **state)
{
    (void)state;
    fake_core_init(&core);
    core.pool_size = 4;
    fake_core_start(&core);
    return 0;
}

static int set_up_empty(void **state)
{
    (void)state;
    fake_core_init(&core);
    core.pool_size = 0;
    fake_core_start(&core);
    return 0;
}

/* One who waits. */
struct hope {
    struct worker *worker;
    int            told, order;
    char           reason[128];
};

static int answered;

static void on_worker(struct worker *worker, const char *reason, void *arg)
{
    struct hope *hope = arg;
    hope->worker      = worker;
    hope->order       = ++answered;
    hope->told++;
    if (worker == NULL)
        strncpy(hope->reason, reason, sizeof hope->reason - 1);
}

static bool is_told(void *arg)
{
    return ((struct hope *)arg)->told > 0;
}

static bool is_full(void *arg)
{
    (void)arg;
    return pool_ready_count(core.pool) == 4;
}

static bool is_less(void *arg)
{
    (void)arg;
    return pool_ready_count(core.pool) < 4;
}

static struct pool_claim *wait_for(struct hope *hope, const struct worker_limits *limits)
{
    struct err         err = {0};
    struct pool_claim *claim;
    *hope = (struct hope){0};
    claim = pool_wait(core.pool, limits, on_worker, hope, &err);
    assert_non_null(claim);
    assert_int_equal(hope->told, 0); /* never before it returns */
    return claim;
}

static void test_taking_refills(void **state)
{
    struct worker *taken[4];
    (void)state;
    for (int i = 0; i < 4; i++) {
        taken[i] = pool_take(core.pool);
        assert_non_null(taken[i]);
        assert_int_equal(worker_state(taken[i]), WORKER_IDLE);
    }
    assert_null(pool_take(core.pool));
    fake_run_until(core.base, is_full, NULL);
    fake_run_for(core.base, 50);
    assert_int_equal(pool_ready_count(core.pool), 4); /* and no more */
    assert_int_equal(workers_count(core.workers), 8);
    for (int i = 0; i < 4; i++)
        worker_release(taken[i]);
}

static void test_a_ready_one_that_dies_is_replaced(void **state)
{
    (void)state;
    fake_zygote_command(&core.zygote, 'X', 0); /* the oldest session ends */
    fake_run_until(core.base, is_less, NULL);
    fake_run_until(core.base, is_full, NULL);
}

static void test_waiters_are_served_in_turn(void **state)
{
    struct hope hopes[30];
    (void)state;
    answered = 0;
    for (int i = 0; i < 30; i++)
        (void)wait_for(&hopes[i], NULL);
    fake_run_until(core.base, is_told, &hopes[29]);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(hopes[i].order, i + 1);
        assert_non_null(hopes[i].worker);
        worker_release(hopes[i].worker);
    }
}

static void test_a_waiter_may_leave(void **state)
{
    struct hope        stays, leaves;
    struct pool_claim *claim;
    (void)state;
    claim = wait_for(&leaves, NULL);
    (void)wait_for(&stays, NULL);
    pool_cancel(claim);
    fake_run_until(core.base, is_told, &stays);
    fake_run_for(core.base, 30);
    assert_int_equal(leaves.told, 0);
    worker_release(stays.worker);
}

static void test_own_limits_are_spawned_for_their_waiter(void **state)
{
    struct worker_limits limits = {.processes = 7};
    struct hope          own, leaves, plain;
    struct pool_claim   *claim;
    (void)state;
    (void)wait_for(&own, &limits);
    claim = wait_for(&leaves, &limits);
    pool_cancel(claim);
    (void)wait_for(&plain, NULL);
    fake_run_until(core.base, is_told, &own);
    fake_run_until(core.base, is_told, &plain);
    assert_int_equal(leaves.told, 0);
    worker_release(own.worker);
    worker_release(plain.worker);
}

static bool are_asked_for(void *arg)
{
    return pool_spawning_count(core.pool) == *(size_t *)arg;
}

static void test_who_waits_behind_those_that_leave_has_their_place(void **state)
{
    struct worker_limits limits = {.processes = 7};
    struct hope          hopes[16], last;
    struct pool_claim   *claims[16];
    size_t               at_once = 16;
    (void)state;
    fake_zygote_command(&core.zygote, 'S', 16); /* none of them is ever ready */
    for (size_t i = 0; i < at_once; i++)
        claims[i] = wait_for(&hopes[i], &limits);
    (void)wait_for(&last, &limits);
    fake_run_until(core.base, are_asked_for, &at_once); /* no more are made at the same time */
    fake_run_for(core.base, 20);
    for (size_t i = 0; i < at_once; i++)
        pool_cancel(claims[i]);
    fake_run_until(core.base, is_told, &last);
    assert_non_null(last.worker);
    worker_release(last.worker);
}

static void test_a_failed_spawn_is_told_and_tried_again(void **state)
{
    struct hope hope;
    (void)state;
    fake_zygote_command(&core.zygote, 'F', 1);
    fake_run_for(core.base, 20);
    (void)wait_for(&hope, NULL);
    fake_run_until(core.base, is_told, &hope);
    assert_null(hope.worker);
    assert_string_equal(hope.reason, "told to fail");
    assert_string_equal(pool_failure(core.pool), "told to fail");
    (void)wait_for(&hope, NULL);
    fake_run_until(core.base, is_told, &hope);
    assert_non_null(hope.worker);
    assert_null(pool_failure(core.pool));
    worker_release(hope.worker);
}

/* It may be that nobody could live with them. */
static void test_what_fails_with_limits_of_its_own_holds_up_nobody_else(void **state)
{
    struct worker_limits limits = {.processes = 7};
    struct hope          own;
    (void)state;
    fake_zygote_command(&core.zygote, 'D', 1);
    fake_run_for(core.base, 20);
    (void)wait_for(&own, &limits);
    fake_run_until(core.base, is_told, &own);
    assert_null(own.worker);
    assert_null(pool_failure(core.pool));
}

static void test_sessions_that_die_at_birth(void **state)
{
    struct hope hope;
    (void)state;
    fake_zygote_command(&core.zygote, 'D', 1);
    fake_run_for(core.base, 20);
    (void)wait_for(&hope, NULL);
    fake_run_until(core.base, is_told, &hope);
    assert_null(hope.worker);
    assert_true(hope.reason[0] != '\0');
}

static void test_waiting_outlives_a_zygote(void **state)
{
    struct hope hope;
    (void)state;
    assert_int_equal(kill(core.zygote.pid, SIGSTOP), 0);
    (void)wait_for(&hope, NULL);
    fake_run_for(core.base, 20); /* asked of the one that dies */
    fake_zygote_crash(&core.zygote);
    fake_run_for(core.base, 50);
    assert_int_equal(hope.told, 0);
    fake_core_new_zygote(&core);
    fake_run_until(core.base, is_told, &hope);
    assert_non_null(hope.worker);
    worker_release(hope.worker);
}

static void test_a_zygote_that_takes_no_more_is_asked_again(void **state)
{
    (void)state;
    assert_int_equal(kill(core.zygote.pid, SIGSTOP), 0);
    while (zygote_client_stats(workers_zygote(core.workers), UINT32_MAX) == 0) /* until the line to it is full */
        ;
    worker_release(pool_take(core.pool));
    fake_run_for(core.base, 100);
    assert_int_equal(pool_spawning_count(core.pool), 0);
    assert_int_equal(kill(core.zygote.pid, SIGCONT), 0);
    fake_run_until(core.base, is_full, NULL);
}

static void test_stopping_tells_who_waits(void **state)
{
    struct worker_limits limits = {.processes = 7};
    struct hope          plain, own;
    (void)state;
    (void)wait_for(&plain, NULL);
    (void)wait_for(&own, &limits);
    pool_stop(core.pool);
    assert_int_equal(plain.told + own.told, 2);
    assert_null(plain.worker);
    fake_run_for(core.base, 50);
    assert_int_equal(pool_ready_count(core.pool), 0);
}

static void on_first(void *arg)
{
    *(int *)arg += 1;
}

static bool is_positive(void *arg)
{
    return *(int *)arg > 0;
}

static void test_the_first_is_told_once(void **state)
{
    int first = 0;
    (void)state;
    pool_on_first(core.pool, on_first, &first);
    worker_release(pool_take(core.pool));
    fake_run_until(core.base, is_positive, &first);
    worker_release(pool_take(core.pool));
    fake_run_until(core.base, is_full, NULL);
    assert_int_equal(first, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_taking_refills, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_ready_one_that_dies_is_replaced, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_waiters_are_served_in_turn, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_waiters_are_served_in_turn, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_waiter_may_leave, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_own_limits_are_spawned_for_their_waiter, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_who_waits_behind_those_that_leave_has_their_place, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_failed_spawn_is_told_and_tried_again, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_what_fails_with_limits_of_its_own_holds_up_nobody_else, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_that_die_at_birth, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_outlives_a_zygote, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_zygote_that_takes_no_more_is_asked_again, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_stopping_tells_who_waits, set_up_empty, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_first_is_told_once, set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
