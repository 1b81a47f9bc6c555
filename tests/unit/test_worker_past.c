/* Workers that are taken over from a server process before this one: what happens until all of them are there is not lost. The test is their init. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ear.h"
#include "fake_loop.h"
#include "fake_past.h"
#include "fdio.h"
#include "jail.h"

static struct ear       ear;
static struct fake_past past;

static void on_member(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS], void *arg)
{
    struct err err = {0};
    if (reply == NULL)
        return;
    ear.worker = worker_take_over(jail, reply, fds, *(bool *)arg, &ear_events, &ear, &err);
    assert_non_null(ear.worker);
}

static bool is_taken_over(void *arg)
{
    (void)arg;
    return ear.worker != NULL;
}

static void take_over(bool folded)
{
    static const struct worker_limits none  = {0};
    const struct zygote_message       found = {.session = 7, .pid = INT32_MAX};
    struct err                        err   = {0};

    ear = (struct ear){0};
    fake_past_init(&past);
    assert_int_equal(jail_take_over(ear_workers, &found, &none, past.server_fd, on_member, &folded, &err), 0);
    assert_true(fake_past_is_asked(&past, CONTROL_DESCRIPTORS));
    fake_past_introduce(&past);
    fake_run_until(ear_base, is_taken_over, NULL);
}

static bool is_ready(void *arg)
{
    (void)arg;
    return ear.ready > 0;
}

static int tear_down(void **state)
{
    fake_past_done(&past);
    bytes_done(&ear.text);
    return ear_tear_down(state);
}

static void send_ready(void)
{
    struct frame_head head = {.length = 2, .type = EVENT_READY};
    assert_int_equal(fdio_write_all(past.interpreter_ends[1], &head, sizeof head), 0);
    assert_int_equal(fdio_write_all(past.interpreter_ends[1], "{}", 2), 0);
}

static void open_it(void)
{
    struct err err = {0};
    assert_int_equal(worker_open(ear.worker, &err), 0);
}

/* It was folded, and says something before it is looked at: init sends its pipes, and watches no more. */
static void test_pipes_that_come_too_early_are_asked_for_again(void **state)
{
    (void)state;
    take_over(true);
    assert_true(fake_past_is_asked(&past, CONTROL_FOLD));
    send_ready();
    fake_past_unfold(&past);
    fake_run_for(ear_base, 20);
    assert_int_equal(ear.ready, 0);
    open_it();
    assert_true(fake_past_is_asked(&past, CONTROL_UNFOLD));
    fake_past_unfold(&past);
    fake_run_until(ear_base, is_ready, NULL);
}

static void test_a_folded_one_is_left_as_it_is(void **state)
{
    (void)state;
    take_over(true);
    assert_true(fake_past_is_asked(&past, CONTROL_FOLD));
    open_it();
    assert_false(fake_past_is_asked(&past, CONTROL_UNFOLD));
}

/* Its last words are with its init. */
static void test_the_death_of_a_folded_one_is_told_when_it_is_read(void **state)
{
    (void)state;
    take_over(true);
    assert_true(fake_past_is_asked(&past, CONTROL_FOLD));
    fake_past_say(&past, CONTROL_WORKER_EXITED, SIGKILL, NULL, 0);
    fake_run_for(ear_base, 20);
    assert_int_equal(ear.exits, 0);
    open_it();
    assert_true(fake_past_is_asked(&past, CONTROL_UNFOLD));
    fake_past_unfold(&past);
    fake_run_until(ear_base, ear_has_exited, &ear);
    assert_int_equal(ear.exit_status, SIGKILL);
}

static void test_the_death_of_another_is_told_at_once(void **state)
{
    (void)state;
    take_over(false);
    fake_past_say(&past, CONTROL_WORKER_EXITED, SIGKILL, NULL, 0);
    fake_run_until(ear_base, ear_has_exited, &ear);
    assert_int_equal(ear.exit_status, SIGKILL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ear_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pipes_that_come_too_early_are_asked_for_again),
        TEST(test_a_folded_one_is_left_as_it_is),
        TEST(test_the_death_of_a_folded_one_is_told_when_it_is_read),
        TEST(test_the_death_of_another_is_told_at_once),
    };
    return cmocka_run_group_tests_name("worker_past", tests, NULL, NULL);
}
