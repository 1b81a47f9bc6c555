/* Workers over a fake zygote: their life, their death, and that what a hostile one says ends its jail and nothing else. */
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
#include "workers.h"

static void test_a_cell(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 5, "print hello");
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_expect_text(&ear, "hello\n");
    assert_string_equal(ear.order, "FD");
    assert_int_equal(worker_state(ear.worker), WORKER_IDLE);
    ear_end(&ear);
    assert_int_equal(ear.gone, 0); /* released: nobody is told */
}

static void test_two_at_once_are_refused(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "wait");
    assert_int_equal(worker_execute(ear.worker, 2, NULL, 0, "ok", 2, &err), -1);
    assert_int_equal(worker_input(ear.worker, "x", 1, &err), -1);
    ear_end(&ear);
}

static void test_interrupt(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "wait");
    fake_run_until(ear_base, ear_has_begun, &ear);
    worker_interrupt(ear.worker);
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_end(&ear);
}

static void test_a_long_cell_goes_in_parts(void **state)
{
    static char code[300000];
    struct ear  ear;
    (void)state;
    memset(code, 'z', sizeof code - 1);
    memcpy(code, "print ", 6);
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, code);
    fake_run_until(ear_base, ear_is_done, &ear);
    assert_true(ear.text.length > 60000);
    ear_end(&ear);
}

static void test_raw_text_keeps_its_order(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    for (uint64_t i = 1; i < 50; i++) {
        ear.done = 0;
        memset(ear.order, 0, sizeof ear.order);
        ear_execute(&ear, i, "raw before");
        fake_run_until(ear_base, ear_is_done, &ear);
        ear_expect_text(&ear, "beforeafter");
        assert_string_equal(ear.order, "RFD");
    }
    ear_end(&ear);
}

static void test_a_flood_is_taken_in_turns(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "flood 5000");
    fake_run_until(ear_base, ear_is_done, &ear);
    assert_int_equal(ear.text.length, 5000000);
    ear_end(&ear);
}

static void expect_death(const char *code, int status)
{
    struct ear ear;
    ear_spawn_ready(&ear);
    ear.respawn_on_exit = true;
    ear_execute(&ear, 1, code);
    fake_run_until(ear_base, ear_is_ready_again, &ear);
    assert_int_equal(ear.exits, 1);
    assert_int_equal(ear.exit_status, status);
    assert_int_equal(ear.gone, 0);
    ear_execute(&ear, 2, "print again"); /* the same jail, a fresh interpreter */
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_expect_text(&ear, "again\n");
    ear_end(&ear);
}

static void test_an_interpreter_that_dies_is_replaced(void **state)
{
    (void)state;
    expect_death("exit 3", 3 << 8);
    expect_death("signal 11", SIGSEGV);
}

static void test_half_a_frame_does_not_spoil_the_next_interpreter(void **state)
{
    (void)state;
    expect_death("half", SIGSEGV);
}

static void test_killing_the_interpreter(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "stubborn");
    fake_run_until(ear_base, ear_has_begun, &ear);
    worker_interrupt(ear.worker);
    fake_run_for(ear_base, 30);
    assert_int_equal(ear.done + ear.exits, 0);
    worker_kill_interpreter(ear.worker);
    fake_run_until(ear_base, ear_has_exited, &ear);
    assert_int_equal(worker_state(ear.worker), WORKER_ABSENT);
    ear_end(&ear);
}

static void test_an_interpreter_that_cannot_be_killed_costs_its_jail(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "mute");
    fake_run_until(ear_base, ear_has_begun, &ear);
    worker_kill_interpreter(ear.worker);
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_non_null(strstr(ear.death.reason, "did not end"));
    fake_run_until(ear_base, ear_is_empty, NULL);
}

static void test_hostile_frames_end_the_jail_with_a_reason(void **state)
{
    static const char *const codes[] = {"junk", "giant", "unknown", "flags", "early", "other", "twice"};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct ear ear, neighbour;
        ear_spawn_ready(&neighbour);
        ear_spawn_ready(&ear);
        ear_execute(&ear, 1, codes[i]);
        fake_run_until(ear_base, ear_is_gone, &ear);
        assert_true(ear.death.reason[0] != '\0');
        assert_int_equal(ear.exits, 0);
        bytes_done(&ear.text);
        ear_execute(&neighbour, 1, "print fine");
        fake_run_until(ear_base, ear_is_done, &neighbour);
        ear_expect_text(&neighbour, "fine\n");
        ear_end(&neighbour);
    }
}

static void test_a_jail_that_ends_says_its_last_words_first(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "gone");
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_true(WIFEXITED(ear.death.status) && WEXITSTATUS(ear.death.status) == 7);
    assert_string_equal(ear.death.reason, "");
    assert_string_equal(ear.order, "G");
    fake_run_until(ear_base, ear_is_empty, NULL);
}

static void test_a_spawn_that_fails(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&ear_fake, 'F', 1);
    fake_run_for(ear_base, 20);
    ear_spawn(&ear);
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_true(ear.death.spawn_failed);
    assert_string_equal(ear.death.reason, "told to fail");
}

static void test_a_spawn_without_its_descriptors(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&ear_fake, 'N', 1);
    fake_run_for(ear_base, 20);
    ear_spawn(&ear);
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_true(ear.death.spawn_failed);
    assert_non_null(strstr(ear.death.reason, "open files"));
}

static void test_a_session_that_dies_before_it_is_ready(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&ear_fake, 'D', 1);
    fake_run_for(ear_base, 20);
    ear_spawn(&ear);
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_int_equal(ear.ready, 0);
    fake_run_until(ear_base, ear_is_empty, NULL);
}

static void test_release_at_every_moment(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn(&ear);
    worker_release(ear.worker); /* before it is made */
    fake_run_until(ear_base, ear_is_empty, NULL);
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "flood 100");
    ear.release_on_frame = true; /* inside a callback */
    fake_run_until(ear_base, ear_is_empty, NULL);
    assert_int_equal(ear.gone, 0);
    bytes_done(&ear.text);
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "exit 0");
    fake_run_until(ear_base, ear_has_exited, &ear);
    ear_end(&ear); /* while the interpreter is absent */
}

static void test_ending_tells_the_reason(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    worker_end(ear.worker, "because");
    assert_int_equal(ear.gone, 0); /* not before its processes are gone */
    fake_run_until(ear_base, ear_is_gone, &ear);
    assert_string_equal(ear.death.reason, "because");
}

static void test_a_zygote_that_does_not_kill(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    fake_zygote_command(&ear_fake, 'K', 1);
    fake_run_for(ear_base, 20);
    worker_end(ear.worker, "because");
    fake_run_until(ear_base, ear_is_gone, &ear); /* the owner is not kept waiting for ever */
}

static void test_stats(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    assert_true(worker_ask_stats(ear.worker));
    fake_run_until(ear_base, ear_has_stats, &ear);
    ear_end(&ear);
}

static void test_the_zygote_may_die(void **state)
{
    struct ear living, unborn;
    struct err err = {0};
    (void)state;
    ear_spawn_ready(&living);
    ear_ups = ear_downs = 0;
    assert_int_equal(kill(ear_fake.pid, SIGSTOP), 0);
    ear_spawn(&unborn);
    fake_zygote_crash(&ear_fake);
    fake_run_until(ear_base, ear_is_gone, &unborn);
    assert_true(unborn.death.spawn_failed);
    assert_int_equal(ear_downs, 1);
    assert_false(worker_ask_stats(living.worker));
    ear_execute(&living, 1, "print alive");
    fake_run_until(ear_base, ear_is_done, &living);
    ear_expect_text(&living, "alive\n");

    fake_zygote_start(&ear_fake, true);
    assert_int_equal(workers_attach_zygote(ear_workers, ear_fake.socket_fd, &err), 0);
    fake_run_until(ear_base, ear_is_up, NULL);
    worker_end(living.worker, "adopted"); /* by the new one, which can end it */
    fake_run_until(ear_base, ear_is_gone, &living);
    assert_string_equal(living.death.reason, "adopted");
}

static bool is_down(void *arg)
{
    return !ear_is_up(arg);
}

static void test_sessions_can_be_ended_while_the_zygote_is_away(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    fake_zygote_crash(&ear_fake);
    fake_run_until(ear_base, is_down, NULL);
    worker_end(ear.worker, "alone");
    fake_run_until(ear_base, ear_is_gone, &ear);
}

static void test_what_the_zygote_should_not_say(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&ear_fake, 'U', 0); /* logged, and ignored */
    ear_spawn_ready(&ear);
    ear_downs = 0;
    fake_zygote_command(&ear_fake, 'B', 0); /* the connection can't be trusted any more */
    fake_run_until(ear_base, is_down, NULL);
    assert_int_equal(ear_downs, 1);
    assert_false(workers_zygote_is_up(ear_workers));
    ear_end(&ear);
}

static void test_input(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "input");
    while (worker_state(ear.worker) != WORKER_INPUT)
        fake_run_for(ear_base, 5);
    assert_int_equal(worker_input(ear.worker, "Ada", 3, &err), 0);
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_expect_text(&ear, "Ada");
    ear_end(&ear);
}

static bool has_text(void *arg)
{
    return ear_is_done(arg) && ((struct ear *)arg)->text.length > 0;
}

static void test_late_text_is_heard_and_can_be_held_back(void **state)
{
    struct ear ear;
    (void)state;
    ear_spawn_ready(&ear);
    ear_execute(&ear, 1, "late there");
    fake_run_until(ear_base, has_text, &ear);
    ear_expect_text(&ear, "there");
    ear.done = 0;
    worker_pause(ear.worker);
    ear_execute(&ear, 2, "ok"); /* a new cell reads again */
    fake_run_until(ear_base, ear_is_done, &ear);
    ear_end(&ear);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ear_set_up, ear_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cell),
        TEST(test_two_at_once_are_refused),
        TEST(test_interrupt),
        TEST(test_a_long_cell_goes_in_parts),
        TEST(test_raw_text_keeps_its_order),
        TEST(test_a_flood_is_taken_in_turns),
        TEST(test_an_interpreter_that_dies_is_replaced),
        TEST(test_half_a_frame_does_not_spoil_the_next_interpreter),
        TEST(test_killing_the_interpreter),
        TEST(test_an_interpreter_that_cannot_be_killed_costs_its_jail),
        TEST(test_hostile_frames_end_the_jail_with_a_reason),
        TEST(test_a_jail_that_ends_says_its_last_words_first),
        TEST(test_a_spawn_that_fails),
        TEST(test_a_spawn_without_its_descriptors),
        TEST(test_a_session_that_dies_before_it_is_ready),
        TEST(test_release_at_every_moment),
        TEST(test_ending_tells_the_reason),
        TEST(test_a_zygote_that_does_not_kill),
        TEST(test_stats),
        TEST(test_the_zygote_may_die),
        TEST(test_sessions_can_be_ended_while_the_zygote_is_away),
        TEST(test_what_the_zygote_should_not_say),
        TEST(test_input),
        TEST(test_late_text_is_heard_and_can_be_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
