#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"

enum { EVENT_PIPE_BYTES = 256 << 10 };

/* Both ends of everything a session talks over, until the clone has divided them. */
struct ends {
    int server[SESSION_FD_COUNT];
    int request_fd, event_fd, stdout_fd, stderr_fd, control_fd; /* the session's */
    int admit_fd, admitted_fd;                                  /* zygote writes, init waits */
};

static void ends_init(struct ends *ends)
{
    memset(ends, -1, sizeof *ends);
}

static void close_session_side(struct ends *ends)
{
    int *const fds[] = {&ends->request_fd, &ends->event_fd, &ends->stdout_fd, &ends->stderr_fd, &ends->control_fd, &ends->admitted_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        fdio_close(fds[i]);
}

static void close_server_side(struct ends *ends)
{
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        fdio_close(&ends->server[i]);
    fdio_close(&ends->admit_fd);
}

static int non_blocking(int fd)
{
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* A pipe whose server end does not block. */
static int make_pipe(int *read_fd, int *write_fd, int *server_fd)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    *read_fd  = fds[0];
    *write_fd = fds[1];
    return non_blocking(*server_fd);
}

static int make_log(const struct jail *jail)
{
    int fd = openat(jail->state_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) /* a file system without unnamed files */
        fd = memfd_create("log", MFD_CLOEXEC);
    return fd;
}

static int ends_make(const struct jail *jail, struct ends *ends, struct err *err)
{
    int *server = ends->server, pair[2];

    if (make_pipe(&ends->request_fd, &server[SESSION_FD_REQUEST], &server[SESSION_FD_REQUEST]) < 0 ||
        make_pipe(&server[SESSION_FD_EVENT], &ends->event_fd, &server[SESSION_FD_EVENT]) < 0 ||
        make_pipe(&server[SESSION_FD_STDOUT], &ends->stdout_fd, &server[SESSION_FD_STDOUT]) < 0 ||
        make_pipe(&server[SESSION_FD_STDERR], &ends->stderr_fd, &server[SESSION_FD_STDERR]) < 0)
        return err_errno(err, "session pipes");
    (void)fcntl(ends->event_fd, F_SETPIPE_SZ, EVENT_PIPE_BYTES); /* an ordinary user's pipes may be capped: slower, not wrong */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "session control socket");
    server[SESSION_FD_CONTROL] = pair[0];
    ends->control_fd           = pair[1];
    if (non_blocking(server[SESSION_FD_CONTROL]) < 0)
        return err_errno(err, "session control socket");
    server[SESSION_FD_LOG] = make_log(jail);
    if (server[SESSION_FD_LOG] < 0)
        return err_errno(err, "session log");
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_errno(err, "session pipes");
    ends->admitted_fd = pair[0];
    ends->admit_fd    = pair[1];
    return 0;
}

/* In the child: copies above the fixed numbers, so that they can come down to their fixed numbers whatever those hold now. */
static int lift(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, INIT_FD_COUNT);
}

/* Before the layers: one of them limits how many descriptors there may be, and the zygote has some for each session. */
static int lift_all(const struct ends *ends, int report_fd, int ret_lifted[INIT_FD_COUNT], struct err *err)
{
    const int *server                = ends->server;
    int        null_fd               = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int  wanted[INIT_FD_COUNT] = {null_fd,
                                        ends->stdout_fd,
                                        ends->stderr_fd,
                                        ends->request_fd,
                                        ends->event_fd,
                                        ends->control_fd,
                                        report_fd,
                                        server[SESSION_FD_REQUEST],
                                        server[SESSION_FD_EVENT],
                                        server[SESSION_FD_STDOUT],
                                        server[SESSION_FD_STDERR],
                                        server[SESSION_FD_LOG]};

    for (int i = 0; i < INIT_FD_COUNT; i++) {
        ret_lifted[i] = lift(wanted[i]);
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

static _Noreturn void child_main(const struct jail *jail, const struct jail_session *session, struct ends *ends, int report_fd)
{
    struct err err = {0};
    char       go  = 0;
    int        lifted[INIT_FD_COUNT];

    fdio_close(&ends->admit_fd); /* or the read below would never see a zygote that gave up */
    (void)setsid();              /* Ctrl-C at the server's terminal is not for sessions */
    if (fdio_read_exact(ends->admitted_fd, &go, 1) != 1)
        _exit(1);
    /* the layers before the fixed numbers: they use descriptors whose numbers are about to be taken */
    if (lift_all(ends, report_fd, lifted, &err) < 0 || jail_enter(jail, session, &err) < 0 || place(lifted, &err) < 0) {
        spawn_report_send(report_fd, session->session, err.code != 0 ? err.code : EPERM, err.message);
        _exit(1);
    }
    (void)syscall(SYS_close_range, INIT_FD_COUNT, ~0u, 0);
    init_main(jail, session);
}

pid_t spawn_session(const struct jail *jail, struct jail_session *session, int report_fd, int ret_fds[SESSION_FD_COUNT], struct err *err)
{
    struct jail_session copy;
    struct ends         ends;
    int                 group_fd = -1;
    pid_t               pid;

    ends_init(&ends);
    if (jail_reserve(jail, session, err) < 0)
        return -1;
    if (ends_make(jail, &ends, err) < 0)
        goto failed;
    if (jail->cgroup_version == 2 && (group_fd = jail_cgroup_open(jail, session)) < 0) {
        err_errno(err, "session group");
        goto failed;
    }
    copy = *session; /* on the stack: the zygote's table is not inherited */
    pid  = clone_process(jail->clone_flags, group_fd);
    if (pid == 0)
        child_main(jail, &copy, &ends, report_fd);
    fdio_close(&group_fd);
    if (pid < 0) {
        err_errno(err, "clone");
        goto failed;
    }
    close_session_side(&ends);
    /* a child that is not admitted sees the end of the pipe and leaves; the caller reaps it as any other */
    if (jail_admit(jail, session, pid, err) == 0)
        (void)!write(ends.admit_fd, "", 1);
    fdio_close(&ends.admit_fd);
    memcpy(ret_fds, ends.server, sizeof ends.server);
    return pid;
failed:
    close_session_side(&ends);
    close_server_side(&ends);
    jail_release(jail, session);
    return -1;
}
