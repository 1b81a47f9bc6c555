#define _GNU_SOURCE
#include "footing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* The next file that is opened would take the place, and get what is printed. */
static int open_standard(struct err *err)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        return close(fd);
    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            return err_errno(err, "standard input, output or error is closed, and /dev/null can't stand in for it");
    return 0;
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool footing_outlives_terminal(void)
{
    return is_ignored(SIGHUP);
}

/* Where SIGCHLD is ignored no end of a child is ever told. */
static void reset_signals(void)
{
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        if (number != SIGHUP && is_ignored(number))
            (void)signal(number, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error, not a death */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int footing_settle(struct err *err)
{
    reset_signals();
    (void)umask(umask(0) & ~(mode_t)S_IRWXU);
    return open_standard(err);
}
