/* Sessions: their queue, their limits, and that they outlive what dies under them. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_core.h"

static struct fake_core core;

static int set_up(void **state)
{
    (void)state;
    fake_core_init(&core);
    fake_core_start(&core);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_core_stop(&core);
    return 0;
}

static void run_ok(struct session *session, const char *code, const char *text)
{
    struct fake_run run;
    fake_core_expect(&core, session, code, "ok", text, &run);
    assert_string_equal(fake_result_text(&run, "state"), "kept");
    fake_run_done(&run);
}

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

static void expect_end(struct session *session, const char *code, const char *status, const char *lost_or_rolled_back)
{
    struct fake_run run;
    fake_core_expect(&core, session, code, status, NULL, &run);
    assert_string_equal(fake_result_text(&run, "state"), lost_or_rolled_back);
    if (strcmp(lost_or_rolled_back, "rolledBack") == 0)
        assert_int_equal((int)json_number_value(json_object_get(run.result, "restoredTo")), 0);
    fake_run_done(&run);
    run_ok(session, "print on", "on\n");
}

static void test_a_death_without_anything_to_lose(void **state)
{
    (void)state;
    expect_end(fake_core_session(&core, NULL), "exit 0", "killed", "rolledBack");
    expect_end(fake_core_session(&core, NULL), "half", "killed", "rolledBack");
}

static void test_a_death_that_loses_something(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run run;
    (void)state;
    run_ok(session, "print x", "x\n");
    expect_end(session, "exit 0", "killed", "lost");
    fake_core_expect(&core, session, "signal 11", "killed", NULL, &run);
    assert_string_equal(fake_result_error(&run, "type"), "WorkerDied");
    assert_non_null(strstr(fake_result_error(&run, "message"), "SIGSEGV"));
    fake_run_done(&run);
}

static void test_memory_is_to_blame_when_the_kernel_says_so(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    expect_end(session, "slowdeath", "memory", "rolledBack"); /* the fake zygote counts one kill for memory */
    expect_end(session, "slowdeath", "killed", "lost");       /* and it stays at one */
}

static void test_the_jail_may_die(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    run_ok(session, "print x", "x\n");
    expect_end(session, "gone", "killed", "lost");
    expect_end(session, "gone", "killed", "lost");
}

static void test_hostile_workers_cost_their_jail_and_the_session_goes_on(void **state)
{
    static const char *const codes[]   = {"junk", "giant", "unknown", "flags", "early", "other", "badjson"};
    struct session          *neighbour = fake_core_session(&core, NULL);
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct session *session = fake_core_session(&core, NULL);
        run_ok(session, "print x", "x\n");
        expect_end(session, codes[i], "killed", "lost");
        run_ok(neighbour, "print mine", "mine\n");
    }
}

static void test_done_twice_ends_the_first_and_not_the_next(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run first, second;
    (void)state;
    assert_true(fake_core_submit(&core, session, "twice", 0, &first));
    assert_true(fake_core_submit(&core, session, "print next", 0, &second));
    fake_run_wait(&first);
    assert_string_equal(fake_result_text(&first, "status"), "ok");
    fake_run_wait(&second); /* it had started: the second DONE carries the wrong number */
    assert_string_equal(fake_result_text(&second, "status"), "killed");
    fake_run_done(&first);
    fake_run_done(&second);
    run_ok(session, "print on", "on\n");
}

static void test_a_death_between_executions_is_told(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run run;
    (void)state;
    run_ok(session, "twice", ""); /* which ends the jail after the execution */
    fake_run_for(core.base, 50);
    fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
    assert_non_null(fake_result_text(&run, "notice"));
    fake_run_done(&run);
    fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
    assert_null(fake_result_text(&run, "notice"));
    fake_run_done(&run);
}

static void test_text_between_executions_goes_to_the_next(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    run_ok(session, "late tick ", "");
    fake_run_for(core.base, 30);
    run_ok(session, "print x", "tick x\n");
    run_ok(session, "print x", "x\n");
}

static void test_restart(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run running, waiting;
    (void)state;
    run_ok(session, "print x", "x\n");
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
    run_ok(session, "print fresh", "fresh\n");
}

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

static void test_idle_sessions_expire_and_busy_ones_do_not(void **state)
{
    struct session_request request = {.idle_timeout_ms = 1};
    struct session        *busy    = fake_core_session(&core, &request), *idle;
    struct id              idle_id, busy_id = *session_id(busy);
    struct fake_run        run;
    (void)state;
    assert_true(fake_core_submit(&core, busy, "wait", 0, &run));
    idle    = fake_core_session(&core, &request);
    idle_id = *session_id(idle);
    fake_run_for(core.base, 100);
    assert_null(sessions_find(core.sessions, &idle_id));
    assert_string_equal(sessions_find_ended(core.sessions, &idle_id)->reason, "expired");
    assert_non_null(sessions_find(core.sessions, &busy_id));
    session_interrupt(busy);
    fake_run_wait(&run);
    fake_run_done(&run);
    fake_run_for(core.base, 100);
    assert_null(sessions_find(core.sessions, &busy_id));
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

static void test_variables_not_yet_used_survive_a_death(void **state)
{
    json_t                *variables = json_pack("{s:i}", "x", 1);
    struct session_request request   = {.variables = variables};
    struct session        *session   = fake_core_session(&core, &request);
    struct fake_run        run;
    (void)state;
    fake_core_expect(&core, session, "exit 1", "killed", NULL, &run);
    fake_run_done(&run);
    fake_core_expect(&core, session, "setup", "ok", "{\"variables\":{\"x\":1}}", &run);
    fake_run_done(&run);
    json_decref(variables);
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

static void test_a_dead_zygote_leaves_sessions_alone(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run run;
    (void)state;
    assert_true(fake_core_submit(&core, session, "wait", 0, &run));
    fake_run_for(core.base, 20);
    fake_zygote_crash(&core.zygote);
    fake_run_for(core.base, 20);
    session_interrupt(session);
    fake_run_wait(&run);
    assert_string_equal(fake_result_text(&run, "status"), "interrupted");
    fake_run_done(&run);
    fake_core_expect(&core, session, "exit 0", "killed", NULL, &run); /* a death is told without anybody to ask for the reason */
    fake_run_done(&run);
    run_ok(session, "print on", "on\n");
    fake_core_new_zygote(&core);
    run_ok(fake_core_session(&core, NULL), "print new", "new\n");
}

static void test_a_session_that_gets_no_new_jail_ends(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct id       id      = *session_id(session);
    struct fake_run running, waiting;
    (void)state;
    while (pool_ready_count(core.pool) > 0)
        worker_release(pool_take(core.pool)); /* the loop has had no time to refill */
    fake_zygote_command(&core.zygote, 'F', 200);
    assert_true(fake_core_submit(&core, session, "gone", 0, &running));
    assert_true(fake_core_submit(&core, session, "ok", 0, &waiting));
    fake_run_wait(&running);
    fake_run_wait(&waiting);
    assert_string_equal(fake_result_text(&running, "status"), "killed");
    assert_string_equal(fake_result_text(&waiting, "status"), "killed");
    assert_null(sessions_find(core.sessions, &id));
    assert_string_equal(sessions_find_ended(core.sessions, &id)->reason, "failed");
    fake_run_done(&running);
    fake_run_done(&waiting);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_executions_count_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_queue_is_first_in_first_out_and_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_busy_is_refused_when_waiting_is_not_wanted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelling_in_the_queue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_death_without_anything_to_lose, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_death_that_loses_something, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_to_blame_when_the_kernel_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_jail_may_die, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_workers_cost_their_jail_and_the_session_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_done_twice_ends_the_first_and_not_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_death_between_executions_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_between_executions_goes_to_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deleting_ends_all_of_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_sessions_expire_and_busy_ones_do_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_options_of_the_session_reach_its_executions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_variables_not_yet_used_survive_a_death, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metadata_is_merged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_zygote_leaves_sessions_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_that_gets_no_new_jail_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_id_of_the_callers_choice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_who_ask_for_one_id_get_one_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_nobody_waits_for_any_more_is_not_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_of_sessions, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_of_running_executions, set_up_small, tear_down),
        cmocka_unit_test_setup_teardown(test_draining_waits_for_what_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_executions_are_not_kept_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_leave_no_memory_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
