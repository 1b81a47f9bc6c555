/* Members of a jail: what its init does with a pipe that processes of the session hold, too. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "init_member.h"

static int           requests[2];
static struct member member;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe2(requests, O_CLOEXEC), 0);
    member = (struct member){.fds = {[MEMBER_FD_REQUEST] = requests[0]}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(requests[0]);
    close(requests[1]);
    return 0;
}

static void test_requests_that_nobody_will_read_are_dropped(void **state)
{
    char bytes[50000] = {0};
    int  left         = -1;
    (void)state;
    assert_int_equal(write(requests[1], bytes, sizeof bytes), sizeof bytes);
    member_drain_requests(&member);
    assert_int_equal(ioctl(requests[0], FIONREAD, &left), 0);
    assert_int_equal(left, 0);
    member_drain_requests(&member);
}

static _Noreturn void read_for_ever(void)
{
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (read(requests[0], &byte, 1) == 1)
        ;
    _exit(0);
}

/* Another process may take what was there a moment ago. */
static void test_it_never_waits_for_requests(void **state)
{
    pid_t thief  = fork();
    int   rounds = 0;
    (void)state;
    if (thief == 0)
        read_for_ever();
    assert_true(thief > 0);
    (void)alarm(110); /* which ends the test */
    for (time_t end = time(NULL) + 20; rounds < 300000 && time(NULL) < end; rounds++) {
        assert_int_equal(write(requests[1], "x", 1), 1);
        member_drain_requests(&member);
    }
    (void)alarm(0);
    assert_true(rounds > 1000);
    assert_int_equal(kill(thief, SIGKILL), 0);
    assert_int_equal(waitpid(thief, NULL, 0), thief);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_requests_that_nobody_will_read_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_never_waits_for_requests, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("init_member", tests, NULL, NULL);
}
