/* A session outlives what dies under it, and says what that cost. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"

static void expect_end(struct session *session, const char *code, const char *status, const char *lost_or_rolled_back)
{
    struct fake_run run;
    fake_core_expect(&core, session, code, status, NULL, &run);
    assert_string_equal(fake_result_text(&run, "state"), lost_or_rolled_back);
    if (strcmp(lost_or_rolled_back, "rolledBack") == 0)
        assert_int_equal((int)json_number_value(json_object_get(run.result, "restoredTo")), 0);
    fake_run_done(&run);
    fake_core_run_ok(&core, session, "print on", "on\n");
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
    fake_core_run_ok(&core, session, "print x", "x\n");
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
    fake_core_run_ok(&core, session, "print x", "x\n");
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
        fake_core_run_ok(&core, session, "print x", "x\n");
        expect_end(session, codes[i], "killed", "lost");
        fake_core_run_ok(&core, neighbour, "print mine", "mine\n");
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
    fake_core_run_ok(&core, session, "print on", "on\n");
}

static void test_a_death_between_executions_is_told(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    struct fake_run run;
    (void)state;
    fake_core_run_ok(&core, session, "twice", ""); /* which ends the jail after the execution */
    fake_run_for(core.base, 50);
    fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
    assert_non_null(fake_result_text(&run, "notice"));
    fake_run_done(&run);
    fake_core_expect(&core, session, "print x", "ok", "x\n", &run);
    assert_null(fake_result_text(&run, "notice"));
    fake_run_done(&run);
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
    fake_core_run_ok(&core, session, "print on", "on\n");
    fake_core_new_zygote(&core);
    fake_core_run_ok(&core, fake_core_session(&core, NULL), "print new", "new\n");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_death_without_anything_to_lose, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_death_that_loses_something, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_to_blame_when_the_kernel_says_so, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_the_jail_may_die, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_workers_cost_their_jail_and_the_session_goes_on, fake_core_set_up,
                                        fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_done_twice_ends_the_first_and_not_the_next, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_death_between_executions_is_told, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_variables_not_yet_used_survive_a_death, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_dead_zygote_leaves_sessions_alone, fake_core_set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_that_gets_no_new_jail_ends, fake_core_set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("session_death", tests, NULL, NULL);
}
