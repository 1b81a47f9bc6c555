#define _GNU_SOURCE
#include "fake_zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_init.h"
#include "fdio.h"
#include "zygote_wire.h"

enum { SESSIONS_MAX = 256 };

struct zygote {
    int      socket_fd, command_fd, server_end;
    uint32_t serials[SESSIONS_MAX];
    pid_t    pids[SESSIONS_MAX];
    unsigned fail, die, silent, ignore_kill, without_fds;
};

static void answer(struct zygote *z, struct zygote_message *message, const int *fds, size_t count)
{
    if (fdio_send(z->socket_fd, message, sizeof *message, fds, count) < 0)
        _exit(1);
}

static void say_zygote_ready(struct zygote *z)
{
    static const char     report[] = "{\"level\":\"none\",\"layers\":{}}";
    struct zygote_message message  = {.type = ZYGOTE_READY};
    int                   fd       = memfd_create("report", MFD_CLOEXEC);
    (void)fdio_write_all(fd, report, sizeof report - 1);
    answer(z, &message, &fd, 1);
    close(fd);
}

static unsigned take(unsigned *counter)
{
    return *counter > 0 ? (*counter)-- : 0;
}

static int make_ends(int ours[SESSION_FD_COUNT], struct fake_session *theirs)
{
    int pipes[4][2], control[2];
    for (int i = 0; i < 4; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
        return -1;
    *theirs = (struct fake_session){.request_fd = pipes[0][0], .event_fd = pipes[1][1], .out_fd = pipes[2][1], .control_fd = control[1]};
    ours[SESSION_FD_REQUEST] = pipes[0][1];
    ours[SESSION_FD_EVENT]   = pipes[1][0];
    ours[SESSION_FD_STDOUT]  = pipes[2][0];
    ours[SESSION_FD_STDERR]  = pipes[3][0];
    ours[SESSION_FD_CONTROL] = control[0];
    ours[SESSION_FD_LOG]     = memfd_create("log", MFD_CLOEXEC);
    (void)dup2(pipes[3][1], 250); /* the write end of stderr stays open in the session */
    close(pipes[3][1]);
    for (int i = 0; i < SESSION_FD_LOG; i++)
        (void)fcntl(ours[i], F_SETFL, O_NONBLOCK);
    return 0;
}

static pid_t fork_session(struct zygote *z, const int ours[SESSION_FD_COUNT], struct fake_session *theirs)
{
    char  how = take(&z->die) > 0 ? 'D' : take(&z->silent) > 0 ? 'S' : 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
            theirs->folded_fds[i] = fcntl(ours[SESSION_FD_EVENT + i], F_DUPFD_CLOEXEC, 251); /* EVENT, STDOUT, STDERR */
        for (int i = 0; i < SESSION_FD_COUNT; i++)
            close(ours[i]);
        close(z->socket_fd);
        close(z->command_fd);
        fake_init_main(theirs, how);
    }
    return pid;
}

static void spawn(struct zygote *z, uint32_t serial)
{
    struct zygote_message message = {.type = ZYGOTE_SPAWNED, .session = serial};
    struct fake_session   theirs;
    int                   ours[SESSION_FD_COUNT], slot = 0;
    if (take(&z->fail) > 0) {
        message.type  = ZYGOTE_SPAWN_FAILED;
        message.error = EAGAIN;
        (void)snprintf(message.text, sizeof message.text, "told to fail");
        answer(z, &message, NULL, 0);
        return;
    }
    while (slot < SESSIONS_MAX - 1 && z->pids[slot] != 0)
        slot++;
    if (make_ends(ours, &theirs) < 0)
        _exit(2);
    z->serials[slot] = serial;
    z->pids[slot]    = fork_session(z, ours, &theirs);
    message.pid      = z->pids[slot];
    answer(z, &message, ours, take(&z->without_fds) > 0 ? 0 : SESSION_FD_COUNT);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        close(ours[i]);
    close(theirs.request_fd);
    close(theirs.event_fd);
    close(theirs.out_fd);
    close(theirs.control_fd);
    close(250);
}

static pid_t *find(struct zygote *z, uint32_t serial)
{
    for (int i = 0; i < SESSIONS_MAX; i++)
        if (z->serials[i] == serial && z->pids[i] != 0)
            return &z->pids[i];
    return NULL;
}

static void on_message(struct zygote *z)
{
    struct zygote_message message;
    pid_t                *pid;
    if (fdio_receive(z->socket_fd, &message, sizeof message, NULL, NULL) != (ssize_t)sizeof message)
        _exit(0);
    pid = find(z, message.session);
    if (message.type == ZYGOTE_SPAWN) {
        spawn(z, message.session);
    } else if (message.type == ZYGOTE_KILL && pid != NULL) {
        if (take(&z->ignore_kill) == 0)
            (void)kill(*pid, SIGKILL);
    } else if (message.type == ZYGOTE_ADOPT) {
        for (int i = 0; i < SESSIONS_MAX; i++) {
            if (z->pids[i] == 0) {
                z->serials[i] = message.session;
                z->pids[i]    = message.pid;
                break;
            }
        }
    } else if (message.type == ZYGOTE_STATS && pid != NULL) {
        message.type = ZYGOTE_STATS_REPLY;
        message.stats =
            (struct session_stats){.memory_bytes = 4096, .memory_peak_bytes = 8192, .cpu_us = 77, .processes = 2, .oom_kills = 1};
        answer(z, &message, NULL, 0);
    }
}

static void report_exit(struct zygote *z, int slot, int status)
{
    struct zygote_message message = {.type = ZYGOTE_EXITED, .session = z->serials[slot], .status = status};
    z->pids[slot]                 = 0;
    answer(z, &message, NULL, 0);
}

/* Adopted ones are not our children: they are looked for. */
static void reap(struct zygote *z)
{
    int status;
    for (int i = 0; i < SESSIONS_MAX; i++) {
        pid_t n = z->pids[i] != 0 ? waitpid(z->pids[i], &status, WNOHANG) : 0;
        if (n > 0)
            report_exit(z, i, status);
        else if (n < 0 && kill(z->pids[i], 0) < 0)
            report_exit(z, i, 0);
    }
}

static void on_command(struct zygote *z)
{
    unsigned char         command[2];
    struct zygote_message odd = {.type = 199};
    if (fdio_read_exact(z->command_fd, command, sizeof command) != 1 || command[0] == 'Q') {
        for (int i = 0; i < SESSIONS_MAX; i++)
            if (z->pids[i] != 0)
                (void)kill(z->pids[i], SIGKILL);
        _exit(0);
    }
    switch (command[0]) {
    case 'R': say_zygote_ready(z); break;
    case 'F': z->fail = command[1]; break;
    case 'D': z->die = command[1]; break;
    case 'S': z->silent = command[1]; break;
    case 'K': z->ignore_kill = command[1]; break;
    case 'N': z->without_fds = command[1]; break;
    case 'B': (void)fdio_send(z->socket_fd, "short", 5, NULL, 0); break;
    case 'U': answer(z, &odd, NULL, 0); break;
    case 'X':
        for (int i = 0; i < SESSIONS_MAX; i++) {
            if (z->pids[i] != 0) {
                (void)kill(z->pids[i], SIGKILL);
                break;
            }
        }
        break;
    default: _exit(3);
    }
}

static _Noreturn void zygote_main(struct zygote *z, bool ready)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (ready)
        say_zygote_ready(z);
    for (;;) {
        struct pollfd polled[] = {{.fd = z->socket_fd, .events = POLLIN}, {.fd = z->command_fd, .events = POLLIN}};
        (void)poll(polled, 2, 5);
        if (polled[1].revents != 0)
            on_command(z);
        else if (polled[0].revents != 0)
            on_message(z);
        reap(z);
    }
}

void fake_zygote_start(struct fake_zygote *fake, bool ready)
{
    int sockets[2], commands[2];
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
    (void)fflush(NULL);
    fake->pid = fork();
    assert_true(fake->pid >= 0);
    if (fake->pid == 0) {
        struct zygote z = {.socket_fd = sockets[1], .command_fd = commands[0]};
        close(sockets[0]);
        close(commands[1]);
        zygote_main(&z, ready);
    }
    close(sockets[1]);
    close(commands[0]);
    fake->socket_fd  = sockets[0];
    fake->command_fd = commands[1];
}

void fake_zygote_stop(struct fake_zygote *fake)
{
    if (fake->pid > 0) {
        /* Closing our end would not be seen if a later fake holds a copy of it. It may have ended with its socket already. */
        (void)!write(fake->command_fd, "Q", 2);
        (void)waitpid(fake->pid, NULL, 0);
    }
    fdio_close(&fake->command_fd);
    fake->pid = 0;
}

void fake_zygote_crash(struct fake_zygote *fake)
{
    (void)kill(fake->pid, SIGKILL);
    (void)waitpid(fake->pid, NULL, 0);
    fdio_close(&fake->command_fd);
    fake->pid = 0;
}

void fake_zygote_command(struct fake_zygote *fake, char command, unsigned char n)
{
    unsigned char bytes[2] = {(unsigned char)command, n};
    assert_int_equal(write(fake->command_fd, bytes, 2), 2);
}
