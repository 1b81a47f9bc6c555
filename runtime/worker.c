#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "host.h"
#include "init.h"
#include "init_mark.h"
#include "wire.h"

enum { ARRIVED_FD_MIN = 32 /* above all places */ };

static _Noreturn void fail(const struct jail_session *session, int report_fd, const struct err *err)
{
    if (report_fd >= 0)
        spawn_report_send(report_fd, session->session, err->code != 0 ? err->code : EPERM, err->message);
    _exit(EXIT_JAIL);
}

/* What is as it should be is left alone: each variable set is a page copied. */
static void set_variable(const char *name, const char *value)
{
    const char *present = getenv(name);
    if (present == NULL || strcmp(present, value) != 0)
        (void)setenv(name, value, 1);
}

_Noreturn void worker_begin(const struct jail *jail, const struct jail_session *session, int report_fd, void (*place)(void *arg), void *arg)
{
    sigset_t   none;
    struct err err = {0};

    set_variable("HOME", session->workspace);
    set_variable("TMPDIR", session->temporary);
    if (jail_enter_worker(jail, session, &err) < 0)
        fail(session, report_fd, &err);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* its /proc/self is its own to read; and from now on others of the session may write there */
    if (report_fd >= 0)
        spawn_report_send(report_fd, session->session, 0, "");
    place(arg);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    host_worker_main();
}

struct arrived {
    int    null_fd, fds[DOOR_FD_COUNT];
    size_t count;
};

/* Blocks. Returns false when nobody opens. */
static bool wait_at_door(int door_fd, struct arrived *ret)
{
    struct worker_order order;

    ret->count = DOOR_FD_COUNT;
    if (fdio_receive(door_fd, &order, sizeof order, ret->fds, &ret->count) != (ssize_t)sizeof order || ret->count < DOOR_FD_COUNT - 1)
        return false;
    ret->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ret->null_fd = fcntl(ret->null_fd, F_DUPFD_CLOEXEC, ARRIVED_FD_MIN);
    for (size_t i = 0; i < ret->count; i++) {
        ret->fds[i] = fcntl(ret->fds[i], F_DUPFD_CLOEXEC, ARRIVED_FD_MIN);
        if (ret->fds[i] < 0)
            return false;
    }
    return ret->null_fd >= 0;
}

static void place_arrived(void *arg)
{
    static const int      places[DOOR_FD_COUNT] = {WORKER_REQUEST_FD, WORKER_EVENT_FD, STDOUT_FILENO, STDERR_FILENO, WORKER_CHANNEL_FD};
    const struct arrived *arrived               = arg;

    (void)dup3(arrived->null_fd, STDIN_FILENO, 0);
    for (size_t i = 0; i < arrived->count; i++)
        (void)dup3(arrived->fds[i], places[i], places[i] <= STDERR_FILENO ? 0 : O_CLOEXEC);
    (void)syscall(SYS_close_range, arrived->count < DOOR_FD_COUNT ? WORKER_CHANNEL_FD : WORKER_FD_END, ~0u, 0);
}

_Noreturn void worker_visit(const struct jail *jail, const struct jail_session *session, uint32_t member, bool is_grouped, int report_fd,
                            int door_fd)
{
    struct err     err = {0};
    struct arrived arrived;

    clone_register();
    /* until it has every layer: others of the session may be there already, and what they wrote into it would run without */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setsid(); /* and a group of its own: an interrupt reaches it and its children, not init and not parked copies */
    (void)prctl(PR_SET_NAME, "penny-worker", 0, 0, 0);
    init_mark_set(0, init_mark_of(member)); /* or init would take it for nobody's, and end it with another member */
    if (jail_join(jail, session, is_grouped, &err) < 0)
        fail(session, report_fd, &err);
    if (!wait_at_door(door_fd, &arrived))
        _exit(EXIT_JAIL);
    if (jail_become(jail, session, &err) < 0)
        fail(session, report_fd, &err);
    worker_begin(jail, session, report_fd, place_arrived, &arrived);
}
