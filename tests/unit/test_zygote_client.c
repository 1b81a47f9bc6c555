/* The connection to the zygote: messages both ways, a queue when it does not read, a new socket when it has died. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_loop.h"
#include "fake_zygote.h"
#include "fdio.h"
#include "zygote_client.h"

static struct event_base    *base;
static struct zygote_client *client;
static struct fake_zygote    fake;

static struct {
    int      ready, lost, spawned, failed, exited, stats, sessions, listed;
    char     level[16];
    uint32_t last_session;
} heard;

static void on_ready(void *arg, json_t *report)
{
    (void)arg;
    heard.ready++;
    strncpy(heard.level, json_string_value(json_object_get(report, "level")), sizeof heard.level - 1);
    json_decref(report);
}

static void on_spawned(void *arg, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    (void)arg;
    heard.spawned++;
    heard.last_session = message->session;
    assert_true(message->pid > 0);
    for (int i = 0; i < SESSION_FD_COUNT; i++) {
        int fd = fds[i];
        assert_true(fd >= 0);
        fdio_close(&fd);
    }
}

static void on_message(void *arg, const struct zygote_message *message)
{
    (void)arg;
    heard.last_session = message->session;
    heard.failed += message->type == ZYGOTE_SPAWN_FAILED;
    heard.exited += message->type == ZYGOTE_EXITED;
    heard.stats += message->type == ZYGOTE_STATS_REPLY;
}

static void on_lost(void *arg)
{
    (void)arg;
    heard.lost++;
}

static void on_session(void *arg, const struct zygote_message *message, int control_fd)
{
    (void)arg;
    heard.last_session = message->session;
    heard.sessions++;
    assert_true(control_fd >= 0);
    fdio_close(&control_fd);
}

static void on_listed(void *arg)
{
    (void)arg;
    heard.listed++;
}

static const struct zygote_events events = {on_ready, on_spawned, on_message, NULL, on_session, on_listed, NULL, on_lost};

static bool is_positive(void *arg)
{
    return *(int *)arg > 0;
}

static void attach(bool ready)
{
    struct err err = {0};
    fake_zygote_start(&fake, ready);
    assert_int_equal(zygote_client_attach(client, fake.socket_fd, &err), 0);
}

static int set_up(void **state)
{
    struct err err = {0};
    (void)state;
    memset(&heard, 0, sizeof heard);
    base   = fake_base();
    client = zygote_client_new(base, &events, NULL, &err);
    assert_non_null(client);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    zygote_client_free(client);
    fake_zygote_stop(&fake);
    event_base_free(base);
    return 0;
}

static void spawn(uint32_t session)
{
    struct zygote_message message = {.session = session};
    assert_int_equal(zygote_client_spawn(client, &message), 0);
}

static void test_ready_comes_with_the_report(void **state)
{
    struct zygote_message message = {.session = 1};
    (void)state;
    attach(false);
    fake_run_for(base, 20);
    assert_false(zygote_client_is_ready(client));
    assert_int_equal(zygote_client_spawn(client, &message), -1);
    fake_zygote_command(&fake, 'R', 0);
    fake_run_until(base, is_positive, &heard.ready);
    assert_true(zygote_client_is_ready(client));
    assert_string_equal(heard.level, "none");
}

static void test_a_session_s_life(void **state)
{
    (void)state;
    attach(true);
    fake_run_until(base, is_positive, &heard.ready);
    spawn(77);
    fake_run_until(base, is_positive, &heard.spawned);
    assert_int_equal(heard.last_session, 77);
    fake_run_until(base, is_positive, &heard.exited); /* our ends are closed: it ends by itself */
    assert_int_equal(heard.last_session, 77);
}

static void test_without_a_zygote_nothing_can_be_sent(void **state)
{
    struct zygote_message message = {.session = 1};
    (void)state;
    assert_int_equal(zygote_client_spawn(client, &message), -1);
    assert_int_equal(zygote_client_kill(client, 1), -1);
    assert_int_equal(zygote_client_stats(client, 1), -1);
    assert_int_equal(zygote_client_adopt(client, 1, 2, 3, -1), -1);
    fake.command_fd = -1;
    fake.pid        = 0;
}

static void test_what_the_socket_does_not_take_waits_in_order(void **state)
{
    (void)state;
    attach(true);
    fake_run_until(base, is_positive, &heard.ready);
    assert_int_equal(kill(fake.pid, SIGSTOP), 0);
    fake_zygote_command(&fake, 'F', 2);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(zygote_client_kill(client, 1000 + i), 0); /* of sessions that are not there: no answer */
    spawn(1);
    spawn(2);
    assert_int_equal(heard.failed, 0);
    assert_int_equal(kill(fake.pid, SIGCONT), 0);
    while (heard.failed < 2)
        fake_run_for(base, 5);
    assert_int_equal(heard.last_session, 2);
}

static void test_a_new_socket_replaces_a_dead_one(void **state)
{
    struct err         err = {0};
    struct fake_zygote first;
    (void)state;
    attach(true);
    fake_run_until(base, is_positive, &heard.ready);
    first = fake;
    fake_zygote_crash(&first);
    fake_run_until(base, is_positive, &heard.lost);
    assert_false(zygote_client_is_ready(client));
    attach(true);
    heard.ready = 0;
    fake_run_until(base, is_positive, &heard.ready);

    first = fake; /* and one that is alive */
    fake_zygote_start(&fake, true);
    assert_int_equal(zygote_client_attach(client, fake.socket_fd, &err), 0);
    assert_int_equal(heard.lost, 2);
    assert_false(zygote_client_is_ready(client));
    fake_zygote_stop(&first);
    heard.ready = 0;
    fake_run_until(base, is_positive, &heard.ready);
    spawn(5);
    fake_run_until(base, is_positive, &heard.spawned);
}

static void test_sessions_of_an_earlier_process_are_named(void **state)
{
    const struct zygote_message session = {.type = ZYGOTE_SESSION, .session = 77, .pid = 5}, listed = {.type = ZYGOTE_LISTED};
    int                         ends[2];
    struct err                  err = {0};

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(zygote_client_attach(client, ends[0], &err), 0);
    assert_int_equal(fdio_send(ends[1], &session, sizeof session, &ends[1], 1), 0);
    assert_int_equal(fdio_send(ends[1], &listed, sizeof listed, NULL, 0), 0);
    fake_run_until(base, is_positive, &heard.listed);
    assert_int_equal(heard.sessions, 1);
    assert_int_equal(heard.last_session, 77);
    fdio_close(&ends[1]);
}

static void test_descriptors_that_do_not_fit_make_a_failed_spawn(void **state)
{
    (void)state;
    attach(true);
    fake_run_until(base, is_positive, &heard.ready);
    fake_zygote_command(&fake, 'N', 1);
    fake_run_for(base, 20);
    spawn(9);
    fake_run_until(base, is_positive, &heard.failed);
    fake_run_until(base, is_positive, &heard.exited); /* it was ended */
    assert_int_equal(heard.spawned, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ready_comes_with_the_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_s_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_a_zygote_nothing_can_be_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_socket_does_not_take_waits_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_socket_replaces_a_dead_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_of_an_earlier_process_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors_that_do_not_fit_make_a_failed_spawn, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("zygote_client", tests, NULL, NULL);
}
