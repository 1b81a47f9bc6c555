/* Executions: whatever happens, exactly one end, and a result that says what was. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"
#include "result_read.h"

static struct session *session;

static int set_up(void **state)
{
    (void)fake_core_set_up(state);
    session = fake_core_session(&core, NULL);
    return 0;
}

static double metric(const struct fake_run *run, const char *name)
{
    json_t *value = json_object_get(json_object_get(run->result, "metrics"), name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static json_t *output(const struct fake_run *run, const char *name)
{
    return json_object_get(json_object_get(run->result, "output"), name);
}

static void test_a_result(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "print hello", "ok", "hello\n", &run);
    assert_string_equal(fake_result_text(&run, "executionId"), execution_id_text(run.execution));
    assert_string_equal(fake_result_text(&run, "sessionId"), execution_session_text(run.execution));
    assert_string_equal(fake_result_output(&run, "stderr"), "");
    assert_int_equal(json_array_size(output(&run, "plots")), 0);
    assert_true(json_is_object(output(&run, "variables")));
    assert_null(json_object_get(run.result, "error"));
    assert_null(json_object_get(run.result, "truncated"));
    assert_null(json_object_get(run.result, "restoredTo"));
    assert_true(metric(&run, "executionTime") > 0);
    assert_true(metric(&run, "queued") >= 0);
    assert_true(metric(&run, "cpuUser") == 1.5 && metric(&run, "cpuSystem") == 0.5);
    assert_true(metric(&run, "memoryUsage") == 1000000 && metric(&run, "memoryPeak") == 2000000);
    assert_true(metric(&run, "bytesOut") == 6);
    fake_run_done(&run);
}

static void test_an_error_has_only_its_known_members(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "error", "error", "", &run);
    assert_string_equal(fake_result_error(&run, "type"), "ValueError");
    assert_string_equal(fake_result_error(&run, "message"), "no");
    assert_string_equal(fake_result_error(&run, "traceback"), "T");
    assert_int_equal(json_object_size(json_object_get(run.result, "error")), 4); /* and line */
    fake_run_done(&run);
}

static void test_text_that_is_not_utf_8_is_repaired(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "print a\xff\xe2\x82 b\xc3", "ok", "a\xef\xbf\xbd\xef\xbf\xbd b\xef\xbf\xbd\n", &run);
    fake_run_done(&run);
    fake_core_expect(&core, session, "raw \xe2\x82", "ok", "after\xef\xbf\xbd", &run); /* begun, and never completed */
    fake_run_done(&run);
}

static void test_values_keep_their_digits(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "value {\"name\":\"x\",\"type\":\"float\",\"value\":0.1}", "ok", NULL, &run);
    assert_true(json_real_value(json_object_get(json_object_get(output(&run, "variables"), "x"), "value")) == 0.1);
    fake_run_done(&run);
    fake_core_expect(&core, session, "value {\"name\":\"big\",\"value\":123456789012345678901234567890}", "ok", NULL, &run);
    fake_run_done(&run);
}

static void test_values_on_several_lines_become_one(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "value {\"name\":\"x\",\n\t\"value\": [1,\n2]}", "ok", NULL, &run);
    assert_int_equal(json_array_size(json_object_get(json_object_get(output(&run, "variables"), "x"), "value")), 2);
    fake_run_done(&run);
}

static void expect_dropped(const char *code, const char *what)
{
    struct fake_run run;
    fake_core_expect(&core, session, code, "ok", NULL, &run);
    assert_non_null(strstr(fake_result_output(&run, "stderr"), what));
    assert_int_equal(json_object_size(output(&run, "variables")) + json_array_size(output(&run, "plots")), 0);
    fake_run_done(&run);
}

static void test_values_that_are_none_are_dropped_and_said_so(void **state)
{
    char long_value[3000];
    (void)state;
    expect_dropped("value {\"name\":", "not JSON");
    expect_dropped("value [1]", "not JSON");
    expect_dropped("value {\"no name\":1}", "not JSON");
    expect_dropped("value {\"name\":\"x\",\"value\":\"\xff\"}", "not JSON");
    expect_dropped("value {\"name\":\"x\",\"value\":NaN}", "not JSON");
    memset(long_value, 'l', sizeof long_value);
    memcpy(long_value, "value {\"name\":\"x\",\"value\":\"", 27);
    memcpy(long_value + sizeof long_value - 3, "\"}", 3);
    expect_dropped(long_value, "larger");
    expect_dropped("plot 150000", "larger");
}

static bool keep_json(const struct event_view *event, void *arg)
{
    struct bytes *last = arg;
    last->length       = 0;
    return bytes_append(last, event->json, event->json_length);
}

static void test_a_plot_is_whole_in_the_answer_and_brief_in_the_last_event(void **state)
{
    struct fake_run     run;
    struct event_cursor cursor;
    struct bytes        last = {0};
    struct err          err  = {0};
    json_error_t        error;
    json_t             *event, *plots;
    (void)state;
    fake_core_expect(&core, session, "plot 90000", "ok", NULL, &run);
    assert_int_equal(json_array_size(output(&run, "plots")), 1);
    assert_int_equal(json_string_length(json_object_get(json_array_get(output(&run, "plots"), 0), "data")), 90000);
    assert_null(json_object_get(run.result, "truncated"));
    assert_true(event_track_seek(execution_track(run.execution), 0, &cursor));
    assert_int_equal(event_track_read(execution_track(run.execution), &cursor, SIZE_MAX, keep_json, &last, &err), 0);
    event = json_loadb(last.data, last.length, 0, &error);
    plots = json_object_get(json_object_get(json_object_get(event, "data"), "output"), "plots");
    assert_int_equal(json_array_size(plots), 1);
    assert_null(json_object_get(json_array_get(plots, 0), "data"));
    assert_non_null(json_object_get(json_array_get(plots, 0), "metadata"));
    json_decref(event);
    bytes_done(&last);
    fake_run_done(&run);
}

static void test_much_text_is_whole_in_the_answer(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "flood 500", "ok", NULL, &run);
    assert_int_equal(strlen(fake_result_output(&run, "stdout")), 500000);
    assert_null(json_object_get(run.result, "truncated"));
    fake_run_done(&run);
}

static void test_output_past_the_limit_is_cut_and_marked(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "flood 3000", "ok", NULL, &run);
    assert_true(strlen(fake_result_output(&run, "stdout")) <= 1000000);
    assert_true(json_is_true(json_object_get(run.result, "truncated")));
    assert_true(metric(&run, "bytesOut") == 3000000);
    fake_run_done(&run);
}

/* Without a waiter only what a brief result needs is kept in memory; the log has the rest. */
static void test_the_result_of_one_nobody_waits_for_is_in_the_log(void **state)
{
    struct execution_request request = {.code = "flood 500", .code_length = 9, .timeout_ms = 60000, .interactive = true};
    struct err               err     = {0};
    struct execution        *execution;
    struct bytes             text   = {0};
    bool                     failed = true;
    json_error_t             error;
    json_t                  *result;
    (void)state;
    execution = session_submit(session, &request, true, NULL, NULL, &err);
    assert_non_null(execution);
    while (!execution_has_ended(execution))
        fake_run_for(core.base, 5);
    assert_int_equal(result_read(execution_track(execution), &text, &failed, &err), 0);
    assert_false(failed);
    result = json_loadb(text.data, text.length, 0, &error);
    assert_int_equal(json_string_length(json_object_get(json_object_get(result, "output"), "stdout")), 500000);
    json_decref(result);
    bytes_done(&text);
}

static void test_a_timeout_interrupts(void **state)
{
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 40, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "timeout");
    assert_string_equal(fake_result_text(&run, "state"), "kept");
    assert_string_equal(fake_result_error(&run, "message"), "Execution timeout after 40ms");
    assert_string_equal(fake_result_error(&run, "traceback"), "K"); /* the interrupt's: where it was */
    fake_run_done(&run);
}

static void test_a_timeout_that_is_swallowed_is_one_all_the_same(void **state)
{
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "swallow", 40, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "timeout");
    assert_string_equal(fake_result_text(&run, "state"), "kept");
    fake_run_done(&run);
}

static void test_an_interrupt_that_is_swallowed_is_none(void **state)
{
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "swallow", 0, &run));
    fake_run_for(core.base, 30);
    execution_interrupt(run.execution);
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "ok");
    fake_run_done(&run);
}

static void test_a_timeout_that_is_ignored_kills(void **state)
{
    struct fake_run run;
    (void)state;
    fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
    fake_run_done(&run);
    core.grace_ms = 60;
    assert_true(fake_core_submit(&core, session, "stubborn", 40, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "timeout");
    assert_string_equal(fake_result_text(&run, "state"), "lost");
    assert_true(metric(&run, "executionTime") >= 95); /* the limit and the grace */
    fake_run_done(&run);
    fake_core_expect(&core, session, "print on", "ok", "on\n", &run);
    fake_run_done(&run);
}

static void stand_still(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    (void)usleep(150000);
}

static void test_a_grace_in_which_the_machine_stood_still_is_given_anew(void **state)
{
    static const struct timeval after_the_limit = {.tv_usec = 50000}; /* and before the grace is over */
    struct fake_run             run;
    (void)state;
    core.grace_ms = 60;
    assert_true(fake_core_submit(&core, session, "stubborn", 40, &run));
    assert_int_equal(event_base_once(core.base, -1, EV_TIMEOUT, stand_still, NULL, &after_the_limit), 0);
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "timeout");
    assert_true(metric(&run, "executionTime") >= 250);
    fake_run_done(&run);
}

static void test_a_worker_deaf_to_sigkill_costs_its_jail(void **state)
{
    struct fake_run run;
    (void)state;
    core.grace_ms = 60;
    assert_true(fake_core_submit(&core, session, "mute", 40, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "timeout");
    assert_string_equal(fake_result_text(&run, "state"), "lost");
    fake_run_done(&run);
    fake_core_expect(&core, session, "print on", "ok", "on\n", &run);
    fake_run_done(&run);
}

static void wait_for_input(const struct fake_run *run)
{
    while (execution_status(run->execution) != EXECUTION_INPUT_REQUIRED)
        fake_run_for(core.base, 5);
}

static void test_input_is_asked_for_and_the_clock_rests(void **state)
{
    struct fake_run run;
    struct err      err = {0};
    (void)state;
    assert_true(fake_core_submit(&core, session, "input", 1000, &run));
    assert_int_equal(execution_input(run.execution, "x", 1, &err), -1); /* not yet */
    wait_for_input(&run);
    fake_run_for(core.base, 1200); /* longer than the limit */
    assert_int_equal(run.results, 0);
    assert_int_equal(execution_input(run.execution, "Ada", 3, &err), 0);
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "ok");
    assert_string_equal(fake_result_output(&run, "stdout"), "Ada");
    fake_run_done(&run);
}

static void test_input_can_be_interrupted(void **state)
{
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "input", 0, &run));
    wait_for_input(&run);
    execution_interrupt(run.execution);
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "interrupted");
    fake_run_done(&run);
}

static void test_input_that_nobody_can_give_ends(void **state)
{
    struct execution_request request = {.code = "input", .code_length = 5, .timeout_ms = 60000};
    struct fake_run          run;
    (void)state;
    assert_true(fake_core_submit_with(&core, session, &request, true, &run));
    fake_run_wait(&run);
    assert_string_equal(fake_result_output(&run, "stdout"), "\x04"); /* what the fake worker was answered */
    fake_run_done(&run);
}

static void test_a_waiter_may_leave(void **state)
{
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &run));
    fake_run_for(core.base, 30);
    execution_set_waiter(run.execution, NULL, NULL);
    execution_interrupt(run.execution);
    while (!execution_has_ended(run.execution))
        fake_run_for(core.base, 5);
    assert_int_equal(run.results, 0);
}

static void test_options_are_sent_and_merged(void **state)
{
    json_t                  *options = json_pack("{s:{s:i}, s:s}", "variables", "x", 1, "stdin", "a\nb");
    struct execution_request request = {.code = "setup", .code_length = 5, .timeout_ms = 60000, .options = options};
    struct fake_run          run;
    json_error_t             error;
    json_t                  *setup;
    (void)state;
    assert_true(fake_core_submit_with(&core, session, &request, true, &run));
    fake_run_wait(&run);
    setup = json_loads(fake_result_output(&run, "stdout"), 0, &error);
    assert_true(json_equal(setup, options));
    json_decref(setup);
    json_decref(options);
    fake_run_done(&run);
}

static void test_a_million_characters_of_code(void **state)
{
    static char     code[1000001];
    struct fake_run run;
    (void)state;
    memset(code, 'c', sizeof code - 1);
    memcpy(code, "print ", 6);
    fake_core_expect(&core, session, code, "ok", NULL, &run);
    assert_int_equal(json_string_length(output(&run, "stdout")), 999995);
    fake_run_done(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_result, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_an_error_has_only_its_known_members, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_text_that_is_not_utf_8_is_repaired, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_values_keep_their_digits, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_values_on_several_lines_become_one, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_values_that_are_none_are_dropped_and_said_so, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_plot_is_whole_in_the_answer_and_brief_in_the_last_event, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_much_text_is_whole_in_the_answer, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_output_past_the_limit_is_cut_and_marked, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_result_of_one_nobody_waits_for_is_in_the_log, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_timeout_interrupts, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_timeout_that_is_swallowed_is_one_all_the_same, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupt_that_is_swallowed_is_none, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_timeout_that_is_ignored_kills, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_grace_in_which_the_machine_stood_still_is_given_anew, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_worker_deaf_to_sigkill_costs_its_jail, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_input_is_asked_for_and_the_clock_rests, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_input_can_be_interrupted, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_input_that_nobody_can_give_ends, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_waiter_may_leave, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_options_are_sent_and_merged, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_million_characters_of_code, set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("execution", tests, NULL, NULL);
}
