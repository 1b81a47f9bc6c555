#define _GNU_SOURCE
#include "command_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "footing.h"
#include "private_server.h"

enum { FAILED = 125 };

int command_private_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT); /* of the terminal: the program that started us decides */
    (void)sigaddset(&set, SIGTERM);
    if (!footing_outlives_terminal())
        (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until standard input ends, the service does, or a signal other than SIGINT comes. Returns whether the service is alive. */
static bool wait_for_end(int signal_fd, int end_fd)
{
    for (;;) {
        struct pollfd polled[] = {
            {.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}, {.fd = end_fd, .events = POLLIN}};
        struct signalfd_siginfo info;
        char                    ignored[256];
        if (poll(polled, 3, -1) < 0) {
            if (errno == EINTR)
                continue;
            return true;
        }
        if (polled[2].revents != 0)
            return false;
        if (polled[1].revents != 0 && read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo != SIGINT)
            return true;
        if (polled[0].revents != 0) {
            ssize_t n = read(STDIN_FILENO, ignored, sizeof ignored);
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                return true;
        }
    }
}

int command_private(int argc, char **argv)
{
    struct private_server server    = PRIVATE_SERVER_INIT;
    struct err            err       = {0};
    int                   signal_fd = command_private_signals();
    bool                  alive;

    if (signal_fd < 0 || private_server_start(&server, argv, (size_t)argc, &err) < 0) {
        (void)fprintf(stderr, "penny-sandbox: %s\n", signal_fd < 0 ? "no signals can be read" : err.message);
        return FAILED;
    }
    (void)printf("{\"url\": \"http://%s:%s\", \"key\": \"%s\", \"startMs\": %lld}\n", server.target.host, server.target.port,
                 server.target.key, (long long)server.start_ms);
    (void)fflush(stdout);
    alive = wait_for_end(signal_fd, server.end_fd);
    private_server_stop(&server);
    (void)close(signal_fd);
    return alive ? 0 : FAILED;
}
