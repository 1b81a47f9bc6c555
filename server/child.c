#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fdio.h"

enum { DELAY_FIRST_MS = 100, DELAY_MAX_MS = 800, LIVED_WELL_MS = 3000, EXIT_CANNOT_EXECUTE = 127 };

int64_t child_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void child_init(struct child *child, const char *name)
{
    *child = (struct child){.name = name, .socket_fd = -1};
}

/* Moves fds to 3, 4, ... in two steps, so that no descriptor is overwritten before it is moved. Returns 0 or -1. */
static int place_fds(const int *fds, size_t count)
{
    int moved[CHILD_FDS_MAX];
    for (size_t i = 0; i < count; i++) {
        moved[i] = fcntl(fds[i], F_DUPFD, CHILD_FD_FIRST + CHILD_FDS_MAX);
        if (moved[i] < 0)
            return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (dup2(moved[i], CHILD_FD_FIRST + (int)i) < 0)
            return -1;
    return close_range(CHILD_FD_FIRST + (unsigned)count, ~0u, 0);
}

static void run(const char *path, char *const argv[], const int *fds, size_t count, int death_signal, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid();
    if (prctl(PR_SET_PDEATHSIG, death_signal) == 0 && getppid() == parent && place_fds(fds, count) == 0)
        (void)execv(path, argv);
    (void)dprintf(STDERR_FILENO, "penny-sandbox: cannot execute %s: %s\n", path, strerror(errno));
    _exit(EXIT_CANNOT_EXECUTE);
}

int child_start(struct child *child, const char *path, char *const argv[], const int *fds, size_t fd_count, int death_signal,
                struct err *err)
{
    pid_t parent = getpid(), pid;
    if (fd_count > CHILD_FDS_MAX)
        return err_set(err, EINVAL, "too many descriptors for %s", child->name);
    pid = fork();
    if (pid < 0)
        return err_errno(err, "cannot start %s", child->name);
    if (pid == 0)
        run(path, argv, fds, fd_count, death_signal, parent);
    child->pid        = pid;
    child->started_ms = child_now_ms();
    child->retry_ms   = 0;
    return 0;
}

void child_on_exit(struct child *child, bool wanted)
{
    int64_t now = child_now_ms();
    child->pid  = 0;
    fdio_close(&child->socket_fd);
    if (now - child->started_ms >= LIVED_WELL_MS)
        child->delay_ms = 0;
    child->retry_ms = wanted ? now + child->delay_ms : 0;
    child->delay_ms = child->delay_ms == 0 ? DELAY_FIRST_MS : child->delay_ms * 2;
    if (child->delay_ms > DELAY_MAX_MS)
        child->delay_ms = DELAY_MAX_MS;
}

void child_describe_status(int status, char *ret_text, size_t room)
{
    if (WIFSIGNALED(status))
        (void)snprintf(ret_text, room, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        (void)snprintf(ret_text, room, "ended with status %d", WEXITSTATUS(status));
}
