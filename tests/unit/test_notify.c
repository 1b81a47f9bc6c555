/* What the service manager hears, and what the environment has left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"

static char path[64];
static int  manager;

static int listen_at(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/penny-notify-%d", (int)getpid());
    (void)strcpy(address.sun_path, path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    return manager < 0 || bind(manager, (struct sockaddr *)&address, sizeof address) < 0;
}

static int leave(void **state)
{
    (void)state;
    notify_close();
    (void)close(manager);
    return unlink(path);
}

static const char *heard(void)
{
    static char text[512];
    ssize_t     n       = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void test_messages(void **state)
{
    (void)state;
    (void)setenv("NOTIFY_SOCKET", path, 1);
    (void)setenv("WATCHDOG_USEC", "3000000", 1);
    (void)unsetenv("WATCHDOG_PID");
    notify_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(notify_watchdog_ms(), 3000);
    notify_ready("Serving");
    assert_string_equal(heard(), "READY=1\nSTATUS=Serving");
    notify_alive();
    assert_string_equal(heard(), "WATCHDOG=1");
    notify_reloading("Reading");
    assert_non_null(strstr(heard(), "RELOADING=1\nMONOTONIC_USEC="));
    notify_stopping("Ending");
    assert_string_equal(heard(), "STOPPING=1\nSTATUS=Ending");
}

static void test_a_status_is_cut(void **state)
{
    char text[2000];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)setenv("NOTIFY_SOCKET", path, 1);
    notify_open();
    notify_ready(text);
    assert_int_equal(strlen(heard()), strlen("READY=1\nSTATUS=") + 200);
}

static void test_an_abstract_name(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char               name[64];
    (void)state;
    (void)snprintf(name, sizeof name, "@penny-notify-%d", (int)getpid());
    (void)strcpy(address.sun_path, name);
    address.sun_path[0] = '\0';
    (void)close(manager);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
    (void)setenv("NOTIFY_SOCKET", name, 1);
    notify_open();
    notify_ready("there");
    assert_string_equal(heard(), "READY=1\nSTATUS=there");
}

static void test_without_a_manager(void **state)
{
    (void)state;
    (void)setenv("WATCHDOG_USEC", "3000000", 1); /* of somebody else's service */
    notify_open();
    assert_int_equal(notify_watchdog_ms(), 0);
    notify_ready("nobody hears it");
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    notify_open();
    notify_ready("nobody hears it");
    assert_string_equal(heard(), "");
}

static void test_a_watchdog_that_is_not_ours(void **state)
{
    static const char *const wrong[] = {"", "soon", "-5", "12x", "999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)setenv("NOTIFY_SOCKET", path, 1);
        (void)setenv("WATCHDOG_USEC", wrong[i], 1);
        notify_open();
        assert_int_equal(notify_watchdog_ms(), 0);
    }
    (void)setenv("NOTIFY_SOCKET", path, 1);
    (void)setenv("WATCHDOG_USEC", "3000000", 1);
    (void)setenv("WATCHDOG_PID", "1", 1);
    notify_open();
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages, listen_at, leave),
        cmocka_unit_test_setup_teardown(test_a_status_is_cut, listen_at, leave),
        cmocka_unit_test_setup_teardown(test_an_abstract_name, listen_at, leave),
        cmocka_unit_test_setup_teardown(test_without_a_manager, listen_at, leave),
        cmocka_unit_test_setup_teardown(test_a_watchdog_that_is_not_ours, listen_at, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
