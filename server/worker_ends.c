#define _GNU_SOURCE
#include "worker_ends.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdio.h"

enum { EVENT_PIPE_BYTES = 256 << 10 };

static const enum session_fd kept[MEMBER_SERVER_FDS] = {SESSION_FD_REQUEST, SESSION_FD_EVENT, SESSION_FD_STDOUT, SESSION_FD_STDERR,
                                                        SESSION_FD_LOG};

/* A pipe whose end on our side does not block. */
static int make_pipe(int *read_fd, int *write_fd, const int *server_fd)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    *read_fd  = fds[0];
    *write_fd = fds[1];
    return fcntl(*server_fd, F_SETFL, fcntl(*server_fd, F_GETFL) | O_NONBLOCK);
}

static int make(int server[SESSION_FD_COUNT], int worker[MEMBER_FD_SERVER])
{
    if (make_pipe(&worker[MEMBER_FD_REQUEST], &server[SESSION_FD_REQUEST], &server[SESSION_FD_REQUEST]) < 0 ||
        make_pipe(&server[SESSION_FD_EVENT], &worker[MEMBER_FD_EVENT], &server[SESSION_FD_EVENT]) < 0 ||
        make_pipe(&server[SESSION_FD_STDOUT], &worker[MEMBER_FD_STDOUT], &server[SESSION_FD_STDOUT]) < 0 ||
        make_pipe(&server[SESSION_FD_STDERR], &worker[MEMBER_FD_STDERR], &server[SESSION_FD_STDERR]) < 0)
        return -1;
    (void)fcntl(worker[MEMBER_FD_EVENT], F_SETPIPE_SZ, EVENT_PIPE_BYTES); /* pipes may be capped: slower, not wrong */
    server[SESSION_FD_LOG] = memfd_create("log", MFD_CLOEXEC);            /* the state directory is not ours to write in */
    return server[SESSION_FD_LOG] < 0 ? -1 : 0;
}

int worker_ends_make(int ret_server[SESSION_FD_COUNT], int ret_init[MEMBER_FD_COUNT], struct err *err)
{
    for (int i = 0; i < MEMBER_FD_COUNT; i++)
        ret_init[i] = -1;
    if (make(ret_server, ret_init) < 0) {
        (void)err_errno(err, "the pipes of a fork");
        worker_ends_close(ret_init);
        return -1;
    }
    for (int i = 0; i < MEMBER_SERVER_FDS; i++)
        ret_init[MEMBER_FD_SERVER + i] = ret_server[kept[i]];
    return 0;
}

void worker_ends_close(int init[MEMBER_FD_COUNT])
{
    for (int i = 0; i < MEMBER_FD_SERVER; i++)
        fdio_close(&init[i]);
}
