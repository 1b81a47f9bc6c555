#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "host.h"
#include "init_file.h"
#include "processes.h"

enum { PARKED_MAX = 64, EXIT_JAIL = 71 };

struct init {
    const struct jail         *jail;
    const struct jail_session *session;
    pid_t                      worker; /* 0: none */
    pid_t                      parked[PARKED_MAX];
    size_t                     parked_count;
    bool                       own_namespace;
    int                        signal_fd;
    struct init_file           files;
};

union packet {
    struct control_message message;
    struct control_file    file;
};

void spawn_report_send(int fd, uint32_t session, int error, const char *text)
{
    struct spawn_report report = {.session = session, .error = error};
    (void)strncpy(report.text, text, sizeof report.text - 1);
    (void)send(fd, &report, sizeof report, MSG_NOSIGNAL); /* a zygote that is gone has no use for it */
}

static void tell(enum control_type type, pid_t pid, int status)
{
    struct control_message message = {.type = type, .pid = pid, .status = status};
    (void)fdio_send(INIT_CONTROL_FD, &message, sizeof message, NULL, 0); /* a server that is gone: the poll below sees it */
}

/* Without a pid namespace the kernel does not end the others with us. */
static _Noreturn void end_session(const struct init *init)
{
    if (!init->own_namespace)
        (void)processes_kill(false, NULL, 0);
    _exit(0);
}

/* Runs in the fork that becomes the worker. Signal handling first: from here it is an ordinary process. */
static _Noreturn void become_worker(const struct init *init, bool first)
{
    sigset_t   none;
    struct err err;

    (void)setpgid(0, 0); /* a group of its own: an interrupt reaches it and its children, not init and not parked copies */
    (void)prctl(PR_SET_NAME, "penny-worker", 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* its /proc/self is its own to read */
    if (!init->own_namespace)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)setenv("HOME", init->session->workspace, 1);
    (void)setenv("TMPDIR", init->session->temporary, 1);
    if (jail_enter_worker(init->jail, init->session, &err) < 0) {
        if (first)
            spawn_report_send(INIT_REPORT_FD, init->session->session, err.code != 0 ? err.code : EPERM, err.message);
        _exit(EXIT_JAIL);
    }
    if (first)
        spawn_report_send(INIT_REPORT_FD, init->session->session, 0, "");
    (void)syscall(SYS_close_range, WORKER_EVENT_FD + 1, ~0u, 0);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    host_worker_main();
}

static void start_worker(struct init *init, bool first)
{
    pid_t pid = clone_process(0, -1);

    if (pid == 0)
        become_worker(init, first);
    if (pid < 0) {
        if (first)
            spawn_report_send(INIT_REPORT_FD, init->session->session, errno, "the worker could not be forked");
        tell(CONTROL_WORKER_EXITED, 0, EXIT_JAIL << 8);
        return;
    }
    init->worker = pid;
    tell(CONTROL_WORKER_STARTED, pid, 0);
}

/* What the former worker left unread must not be taken for a request by the next one. */
static void drain_requests(void)
{
    char buffer[4096];
    int  waiting = 0;

    while (ioctl(WORKER_REQUEST_FD, FIONREAD, &waiting) == 0 && waiting > 0) {
        size_t want = (size_t)waiting < sizeof buffer ? (size_t)waiting : sizeof buffer;
        if (read(WORKER_REQUEST_FD, buffer, want) <= 0)
            return;
    }
}

static bool forget_parked(struct init *init, pid_t pid)
{
    for (size_t i = 0; i < init->parked_count; i++) {
        if (init->parked[i] == pid) {
            init->parked[i] = init->parked[--init->parked_count];
            return true;
        }
    }
    return false;
}

/* The server repeats what the worker said, so the pid is checked: only a child of ours can be a parked copy. */
static void remember_parked(struct init *init, pid_t pid)
{
    siginfo_t info;

    if (pid <= 1 || pid == init->worker || init->parked_count == PARKED_MAX ||
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return;
    init->parked[init->parked_count++] = pid;
}

static void interrupt(const struct init *init, uint64_t execution)
{
    union sigval value = {.sival_int = (int)(execution & 0x7fffffff)};

    if (init->worker == 0)
        return;
    (void)sigqueue(init->worker, SIGINT, value);
    (void)kill(-init->worker, SIGINT); /* its children, as Ctrl-C would; the worker ignores this one */
}

static void wake(struct init *init, pid_t pid)
{
    if (init->worker != 0 || !forget_parked(init, pid)) {
        tell(CONTROL_PARKED_EXITED, pid, 0);
        return;
    }
    drain_requests();
    init->worker = pid;
    (void)kill(pid, WAKE_SIGNAL);
    tell(CONTROL_WORKER_STARTED, pid, 0);
}

static void send_descriptors(const struct init *init)
{
    struct control_message message = {.type = CONTROL_DESCRIPTORS_REPLY, .pid = init->worker};
    int                    fds[]   = {INIT_SERVER_FD, INIT_SERVER_FD + 1, INIT_SERVER_FD + 2, INIT_SERVER_FD + 3, INIT_SERVER_FD + 4};
    (void)fdio_send(INIT_CONTROL_FD, &message, sizeof message, fds, sizeof fds / sizeof *fds);
}

static void obey(struct init *init, const struct control_message *message)
{
    switch ((enum control_type)message->type) {
    case CONTROL_INTERRUPT: interrupt(init, message->execution); break;
    case CONTROL_KILL_WORKER: (void)processes_kill(init->own_namespace, init->parked, init->parked_count); break;
    case CONTROL_WAKE: wake(init, message->pid); break;
    case CONTROL_DROP:
        if (forget_parked(init, message->pid))
            (void)kill(message->pid, SIGKILL);
        break;
    case CONTROL_RESPAWN:
        if (init->worker == 0) {
            drain_requests();
            start_worker(init, false);
        }
        break;
    case CONTROL_PARKED: remember_parked(init, message->pid); break;
    case CONTROL_DESCRIPTORS: send_descriptors(init); break;
    case CONTROL_EXIT: end_session(init);
    default: /* from a newer server: nothing it could mean is ours to guess */ break;
    }
}

static void serve_file(const struct init *init, const struct control_file *request, int list_fd)
{
    struct control_file_reply reply;
    int                       fd;

    init_file_do(&init->files, request, list_fd, &reply, &fd);
    (void)fdio_send(INIT_CONTROL_FD, &reply, sizeof reply, &fd, fd >= 0 ? 1 : 0); /* a server that is gone: as in tell() */
    fdio_close(&fd);
}

static void on_control(struct init *init)
{
    union packet packet;
    int          fd       = -1;
    size_t       fd_count = 1;
    ssize_t      n        = fdio_receive(INIT_CONTROL_FD, &packet, sizeof packet, &fd, &fd_count);

    if (n == 0 || (n < 0 && errno != EAGAIN))
        end_session(init);
    if (n == (ssize_t)sizeof packet.message)
        obey(init, &packet.message);
    else if (n == (ssize_t)sizeof packet.file && packet.file.type == CONTROL_FILE)
        serve_file(init, &packet.file, fd_count == 1 ? fd : -1);
    if (fd_count == 1)
        fdio_close(&fd);
}

static void on_exit_of(struct init *init, pid_t pid, int status)
{
    if (pid == init->worker) {
        init->worker = 0;
        /* what it started goes with it: a process that outlives its worker could still write into the pipes of the next */
        (void)processes_kill(init->own_namespace, init->parked, init->parked_count);
        tell(CONTROL_WORKER_EXITED, pid, status);
    } else if (forget_parked(init, pid)) {
        tell(CONTROL_PARKED_EXITED, pid, status);
    }
}

static void on_signal(struct init *init)
{
    struct signalfd_siginfo info;
    int                     status;
    pid_t                   pid;

    while (read(init->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM) /* the zygote's way where SIGKILL would leave our descendants alive */
            end_session(init);
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        on_exit_of(init, pid, status);
}

static void watch_signals(struct init *init)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if (!init->own_namespace)
        sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &signals, NULL); /* everything else by default: only the zygote and the kernel can signal us */
    init->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (init->signal_fd < 0)
        _exit(EXIT_JAIL);
}

_Noreturn void init_main(const struct jail *jail, const struct jail_session *session)
{
    struct init init = {.jail = jail, .session = session, .own_namespace = jail->report[LAYER_PID_NAMESPACE].active};

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "penny-init", 0, 0, 0);
    if (!init.own_namespace)
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    watch_signals(&init);
    init_file_init(&init.files, session->workspace, jail->has_root);
    start_worker(&init, true);
    (void)close(INIT_REPORT_FD);
    for (;;) {
        struct pollfd fds[] = {{.fd = INIT_CONTROL_FD, .events = POLLIN}, {.fd = init.signal_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            continue; /* EINTR */
        if (fds[1].revents != 0)
            on_signal(&init); /* deaths before orders: RESPAWN and WAKE are about what has already died */
        if (fds[0].revents != 0)
            on_control(&init);
    }
}
