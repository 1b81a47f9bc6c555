/* Workers while descriptors are scarce: an idle one gives its pipes to init, and nothing that it says is lost. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bytes.h"
#include "ear.h"
#include "fake_loop.h"
#include "fake_zygote.h"
#include "fdio.h"
#include "wire.h"
#include "fold.h"
#include "worker_inner.h"
#include "workers.h"

static size_t open_count(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static bool fold(size_t count)
{
    return folds_make_room(workers_folds(ear_workers), count * FOLD_DESCRIPTORS);
}

static bool is_said(void *arg)
{
    return ((struct ear *)arg)->text.length >= strlen("therethere");
}

static void test_an_idle_worker_gives_its_pipes_away_and_gets_them_back(void **state)
{
    struct ear ear;
    size_t     before;
    (void)state;
    ear_spawn_ready(&ear);
    before = open_count();
    assert_true(fold(1));
    assert_int_equal(open_count(), before - FOLD_DESCRIPTORS);
    assert_false(fold(1)); /* it rests no more */
    for (uint64_t n = 1; n <= 3; n++) {
        ear.done = 0;
        ear_execute(&ear, n, "raw between ");
        assert_false(fold(1)); /* nor while it is used */
        fake_run_until(ear_base, ear_is_done, &ear);
        ear_expect_text(&ear, "between after");
        assert_int_equal(open_count(), before);
        assert_true(fold(1));
    }
    assert_string_equal(ear.order, "RFDRFDRFD");
    ear_end(&ear);
}

static void test_what_is_said_while_folded_is_heard(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "folded there");
    fake_run_until(ear_base, ear_is_done, &ear);
    assert_true(fold(1));
    fake_run_until(ear_base, is_said, &ear);
    ear_expect_text(&ear, "therethere");
    assert_string_equal(ear.order, "DRF");
    assert_true(fold(1));
    ear_end(&ear);
}

static void test_one_that_is_paused_is_not_woken_by_what_it_says(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "folded unread ");
    fake_run_until(ear_base, ear_is_done, &ear);
    worker_pause(ear.worker);
    assert_true(fold(1));
    fake_run_for(ear_base, 30);
    assert_int_equal(ear.text.length, 0);
    ear.done = 0;
    ear_execute(&ear, 2, "print until now"); /* reads again, and asks */
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_expect_text(&ear, "unread unread until now\n");
    ear_end(&ear);
}

static void test_an_interpreter_that_dies_folded_is_mourned_when_its_last_words_are_read(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    ear_spawn_ready(&ear);
    assert_true(fold(1));
    worker_kill_interpreter(ear.worker);
    fake_run_until(ear_base, ear_has_exited, &ear);
    assert_int_equal(ear.exit_status, SIGKILL);
    assert_int_equal(worker_state(ear.worker), WORKER_ABSENT);
    assert_int_equal(worker_execute(ear.worker, 1, NULL, 0, "ok", 2, &err), -1);
    worker_respawn(ear.worker);
    fake_run_until(ear_base, ear_is_ready_again, &ear);
    assert_true(fold(1));
    ear_execute(&ear, 2, "exit 3"); /* asked for, and dead before the answer */
    ear.exits = 0;
    fake_run_until(ear_base, ear_has_exited, &ear);
    assert_int_equal(ear.exit_status, 3 << 8);
    assert_false(fold(1));
    ear_end(&ear);
}

static bool has_died(void *arg)
{
    return ((struct worker *)arg)->has_exited;
}

static void test_one_that_has_ended_in_time_is_not_late_because_its_pipes_are(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "lose 1000");
    fake_run_until(ear_base, ear_is_done, &ear);
    assert_true(fold(1));
    worker_kill_interpreter(ear.worker);
    assert_true(evtimer_pending(&ear.worker->timer, NULL));
    fake_run_until(ear_base, has_died, ear.worker);
    assert_false(evtimer_pending(&ear.worker->timer, NULL)); /* for the pipes there is another limit */
    assert_int_equal(ear.exits, 0);
    ear_end(&ear);
}

static void test_descriptors_that_find_no_room_are_asked_for_again(void **state)
{
    struct ear ear, other;
    (void)state;
    ear_spawn_ready(&other);
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "lose 2");
    fake_run_until(ear_base, ear_is_done, &ear);
    assert_true(fold(2));
    ear_execute(&other, 1, "ok");
    fake_run_until(ear_base, ear_is_done, &other);
    ear_expect_print(&ear, 2, "at last");
    assert_false(fold(2)); /* the other has made room */
    worker_release(other.worker);
    ear_end(&ear);
}

static void test_a_folded_worker_can_be_released(void **state)
{
    struct ear ears[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        ear_spawn_ready(&ears[i]);
    assert_true(fold(3));
    worker_release(ears[0].worker);
    ear_execute(&ears[1], 1, "wait");
    worker_release(ears[1].worker); /* asked for */
    worker_end(ears[2].worker, "enough");
    fake_run_until(ear_base, ear_is_gone, &ears[2]);
    fake_run_until(ear_base, ear_is_empty, NULL);
}

static void test_the_least_recently_used_goes_first(void **state)
{
    struct ear ears[4];
    struct err err = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        ear_spawn_ready(&ears[i]);
    for (int i = 3; i >= 0; i--) {
        ear_execute(&ears[i], 1, "ok");
        fake_run_until(ear_base, ear_is_done, &ears[i]);
        ears[i].done = 0;
    }
    assert_true(fold(2)); /* 3 and 2 */
    assert_int_equal(folds_resting(workers_folds(ear_workers)), 2);
    ear_execute(&ears[0], 2, "ok"); /* has its pipes */
    ear_execute(&ears[1], 2, "ok");
    assert_int_equal(folds_resting(workers_folds(ear_workers)), 0);
    fake_run_until(ear_base, ear_is_done, &ears[0]);
    fake_run_until(ear_base, ear_is_done, &ears[1]);
    assert_int_equal(folds_resting(workers_folds(ear_workers)), 2);
    assert_int_equal(worker_execute(ears[3].worker, 2, NULL, 0, "ok", 2, &err), 0);
    for (int i = 0; i < 3; i++)
        worker_release(ears[i].worker);
    ear_end(&ears[3]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ear_set_up, ear_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_idle_worker_gives_its_pipes_away_and_gets_them_back),
        TEST(test_what_is_said_while_folded_is_heard),
        TEST(test_one_that_is_paused_is_not_woken_by_what_it_says),
        TEST(test_an_interpreter_that_dies_folded_is_mourned_when_its_last_words_are_read),
        TEST(test_one_that_has_ended_in_time_is_not_late_because_its_pipes_are),
        TEST(test_descriptors_that_find_no_room_are_asked_for_again),
        TEST(test_a_folded_worker_can_be_released),
        TEST(test_the_least_recently_used_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
