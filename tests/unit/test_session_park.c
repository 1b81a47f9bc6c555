/* When a copy of a session is taken, and what is asked of all sessions' time for it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_core.h"
#include "fake_loop.h"
#include "session_checkpoints.h"
#include "text.h"

static struct policies policies;

static int set_up(void **state)
{
    (void)state;
    fake_core_init(&core);
    policies                 = *core.settings.policies;
    policies.checkpoint_mode = CHECKPOINTS_ADAPTIVE;
    core.settings.policies   = &policies;
    fake_core_start(&core);
    return 0;
}

static struct checkpoint_line *line(void)
{
    return sessions_checkpoint_line(core.sessions);
}

static bool is_copied(void *arg)
{
    struct checkpoints_info info;
    session_checkpoints_info(arg, &info);
    return info.newest != NULL && info.is_up_to_date;
}

static bool somebody_waits(void *arg)
{
    (void)arg;
    return !TAILQ_EMPTY(&line()->waiting);
}

static bool nobody_waits(void *arg)
{
    return !somebody_waits(arg);
}

static void test_a_session_at_rest_is_copied(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    fake_core_run_ok(&core, session, "print x", "x\n");
    fake_run_until(core.base, is_copied, session);
}

static void test_who_wants_no_copy_any_more_waits_for_none(void **state)
{
    struct session *session = fake_core_session(&core, NULL);
    (void)state;
    line()->budget.left = -1000 * line()->budget.share * 60 * 1000; /* for a minute */
    fake_core_run_ok(&core, session, "print x", "x\n");
    fake_run_until(core.base, somebody_waits, NULL);
    session_set_checkpoints(session, CHECKPOINTS_OFF);
    fake_run_until(core.base, nobody_waits, NULL);
}

static const char *reason_of(const struct session *session)
{
    struct checkpoints_info info;
    session_checkpoints_info(session, &info);
    return info.reason;
}

static bool has_reason(void *arg)
{
    return reason_of(arg) != NULL;
}

static void test_a_reason_is_cut_between_letters(void **state)
{
    struct session *session     = fake_core_session(&core, NULL);
    char            code[500]   = "unparkable xy";
    const size_t    letter_size = strlen("\u20ac");
    (void)state;
    while (strlen(code) < 400)
        strcat(code, "\u20ac");
    fake_core_run_ok(&core, session, code, "");
    fake_run_until(core.base, has_reason, session);
    assert_int_equal(text_valid(reason_of(session), strlen(reason_of(session))), strlen(reason_of(session)));
    assert_true(strlen(reason_of(session)) > CHECKPOINT_REASON - 1 - letter_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_reason_is_cut_between_letters, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_at_rest_is_copied, set_up, fake_core_tear_down),
        cmocka_unit_test_setup_teardown(test_who_wants_no_copy_any_more_waits_for_none, set_up, fake_core_tear_down),
    };
    return cmocka_run_group_tests_name("session_park", tests, NULL, NULL);
}
