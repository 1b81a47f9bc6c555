/* A session: its queue, its options, what it says of itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"

static void test_executions_count_up(void **state)
{
    struct session     *session = fake_core_session(&core, NULL);
    struct session_info info;
    struct fake_run     run;
    (void)state;
    for (int i = 1; i <= 3; i++) {
        fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
        assert_true(json_number_value(json_object_get(run.result, "executionCount")) == i);
        fake_run_done(&run);
    }
    session_get_info(session, &info);
    assert_int_equal(info.executions, 3);
    assert_false(info.busy);
    assert_int_equal(info.cpu_us, 6000);
    assert_int_equal(info.memory_bytes, 1000000);
}

static void test_the_queue_is_first_in_first_out_and_has_an_end(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run first, waiting[8], refused;
    char            code[32], text[16];
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &first));
    for (int i = 0; i < 8; i++) {
        (void)snprintf(code, sizeof code, "print %d", i);
        assert_true(fake_core_submit(&core, session, code, 0, &waiting[i]));
        assert_int_equal(execution_status(waiting[i].execution), EXECUTION_QUEUED);
    }
    assert_false(fake_core_submit(&core, session, "print no", 0, &refused));
    assert_int_equal(refused.err.code, ENOBUFS);
    fake_run_for(core.base, 20);
    execution_interrupt(first.execution);
    for (int i = 0; i < 8; i++) {
        fake_run_wait(&waiting[i]);
        assert_int_equal(waiting[i].order, i + 2); /* the one they waited for was the first */
        (void)snprintf(text, sizeof text, "%d\n", i);
        assert_string_equal(fake_result_output(&waiting[i], "stdout"), text);
        fake_run_done(&waiting[i]);
    }
    assert_string_equal(fake_result_text(&first, "status"), "interrupted");
    fake_run_done(&first);
}

static void test_busy_is_refused_when_waiting_is_not_wanted(void **state)
{
    struct session          *session = fake_core_session(&core, NULL);
    struct execution_request request = {.code = "ok", .code_length = 2, .timeout_ms = 1000};
    struct fake_run          first, second;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &first));
    assert_false(fake_core_submit_with(&core, session, &request, false, &second));
    assert_int_equal(second.err.code, EBUSY);
    fake_run_for(core.base, 20);
    assert_true(session_interrupt(session));
    fake_run_wait(&first);
    fake_run_done(&first);
    assert_false(session_interrupt(session)); /* of nothing */
    assert_true(fake_core_submit_with(&core, session, &request, false, &second));
    fake_run_wait(&second);
    fake_run_done(&second);
}

static void test_cancelling_in_the_queue(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run first, second, third;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &first));
    assert_true(fake_core_submit(&core, session, "print second", 0, &second));
    assert_true(fake_core_submit(&core, session, "print third", 0, &third));
    execution_interrupt(second.execution);
    assert_int_equal(second.results, 1);
    fake_run_wait(&second);
    assert_string_equal(fake_result_text(&second, "status"), "interrupted");
    assert_null(json_object_get(second.result, "executionCount"));
    fake_run_for(core.base, 20);
    execution_interrupt(first.execution);
    fake_run_wait(&third);
    fake_run_done(&first);
    fake_run_done(&second);
    fake_run_done(&third);
}

static void test_text_between_executions_goes_to_the_next(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    fake_core_run_ok(&core, session, "late tick ", "");
    fake_run_for(core.base, 30);
    fake_core_run_ok(&core, session, "print x", "tick x\n");
    fake_core_run_ok(&core, session, "print x", "x\n");
}

static void test_restart(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run running, waiting;
    (void)state;
    fake_core_run_ok(&core, session, "print x", "x\n");
    assert_true(fake_core_submit(&core, session, "stubborn", 0, &running));
    assert_true(fake_core_submit(&core, session, "print waiting", 0, &waiting));
    fake_run_for(core.base, 30);
    session_restart(session);
    session_restart(session); /* twice is fine */
    fake_run_wait(&running);
    fake_run_wait(&waiting);
    assert_string_equal(fake_result_text(&running, "status"), "killed");
    assert_string_equal(fake_result_text(&waiting, "status"), "killed");
    fake_run_done(&running);
    fake_run_done(&waiting);
    fake_core_run_ok(&core, session, "print fresh", "fresh\n");
}

static void test_options_of_the_session_reach_its_executions(void **state)
{
    json_t                *variables = json_pack("{s:i}", "x", 1), *environment = json_pack("{s:s}", "E", "1");
    struct session_request request = {.variables = variables, .environment = environment, .profile = "open"};
    struct session        *session = fake_core_session(&core, &request);
    struct fake_run        run;
    json_error_t           error;
    json_t                *setup, *expected;
    (void)state;
    fake_core_expect(&core, session, "setup", "ok", NULL, &run);
    setup    = json_loads(fake_result_output(&run, "stdout"), 0, &error);
    expected = json_pack("{s:O, s:O, s:s}", "variables", variables, "envVars", environment, "profile", "open");
    assert_true(json_equal(setup, expected));
    json_decref(expected);
    json_decref(setup);
    fake_run_done(&run);

    fake_core_expect(&core, session, "setup", "ok", NULL, &run); /* variables and profile once; the environment each time */
    setup    = json_loads(fake_result_output(&run, "stdout"), 0, &error);
    expected = json_pack("{s:O}", "envVars", environment);
    assert_true(json_equal(setup, expected));
    json_decref(expected);
    json_decref(setup);
    fake_run_done(&run);
    json_decref(variables);
    json_decref(environment);
}

static void test_metadata_is_merged(void **state)
{
    struct session     *session = fake_core_session(&core, NULL);
    json_t             *first = json_pack("{s:i, s:i}", "a", 1, "b", 2), *second = json_pack("{s:i}", "b", 3);
    struct session_info info;
    (void)state;
    assert_int_equal(session_update(session, first, NULL), 0);
    assert_int_equal(session_update(session, second, NULL), 0);
    session_get_info(session, &info);
    assert_int_equal(json_integer_value(json_object_get(info.metadata, "a")), 1);
    assert_int_equal(json_integer_value(json_object_get(info.metadata, "b")), 3);
    json_decref(first);
    json_decref(second);
}

static void on_stats(const struct session_stats *stats, void *arg)
{
    *(int *)arg = stats != NULL ? (int)stats->memory_bytes : -1;
}

static bool is_set(void *arg)
{
    return *(int *)arg != 0;
}

static void test_stats(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    int             memory  = 0;
    (void)state;
    session_ask_stats(session, on_stats, &memory);
    fake_run_until(core.base, is_set, &memory);
    assert_int_equal(memory, 4096);
    memory = 0;
    fake_zygote_crash(&core.zygote);
    fake_run_for(core.base, 20);
    session_ask_stats(session, on_stats, &memory);
    assert_int_equal(memory, -1);
    fake_core_new_zygote(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_executions_count_up, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_queue_is_first_in_first_out_and_has_an_end, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_busy_is_refused_when_waiting_is_not_wanted, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_cancelling_in_the_queue, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_text_between_executions_goes_to_the_next, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_restart, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_options_of_the_session_reach_its_executions, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_metadata_is_merged, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_stats, fake_core_set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
