#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "init_fork.h"
#include "spawn_ends.h"
#include "visit.h"

/* In the child: copies above the fixed numbers, so that they can come down to their fixed numbers whatever those hold now. */
static int lift(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, INIT_FD_COUNT);
}

/* Before the layers: one of them limits how many descriptors there may be, and the zygote has some for each session. */
static int lift_all(const struct ends *ends, int report_fd, int ret_lifted[INIT_FD_COUNT], struct err *err)
{
    ends_of_init(ends, report_fd, ret_lifted);
    for (int i = 0; i < INIT_FD_COUNT; i++) {
        ret_lifted[i] = lift(ret_lifted[i]);
        if (ret_lifted[i] < 0)
            return err_errno(err, "session descriptor %d", i);
    }
    return 0;
}

static int place(const int lifted[INIT_FD_COUNT], struct err *err)
{
    for (int i = 0; i < INIT_FD_COUNT; i++) {
        /* 0 to 2 survive exec, as a program expects; the rest are the session's own business */
        if (dup3(lifted[i], i, i <= 2 ? 0 : O_CLOEXEC) < 0)
            return err_errno(err, "session descriptor %d", i);
    }
    return 0;
}

static _Noreturn void child_main(const struct jail *jail, struct ends *ends, int report_fd)
{
    struct err          err = {0};
    struct jail_session session;
    int                 lifted[INIT_FD_COUNT];

    fdio_close(&ends->admit_fd); /* or the read below would never see a zygote that gave up */
    (void)setsid();              /* Ctrl-C at the server's terminal is not for sessions */
    if (fdio_read_exact(ends->admitted_fd, &session, sizeof session) != 1)
        _exit(1);
    /* the layers before the fixed numbers: they use descriptors whose numbers are about to be taken */
    if (lift_all(ends, report_fd, lifted, &err) < 0 || jail_enter(jail, &session, &err) < 0 || place(lifted, &err) < 0) {
        spawn_report_send(report_fd, session.session, err.code != 0 ? err.code : EPERM, err.message);
        _exit(1);
    }
    (void)syscall(SYS_close_range, INIT_FD_COUNT, ~0u, 0);
    init_fork_main(jail, &session);
}

/* Init as a fork of ours. Returns its pid, or -1. */
static pid_t fork_init(const struct jail *jail, const struct jail_session *session, struct ends *ends, int report_fd, struct err *err)
{
    int   group_fd = -1;
    pid_t pid;

    if (jail->cgroup_version == 2 && (group_fd = jail_cgroup_open(jail, session)) < 0)
        return err_errno(err, "session group");
    pid = clone_process(jail->clone_flags, group_fd);
    if (pid == 0)
        child_main(jail, ends, report_fd);
    fdio_close(&group_fd);
    return pid < 0 ? err_errno(err, "clone") : pid;
}

/* Tells init of the worker that waits at its door (owned); without one, of the error. Returns 0, or -1 with err. */
static int tell_worker(int control_fd, uint32_t member, pid_t pid, int door_fd, struct err *err)
{
    const struct control_message message = {.type = CONTROL_WORKER, .member = member, .pid = pid};
    int                          failed  = fdio_send(control_fd, &message, sizeof message, &door_fd, door_fd >= 0 ? 1 : 0);

    fdio_close(&door_fd);
    return failed ? err_errno(err, "the session's init") : 0;
}

static int visit(struct visit *visit, uint32_t member, int control_fd, struct err *err)
{
    int door[2], failed;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, door) < 0)
        return err_errno(err, "a worker's door");
    visit->door_fd = door[1];
    visit->member  = member;
    failed         = visit_make(visit, err);
    fdio_close(&door[1]);
    if (failed)
        fdio_close(&door[0]);
    else
        failed = tell_worker(control_fd, member, visit->worker_pid, door[0], err);
    return failed;
}

/* Init as a program of its own, and its first worker. Returns its pid, or -1. */
static pid_t make_init(const struct jail *jail, const struct jail_session *session, const struct ends *ends, int report_fd, struct err *err)
{
    struct visit first = {.jail = jail, .session = session, .report_fd = report_fd, .admitted_fd = ends->admitted_fd};
    int          failed;

    ends_of_init(ends, report_fd, first.init_fds);
    failed = visit(&first, 0, ends->server[SESSION_FD_CONTROL], err);
    if (!failed)
        return first.init_pid;
    /* an init that is not admitted leaves; it is reaped as any other child */
    return -1;
}

pid_t spawn_session(const struct jail *jail, struct jail_session *session, int report_fd, int ret_fds[SESSION_FD_COUNT], struct err *err)
{
    struct jail_session copy;
    struct ends         ends = {.admit_fd = -1};
    pid_t               pid  = -1;

    if (jail_reserve(jail, session, err) < 0)
        return -1;
    copy = *session; /* on the stack: the zygote's table is not inherited */
    if (ends_make(jail, &ends, err) == 0)
        pid = jail->can_visit ? make_init(jail, &copy, &ends, report_fd, err) : fork_init(jail, &copy, &ends, report_fd, err);
    ends_close_session(&ends);
    if (pid < 0) {
        ends_close_server(&ends);
        jail_release(jail, session);
        return -1;
    }
    /* a child that is not admitted sees the end of the pipe and leaves; the caller reaps it as any other */
    if (jail_admit(jail, session, pid, err) == 0)
        (void)fdio_write_all(ends.admit_fd, &copy, sizeof copy);
    fdio_close(&ends.admit_fd);
    ends_settle(&ends);
    memcpy(ret_fds, ends.server, sizeof ends.server);
    return pid;
}

int spawn_worker(const struct jail *jail, const struct jail_session *session, pid_t init, uint32_t member, int control_fd, struct err *err)
{
    struct jail_session copy = *session;
    struct visit        next = {.jail = jail, .session = &copy, .report_fd = -1, .admitted_fd = -1, .init_pid = init};

    if (!jail->can_visit) /* a zygote that is less able than the one before it */
        return tell_worker(control_fd, member, 0, -1, err);
    if (visit(&next, member, control_fd, err) == 0)
        return 0;
    return next.worker_pid > 0 ? -1 : tell_worker(control_fd, member, 0, -1, err);
}
