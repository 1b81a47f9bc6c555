/*
 * Sessions of the server process before this one, until all are there. The test is their inits, names them in the zygote's stead, and looks
 * at what of each would be made a session.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "ear.h"
#include "fake_loop.h"
#include "fake_past.h"
#include "fdio.h"
#include "resume.h"
#include "session_resume.h"

enum { JAILS = 2, FIRST_JAIL = 7 };

static struct keep           *keep;
static struct resume         *resume;
static struct fake_past       pasts[JAILS];
static struct session_remains remains[JAILS]; /* as they are at the end */
static size_t                 resumed, done;
static int                    keep_fd, stage[4];

/* ---- in the stead of other modules ---- */

static void (*found)(const struct zygote_message *message, int control_fd, void *arg);
static void (*listed)(void *arg);
static void *waiting;

void workers_expect(struct workers *workers, void (*on_found)(const struct zygote_message *message, int control_fd, void *arg),
                    void (*on_all)(void *arg), void *arg)
{
    (void)workers;
    found   = on_found;
    listed  = on_all;
    waiting = arg;
}

struct session *session_restore(struct sessions *sessions, const struct session_remains *of, struct err *err)
{
    (void)sessions;
    (void)err;
    remains[of->seat->jail - FIRST_JAIL] = *of;
    close(of->log_fd);
    worker_release(of->worker);
    return (struct session *)&remains[of->seat->jail - FIRST_JAIL];
}

int sessions_take_over(struct sessions *sessions, struct session *session)
{
    (void)sessions;
    (void)session;
    return 0;
}

void session_resume(struct session *session, const struct session_remains *of)
{
    (void)session;
    (void)of;
}

struct session *sessions_find(const struct sessions *sessions, const struct id *id)
{
    (void)sessions;
    (void)id;
    return NULL;
}

void sessions_note_lost(struct sessions *sessions, const struct keep_seat *seat, struct tenant *owner)
{
    (void)sessions;
    (void)seat;
    (void)owner;
}

/* ---- */

static void on_done(size_t now_resumed, size_t lost, void *arg)
{
    (void)arg;
    (void)lost;
    resumed = now_resumed;
    done++;
}

static int set_up(void **state)
{
    struct err err = {0};
    (void)ear_set_up(state);
    resumed = done = 0;
    keep_fd        = keep_make(JAILS, &err);
    assert_int_equal(pipe2(stage, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(stage + 2, O_CLOEXEC | O_NONBLOCK), 0);
    keep = keep_open(keep_fd, stage, &err);
    assert_non_null(keep);
    for (uint32_t i = 0; i < JAILS; i++) {
        struct keep_seat *seat = keep_take_seat(keep);
        seat->jail             = FIRST_JAIL + i;
        seat->used             = KEEP_FILLED;
    }
    resume = resume_start(keep, ear_workers, NULL, NULL, on_done, NULL, &err);
    assert_non_null(resume);
    for (uint32_t i = 0; i < JAILS; i++) {
        const struct zygote_message message = {.session = FIRST_JAIL + i, .pid = INT32_MAX};
        fake_past_init(&pasts[i]);
        found(&message, pasts[i].server_fd, waiting);
        assert_true(fake_past_is_asked(&pasts[i], CONTROL_DESCRIPTORS));
    }
    listed(waiting);
    return 0;
}

static int tear_down(void **state)
{
    resume_free(resume);
    for (int i = 0; i < JAILS; i++)
        fake_past_done(&pasts[i]);
    keep_close(keep);
    close(keep_fd);
    for (int i = 0; i < 4; i++)
        close(stage[i]);
    return ear_tear_down(state);
}

static bool is_done(void *arg)
{
    (void)arg;
    return done > 0;
}

static void test_all_are_there(void **state)
{
    (void)state;
    fake_past_introduce(&pasts[0]);
    fake_run_for(ear_base, 20);
    assert_int_equal(done, 0);
    fake_past_introduce(&pasts[1]);
    fake_run_until(ear_base, is_done, NULL);
    assert_int_equal(resumed, JAILS);
    assert_true(remains[0].interpreter && remains[1].interpreter);
}

static void test_an_interpreter_that_dies_before_all_are_there_is_dead(void **state)
{
    (void)state;
    fake_past_introduce(&pasts[0]);
    fake_past_say(&pasts[0], CONTROL_WORKER_EXITED, 3 << 8, NULL, 0);
    fake_run_for(ear_base, 20);
    fake_past_introduce(&pasts[1]);
    fake_run_until(ear_base, is_done, NULL);
    assert_int_equal(resumed, JAILS);
    assert_false(remains[0].interpreter);
    assert_int_equal(remains[0].status, 3 << 8);
    assert_true(remains[1].interpreter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_are_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interpreter_that_dies_before_all_are_there_is_dead, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("resume", tests, NULL, NULL);
}
