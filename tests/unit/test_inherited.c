/* Sockets that a service manager has opened: which are taken, and what is refused. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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

#include "inherited.h"

static struct config config;
static struct err    err;
static int           fds[CONFIG_LISTEN_MAX];

static void pass(int count)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", text, 1);
    (void)snprintf(text, sizeof text, "%d", count);
    (void)setenv("LISTEN_FDS", text, 1);
    (void)setenv("LISTEN_FDNAMES", "http", 1);
}

static int put(int fd, int place)
{
    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, place), place);
    if (fd != place)
        (void)close(fd);
    return place;
}

static int tcp(int type, bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd      = socket(AF_INET, type, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int clean(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    config.listen_count = 1;
    err.message[0]      = '\0';
    return 0;
}

static int leave(void **state)
{
    (void)state;
    for (int fd = 3; fd < 8; fd++)
        (void)close(fd);
    return 0;
}

static void refused(const char *part)
{
    assert_int_equal(inherited_take(&config, fds, &err), -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.message, part);
}

static void test_two_are_taken(void **state)
{
    char text[256], wanted[256];
    (void)state;
    (void)put(tcp(SOCK_STREAM, true), 6);
    (void)put(tcp(SOCK_STREAM, true), 7);
    (void)put(6, 3);
    (void)put(7, 4);
    pass(2);
    assert_int_equal(inherited_take(&config, fds, &err), 2);
    assert_int_equal(config.listen_count, 2);
    assert_int_equal(fds[0], 3);
    assert_int_equal(fds[1], 4);
    assert_string_equal(config.listen[1].host, "127.0.0.1");
    assert_int_not_equal(config.listen[0].port, config.listen[1].port);
    assert_int_equal(fcntl(3, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(4, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_null(getenv("LISTEN_FDS"));
    assert_null(getenv("LISTEN_PID"));
    assert_null(getenv("LISTEN_FDNAMES"));
    inherited_addresses(&config, text, sizeof text);
    (void)snprintf(wanted, sizeof wanted, "127.0.0.1:%u,127.0.0.1:%u", config.listen[0].port, config.listen[1].port);
    assert_string_equal(text, wanted);
}

static void test_addresses_can_be_read_back(void **state)
{
    char text[256];
    (void)state;
    strcpy(config.listen[0].host, "::1");
    config.listen[0].port = 3003;
    strcpy(config.listen[1].host, "example.org");
    config.listen[1].port = 1;
    config.listen_count   = 2;
    inherited_addresses(&config, text, sizeof text);
    assert_string_equal(text, "[::1]:3003,example.org:1");
}

static void test_none_is_ours(void **state)
{
    (void)state;
    assert_int_equal(inherited_take(&config, fds, &err), 0);
    pass(1);
    (void)setenv("LISTEN_PID", "1", 1);
    assert_int_equal(inherited_take(&config, fds, &err), 0);
    assert_int_equal(config.listen_count, 1);
    pass(0);
    assert_int_equal(inherited_take(&config, fds, &err), 0);
}

static void test_what_is_of_no_use(void **state)
{
    (void)state;
    (void)put(tcp(SOCK_STREAM, false), 3);
    pass(1);
    refused("does not listen");
    (void)put(tcp(SOCK_DGRAM, false), 3);
    pass(1);
    refused("does not listen");
    (void)close(3);
    pass(1);
    refused("socket 3");
    pass(CONFIG_LISTEN_MAX + 1);
    refused("LISTEN_FDS");
    pass(1);
    (void)setenv("LISTEN_FDS", "many", 1);
    refused("LISTEN_FDS");
}

static void test_other_families(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int                fd      = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)state;
    (void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "penny-inherited-%d", (int)getpid());
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    (void)put(fd, 3);
    pass(1);
    refused("only TCP");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_are_taken, clean, leave),
        cmocka_unit_test_setup_teardown(test_addresses_can_be_read_back, clean, leave),
        cmocka_unit_test_setup_teardown(test_none_is_ours, clean, leave),
        cmocka_unit_test_setup_teardown(test_what_is_of_no_use, clean, leave),
        cmocka_unit_test_setup_teardown(test_other_families, clean, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
