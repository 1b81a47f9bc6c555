/* Sessions: how they begin and end, how many there may be, and that nothing is left of them. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"
#include "sessions_private.h"

static void on_gone(void *arg)
{
    *(int *)arg += 1;
}

static bool is_positive(void *arg)
{
    return *(int *)arg > 0;
}

static void test_deleting_ends_all_of_it(void **state)
{
    struct session             *session = fake_core_session(&core, NULL);
    struct id                   id      = *session_id(session);
    const struct ended_session *ended;
    struct fake_run             running, waiting;
    int                         gone = 0;
    (void)state;
    assert_true(fake_core_submit(&core, session, "stubborn", 0, &running));
    assert_true(fake_core_submit(&core, session, "print waiting", 0, &waiting));
    session_end(session, "deleted", on_gone, &gone);
    assert_int_equal(running.results + waiting.results, 2); /* at once */
    assert_string_equal(fake_result_text(&running, "status"), "killed");
    assert_non_null(strstr(fake_result_error(&running, "message"), "deleted"));
    assert_null(sessions_find(core.sessions, &id));
    ended = sessions_find_ended(core.sessions, &id);
    assert_non_null(ended);
    assert_string_equal(ended->reason, "deleted");
    fake_run_until(core.base, is_positive, &gone);
    fake_run_for(core.base, 30);
    assert_int_equal(gone, 1);
    fake_run_done(&running);
    fake_run_done(&waiting);
}

static bool is_over(void *arg)
{
    return sessions_find(core.sessions, arg) == NULL;
}

static void test_idle_sessions_expire_and_busy_ones_do_not(void **state)
{
    struct session_request request = {.idle_timeout_ms = 30};
    struct session        *busy    = fake_core_session(&core, &request), *idle;
    struct id              idle_id, busy_id = *session_id(busy);
    struct fake_run        run;
    (void)state;
    assert_true(fake_core_submit(&core, busy, "wait", 0, &run));
    idle    = fake_core_session(&core, &request);
    idle_id = *session_id(idle);
    fake_run_until(core.base, is_over, &idle_id);
    assert_string_equal(sessions_find_ended(core.sessions, &idle_id)->reason, "expired");
    assert_non_null(sessions_find(core.sessions, &busy_id));
    session_interrupt(busy);
    fake_run_wait(&run);
    fake_run_done(&run);
    fake_run_until(core.base, is_over, &busy_id);
}

static void test_an_id_of_the_callers_choice(void **state)
{
    struct session_request request = {.has_id = true};
    struct session        *session;
    struct err             err = {0};
    (void)state;
    assert_true(id_parse("01234567-89AB-4def-8123-456789abcdef", &request.id));
    session = fake_core_session(&core, &request);
    assert_ptr_equal(sessions_find(core.sessions, &request.id), session);
    assert_int_equal(sessions_create(core.sessions, &request, NULL, NULL, &err), -1);
    assert_int_equal(err.code, EEXIST);
}

static void count_session(struct session *session, const char *reason, void *arg)
{
    (void)reason;
    *(int *)arg += session != NULL ? 1 : 100;
}

static bool are_two(void *arg)
{
    return *(int *)arg >= 2;
}

static void test_two_who_ask_for_one_id_get_one_session(void **state)
{
    struct session_request request = {.has_id = true, .limits = {.processes = 5}}; /* which the pool does not have */
    struct err             err     = {0};
    int                    told = 0, left = 0;
    (void)state;
    id_make(&request.id);
    assert_int_equal(sessions_create(core.sessions, &request, count_session, &told, &err), 0);
    assert_int_equal(sessions_create(core.sessions, &request, count_session, &told, &err), 0);
    assert_int_equal(sessions_create(core.sessions, &request, count_session, &left, &err), 0);
    sessions_cancel(core.sessions, &left);
    fake_run_until(core.base, are_two, &told);
    assert_int_equal(told, 2);
    assert_int_equal(left, 0);
    assert_int_equal(sessions_count(core.sessions), 1);
}

static void test_a_session_nobody_waits_for_any_more_is_not_made(void **state)
{
    struct session_request request = {.limits = {.processes = 5}};
    struct err             err     = {0};
    int                    told    = 0;
    (void)state;
    assert_int_equal(sessions_create(core.sessions, &request, count_session, &told, &err), 0);
    sessions_cancel(core.sessions, &told);
    fake_run_for(core.base, 50);
    assert_int_equal(told, 0);
    assert_int_equal(sessions_count(core.sessions), 0);
}

static int set_up_nothing(void **state)
{
    (void)state;
    fake_core_init(&core);
    return 0;
}

static int set_up_small(void **state)
{
    (void)state;
    fake_core_init(&core);
    core.settings.max_sessions = 2;
    core.settings.max_running  = 1;
    fake_core_start(&core);
    return 0;
}

static void test_the_limit_of_sessions(void **state)
{
    struct session *first = fake_core_session(&core, NULL);
    (void)state;
    assert_non_null(fake_core_session(&core, NULL));
    assert_null(fake_core_session(&core, NULL));
    session_end(first, "deleted", NULL, NULL);
    assert_non_null(fake_core_session(&core, NULL));
}

static void test_the_limit_of_running_executions(void **state)
{
    struct session *one = fake_core_session(&core, NULL), *other = fake_core_session(&core, NULL);
    struct fake_run first, second;
    (void)state;
    assert_true(fake_core_submit(&core, one, "wait", 0, &first));
    assert_true(fake_core_submit(&core, other, "print x", 0, &second));
    fake_run_for(core.base, 30);
    assert_int_equal(second.results, 0);
    assert_int_equal(sessions_totals(core.sessions).running, 1);
    assert_int_equal(sessions_totals(core.sessions).queued, 1);
    session_interrupt(one);
    fake_run_wait(&second);
    assert_string_equal(fake_result_text(&second, "status"), "ok");
    fake_run_done(&first);
    fake_run_done(&second);
    assert_int_equal(sessions_totals(core.sessions).running, 0);
}

static void test_draining_waits_for_what_runs(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run first, second;
    int             idle = 0;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &first));
    assert_true(fake_core_submit(&core, session, "print last", 0, &second));
    fake_run_for(core.base, 20);
    sessions_drain(core.sessions, on_gone, &idle);
    assert_int_equal(idle, 0);
    session_interrupt(session);
    fake_run_until(core.base, is_positive, &idle);
    assert_int_equal(first.results + second.results, 2);
    assert_string_equal(fake_result_text(&second, "status"), "ok");
    fake_run_done(&first);
    fake_run_done(&second);
    idle = 0;
    sessions_drain(core.sessions, on_gone, &idle);
    assert_int_equal(idle, 1); /* nothing runs: at once */
}

static void test_many_executions_are_not_kept_for_ever(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct id       first_id;
    struct fake_run run;
    (void)state;
    for (int i = 0; i < 600; i++) {
        assert_true(fake_core_submit(&core, session, "print x", 0, &run));
        if (i == 0)
            first_id = *execution_id(run.execution);
        fake_run_wait(&run);
        fake_run_done(&run);
    }
    assert_null(sessions_find_execution(core.sessions, &first_id));
    assert_int_equal(sessions_totals(core.sessions).executions, 600);
}

/* Makes a session, runs something in it, and waits until nothing of it is left. */
static void live_and_end(int times)
{
    struct fake_run run;
    for (int i = 0; i < times; i++) {
        struct session *session = fake_core_session(&core, NULL);
        int             gone    = 0;
        fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
        fake_run_done(&run);
        session_end(session, "deleted", on_gone, &gone);
        fake_run_until(core.base, is_positive, &gone);
    }
}

/* What is known of ended ones is a record of less than 300 bytes each, whose number test_ended.c holds to its limit. */
static void test_sessions_leave_no_memory_behind(void **state)
{
    enum { CYCLES = 1000, RECORD_BYTES = 300, SLACK_BYTES = 65536 };
    size_t before, after;
    (void)state;
    live_and_end(200);
    before = mallinfo2().uordblks;
    live_and_end(CYCLES);
    after = mallinfo2().uordblks;
    assert_true(after <= before + (size_t)CYCLES * RECORD_BYTES + SLACK_BYTES);
}

static void count_hibernated(void *session, void *arg)
{
    struct session_info info;
    session_get_info(session, &info);
    *(size_t *)arg += info.hibernated;
}

/* Each costs the zygote a fork, and the kernel a look at all of its memory. */
static void test_thousands_do_not_hibernate_in_one_moment(void **state)
{
    static struct policies policies;
    const size_t           all   = 2 * SESSIONS_HIBERNATE_AT_ONCE;
    size_t                 count = 0;
    (void)state;
    policies                    = *core.settings.policies;
    policies.hibernate_after_ms = 0;
    core.settings.policies      = &policies;
    fake_core_start(&core);
    for (size_t i = 0; i < all; i++)
        assert_non_null(fake_core_session(&core, NULL));
    fake_run_for(core.base, 50);
    policies.hibernate_after_ms = 1;
    sessions_sweep(core.sessions);
    sessions_each(core.sessions, count_hibernated, &count);
    assert_int_equal(count, SESSIONS_HIBERNATE_AT_ONCE);
    sessions_sweep(core.sessions);
    count = 0;
    sessions_each(core.sessions, count_hibernated, &count);
    assert_int_equal(count, all);
}

static void assert_was_asked_to_shed(struct session *session, const char *times)
{
    struct fake_run run;
    assert_true(fake_core_submit(&core, session, "shed", 0, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_output(&run, "stdout"), times);
    fake_run_done(&run);
}

/* What a first cell needs is kept for who runs one at once, and asked back once from who does not. */
static void test_only_what_has_run_nothing_sheds_and_once(void **state)
{
    struct session *unused = fake_core_session(&core, NULL), *used = fake_core_session(&core, NULL);
    struct timespec now;
    int64_t         now_ms;
    (void)state;
    assert_was_asked_to_shed(used, "0");
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    assert_false(session_shed(unused, now_ms));
    assert_true(session_shed(unused, now_ms + 3600000));
    assert_false(session_shed(unused, now_ms + 3600000));
    assert_false(session_shed(used, now_ms + 3600000));
    assert_was_asked_to_shed(unused, "1");
    assert_was_asked_to_shed(used, "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deleting_ends_all_of_it, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_idle_sessions_expire_and_busy_ones_do_not, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_an_id_of_the_callers_choice, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_two_who_ask_for_one_id_get_one_session, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_nobody_waits_for_any_more_is_not_made, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_of_sessions, set_up_small, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_of_running_executions, set_up_small, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_draining_waits_for_what_runs, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_thousands_do_not_hibernate_in_one_moment, set_up_nothing, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_only_what_has_run_nothing_sheds_and_once, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_many_executions_are_not_kept_for_ever, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_leave_no_memory_behind, fake_core_set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
