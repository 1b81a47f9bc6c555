/* Requests for packages: joined, in turn, and none is begun that nobody waits for. The supervisor is a socket. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fdio.h"
#include "packages.h"
#include "supervisor_wire.h"

static struct event_base *base;
static struct policies    policies;
static struct packages   *packages;
static int                supervisor[2], installer; /* the process that installs: our end of it */

static int set_up(void **state)
{
    struct err err = {0};
    (void)state;
    policies  = (struct policies){.packages = {.enabled = true, .concurrent_installs = 1, .resolution_ms = 60000}};
    base      = event_base_new();
    installer = -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, supervisor), 0);
    packages = packages_new(base, &policies, NULL, supervisor[0], &err);
    assert_non_null(packages);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    packages_free(packages);
    fdio_close(&installer);
    close(supervisor[0]);
    close(supervisor[1]);
    event_base_free(base);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 4; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Takes the place of the next installer. Returns whether one is wanted, and for what. */
static bool take_installer(char *ret_task, size_t size)
{
    struct supervisor_packet packet;
    int                      fds[2];
    size_t                   count = 2;
    ssize_t                  n;
    if (fdio_receive(supervisor[1], &packet, sizeof packet, fds, &count) != (ssize_t)sizeof packet)
        return false;
    assert_int_equal(packet.type, SUPERVISOR_INSTALL);
    assert_int_equal(count, 2);
    n = pread(fds[1], ret_task, size - 1, 0);
    assert_true(n > 0);
    ret_task[n] = '\0';
    close(fds[1]);
    installer = fds[0];
    return true;
}

static void expect_installer(const char *package)
{
    char task[400];
    assert_true(take_installer(task, sizeof task));
    assert_non_null(strstr(task, package));
}

static void expect_no_installer(void)
{
    char task[400];
    assert_false(take_installer(task, sizeof task));
    assert_int_equal(errno, EAGAIN);
}

static void hang_up(void)
{
    fdio_close(&installer);
    turn();
}

static void on_result(const struct packages_result *result, void *arg)
{
    assert_null(result->layers);
    *(int *)arg += 1;
}

static struct packages_wait *ask(const char *package, int *told, struct err *err)
{
    static const struct packages_events events = {.on_result = on_result};
    json_t                             *names = json_pack("[s]", package), *present = json_object();
    struct packages_wait               *wait = packages_install(packages, names, present, false, &events, told, err);
    json_decref(names);
    json_decref(present);
    return wait;
}

static struct packages_wait *want(const char *package, int *told)
{
    struct err            err  = {0};
    struct packages_wait *wait = ask(package, told, &err);
    assert_non_null(wait);
    return wait;
}

static void test_the_same_is_installed_once(void **state)
{
    int told = 0;
    (void)state;
    (void)want("one", &told);
    (void)want("one", &told);
    expect_installer("one");
    expect_no_installer();
    hang_up();
    assert_int_equal(told, 2);
    expect_no_installer();
}

static void test_they_come_in_turn(void **state)
{
    int told = 0;
    (void)state;
    (void)want("one", &told);
    (void)want("two", &told);
    expect_installer("one");
    expect_no_installer();
    hang_up();
    expect_installer("two");
    hang_up();
    assert_int_equal(told, 2);
}

static void test_what_is_under_way_goes_on_without_who_asked(void **state)
{
    int told = 0;
    (void)state;
    packages_cancel(want("one", &told));
    expect_installer("one");
    (void)want("one", &told);
    hang_up();
    assert_int_equal(told, 1);
    expect_no_installer();
}

static void test_what_nobody_waits_for_is_not_begun(void **state)
{
    int                    told = 0;
    struct packages_wait  *wait;
    struct packages_counts counts;
    (void)state;
    (void)want("one", &told);
    expect_installer("one");
    for (int i = 0; i < 2 * PACKAGES_WAITING_MAX; i++) {
        char name[20];
        (void)snprintf(name, sizeof name, "left-%d", i);
        packages_cancel(want(name, &told));
    }
    wait = want("two", &told); /* one of two leaves */
    (void)want("two", &told);
    packages_cancel(wait);
    hang_up();
    expect_installer("two");
    hang_up();
    expect_no_installer();
    assert_int_equal(told, 2);
    packages_get_counts(packages, &counts);
    assert_int_equal(counts.running + counts.waiting, 0);
}

static void test_so_many_may_wait(void **state)
{
    int        told = 0;
    struct err err  = {0};
    (void)state;
    for (int i = 0; i < PACKAGES_WAITING_MAX; i++)
        (void)want("one", &told);
    assert_null(ask("one", &told, &err));
    assert_int_equal(err.code, ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_is_installed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_they_come_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_under_way_goes_on_without_who_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_nobody_waits_for_is_not_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_so_many_may_wait, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("packages", tests, NULL, NULL);
}
