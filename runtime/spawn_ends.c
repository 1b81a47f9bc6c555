#define _GNU_SOURCE
#include "spawn_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdio.h"

enum { EVENT_PIPE_BYTES = 256 << 10 };

void ends_close_session(struct ends *ends)
{
    int *const fds[] = {&ends->request_fd, &ends->event_fd,    &ends->stdout_fd, &ends->stderr_fd,
                        &ends->control_fd, &ends->admitted_fd, &ends->null_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        fdio_close(fds[i]);
}

void ends_close_server(struct ends *ends)
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
static int make_pipe(int *read_fd, int *write_fd, const int *server_fd)
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

int ends_make(const struct jail *jail, struct ends *ends, struct err *err)
{
    int *server = ends->server, pair[2];

    memset(ends, -1, sizeof *ends);
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
    ends->null_fd     = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return ends->null_fd < 0 ? err_errno(err, "/dev/null") : 0;
}

int ends_lasting(int fd)
{
    int lasting = fd < 0 || fd >= LASTING_FD_MIN ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LASTING_FD_MIN);
    if (lasting < 0)
        return fd;
    (void)close(fd);
    return lasting;
}

void ends_settle(struct ends *ends)
{
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        ends->server[i] = ends_lasting(ends->server[i]);
}

void ends_of_init(const struct ends *ends, int report_fd, int ret_fds[INIT_FD_COUNT])
{
    const int *server                = ends->server;
    const int  wanted[INIT_FD_COUNT] = {ends->null_fd,
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
    memcpy(ret_fds, wanted, sizeof wanted);
}
