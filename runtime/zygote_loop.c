/* zygote_loop.c: the things the zygote does for the server, and what it hears of sessions. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "jail_layers.h"
#include "spawn.h"
#include "spawn_ends.h"
#include "stats.h"
#include "zygote.h"

void zygote_send(struct zygote *zygote, const struct zygote_message *message, const int *fds, size_t fd_count)
{
    if (zygote->server_fd >= 0 && fdio_send(zygote->server_fd, message, sizeof *message, fds, fd_count) < 0)
        fdio_close(&zygote->server_fd); /* it is gone: the supervisor brings the next one */
}

void zygote_send_failed(struct zygote *zygote, uint32_t session, int error, const char *text)
{
    struct zygote_message message = {.type = ZYGOTE_SPAWN_FAILED, .session = session, .error = error};
    (void)snprintf(message.text, sizeof message.text, "%s", text);
    zygote_send(zygote, &message, NULL, 0);
}

static int send_ready(struct zygote *zygote, struct err *err)
{
    struct zygote_message message = {.type = ZYGOTE_READY, .pid = getpid()};
    int                   fd      = jail_report_fd(&zygote->jail, err);
    int                   fds[]   = {-1, zygote->jail.egress_fd};

    if (fd < 0)
        return -1;
    fds[0] = fd;
    zygote_send(zygote, &message, fds, zygote->jail.egress_fd >= 0 ? 2 : 1);
    close(fd);
    return 0;
}

/* ---- what the server asks ---- */

static void fill_session(const struct zygote *zygote, const struct zygote_message *message, struct jail_session *session)
{
    const struct policy *policy = zygote->policy;
    session->memory_bytes       = message->memory_bytes != 0 ? message->memory_bytes : policy->memory_bytes;
    session->workspace_bytes    = message->workspace_bytes != 0 ? message->workspace_bytes : policy->workspace_bytes;
    session->processes          = message->processes != 0 ? message->processes : policy->processes;
    session->cpu_percent        = message->cpu_percent != 0 ? message->cpu_percent : policy->cpu_percent;
}

static void on_spawn(struct zygote *zygote, const struct zygote_message *message)
{
    struct child *child = children_add(zygote->children, message->session);
    struct err    err   = {0};
    pid_t         pid;

    if (child == NULL) {
        zygote_send_failed(zygote, message->session, EEXIST, "the session exists, or there are too many");
        return;
    }
    retired_make_way(zygote->retired, message->session);
    fill_session(zygote, message, &child->session);
    child->session.uid = children_take_uid(zygote->children);
    if (child->session.uid == (uid_t)-1)
        pid = err_set(&err, EAGAIN, "no host user is free for the session");
    else
        pid = spawn_session(&zygote->jail, &child->session, zygote->reporting_fd, child->fds, &err);
    if (pid < 0) {
        zygote_send_failed(zygote, message->session, err.code, err.message);
        children_remove(zygote->children, child);
        return;
    }
    children_set_pid(zygote->children, child, pid);
}

static void on_kill(struct zygote *zygote, const struct zygote_message *message)
{
    struct child *child = children_find(zygote->children, message->session);
    if (child != NULL)
        zygote_kill(zygote, child);
}

static void on_stats(struct zygote *zygote, const struct zygote_message *message)
{
    const struct child   *child = children_find(zygote->children, message->session);
    struct zygote_message reply = {.type = ZYGOTE_STATS_REPLY, .session = message->session};

    if (child == NULL)
        return;
    stats_read(&zygote->jail, message->session, child->pid, child->session.memory_bytes, &reply.stats);
    zygote_send(zygote, &reply, NULL, 0);
}

/* In a fork: the kernel may look for a while. */
static void on_reclaim(struct zygote *zygote, const struct zygote_message *message)
{
    const struct child   *child = children_find(zygote->children, message->session);
    struct zygote_message reply = {.type = ZYGOTE_RECLAIMED, .session = message->session};
    struct jail_session   session;
    struct err            err = {0};

    if (child == NULL)
        return;
    session = child->session; /* the table is not inherited */
    if (clone_process(0, -1) != 0)
        return;
    if (jail_cgroup_reclaim(&zygote->jail, &session, &reply.memory_bytes, &err) < 0)
        reply.error = err.code != 0 ? err.code : EIO;
    zygote_send(zygote, &reply, NULL, 0);
    _exit(0);
}

static void on_limit(const struct zygote *zygote, const struct zygote_message *message)
{
    const struct child *child = children_find(zygote->children, message->session);
    struct err          err   = {0};

    if (child != NULL && jail_cgroup_set_cpu(&zygote->jail, &child->session, message->cpu_percent, &err) < 0)
        (void)fprintf(stderr, "penny-zygote: session %u: %s\n", message->session, err.message);
}

static void on_family(const struct zygote *zygote, const struct zygote_message *message)
{
    const struct child *child = children_find(zygote->children, message->session);
    struct jail_session limits;
    struct err          err = {0};

    if (child == NULL || message->value == 0)
        return;
    limits = child->session;
    fill_session(zygote, message, &limits);
    if (jail_cgroup_scale(&zygote->jail, &limits, message->value, &err) < 0)
        (void)fprintf(stderr, "penny-zygote: session %u: %s\n", message->session, err.message);
}

static void on_worker(struct zygote *zygote, const struct zygote_message *message)
{
    struct child       *child = children_find(zygote->children, message->session);
    struct jail_session session;
    struct err          err = {0};

    if (child == NULL || !child->known)
        return;
    session = child->session;
    fill_session(zygote, message, &session);
    jail_workspace_name(&zygote->jail, &session);
    jail_rlimit_reserve(&zygote->jail, &session);
    if (spawn_worker(&zygote->jail, &session, child->pid, message->value, child->fds[SESSION_FD_CONTROL], &err) < 0) {
        (void)fprintf(stderr, "penny-zygote: session %u: no fresh interpreter: %s\n", message->session, err.message);
        zygote_kill(zygote, child);
    }
}

/* Orphans of a dead zygote belong to our parent, the supervisor; anything else under that pid is not the session any more. */
static bool is_supervisors(const struct zygote *zygote, pid_t pid)
{
    char  path[32], text[256];
    int   fd, parent = -1;
    char *p;

    (void)snprintf(path, sizeof path, "%d/stat", (int)pid);
    fd = openat(zygote->jail.proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    p       = strrchr(text, ')');
    return p != NULL && sscanf(p, ") %*c %d", &parent) == 1 && parent == getppid();
}

static void on_adopt(struct zygote *zygote, const struct zygote_message *message, int control_fd)
{
    struct zygote_message gone  = {.type = ZYGOTE_EXITED, .session = message->session};
    struct child         *child = children_add(zygote->children, message->session);
    int                   pidfd = child == NULL ? -1 : (int)syscall(SYS_pidfd_open, message->pid, 0);

    if (child == NULL) {
        fdio_close(&control_fd);
        return;
    }
    child->fds[SESSION_FD_CONTROL] = ends_lasting(control_fd);
    pidfd                          = ends_lasting(pidfd);
    if (pidfd < 0 || !is_supervisors(zygote, message->pid)) { /* it died meanwhile */
        fdio_close(&pidfd);
        children_remove(zygote->children, child);
        zygote_send(zygote, &gone, NULL, 0);
        return;
    }
    child->session.uid = message->uid;
    children_set_pid(zygote->children, child, message->pid);
    child->known = true;
    children_adopt(zygote->children, child, pidfd);
    children_mark_uid(zygote->children, message->uid);
}

static void on_server(struct zygote *zygote)
{
    struct zygote_message message;
    int                   fd       = -1;
    size_t                fd_count = 1;
    ssize_t               n        = fdio_receive(zygote->server_fd, &message, sizeof message, &fd, &fd_count);

    if (n <= 0) {
        fdio_close(&zygote->server_fd);
        return;
    }
    if (fd_count == 1 && (n != (ssize_t)sizeof message || message.type != ZYGOTE_ADOPT))
        fdio_close(&fd);
    if (n != (ssize_t)sizeof message)
        return;
    switch ((enum zygote_message_type)message.type) {
    case ZYGOTE_SPAWN: on_spawn(zygote, &message); break;
    case ZYGOTE_KILL: on_kill(zygote, &message); break;
    case ZYGOTE_STATS: on_stats(zygote, &message); break;
    case ZYGOTE_FAMILY: on_family(zygote, &message); break;
    case ZYGOTE_LIMIT: on_limit(zygote, &message); break;
    case ZYGOTE_WORKER: on_worker(zygote, &message); break;
    case ZYGOTE_RECLAIM: on_reclaim(zygote, &message); break;
    case ZYGOTE_ADOPT: on_adopt(zygote, &message, fd_count == 1 ? fd : -1); break;
    default: /* not in the table of what a server may ask */ break;
    }
}

/* ---- what sessions and the kernel tell ---- */

/* Returns false when there is none. */
static bool on_report(struct zygote *zygote)
{
    struct spawn_report   report;
    struct zygote_message message = {.type = ZYGOTE_SPAWNED};
    struct child         *child;

    if (recv(zygote->report_fd, &report, sizeof report, MSG_DONTWAIT) != (ssize_t)sizeof report)
        return false;
    child = children_find(zygote->children, report.session);
    if (child == NULL || child->known || child->failed)
        return true;
    if (report.error != 0) {
        report.text[sizeof report.text - 1] = '\0';
        zygote_send_failed(zygote, report.session, report.error, report.text);
        child->failed = true;
        zygote_kill(zygote, child);
        return true;
    }
    child->known    = true;
    message.session = report.session;
    message.pid     = child->pid;
    message.uid     = child->session.uid;
    zygote_send(zygote, &message, child->fds, SESSION_FD_COUNT);
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        if (i != SESSION_FD_CONTROL)
            fdio_close(&child->fds[i]);
    return true;
}

void zygote_on_reports(struct zygote *zygote)
{
    while (on_report(zygote))
        ;
}

static void on_signal(struct zygote *zygote)
{
    struct signalfd_siginfo info;

    while (read(zygote->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            zygote_on_child(zygote, (pid_t)info.ssi_pid);
        else
            zygote->ending = true;
    }
}

static void list_one(struct child *child, void *arg)
{
    struct zygote_message message = {
        .type = ZYGOTE_SESSION, .session = child->session.session, .pid = child->pid, .uid = child->session.uid};
    if (child->known && child->fds[SESSION_FD_CONTROL] >= 0)
        zygote_send(arg, &message, &child->fds[SESSION_FD_CONTROL], 1);
}

int zygote_greet(struct zygote *zygote, struct err *err)
{
    static const struct zygote_message listed = {.type = ZYGOTE_LISTED};
    if (send_ready(zygote, err) < 0)
        return -1;
    children_each(zygote->children, list_one, zygote);
    zygote_send(zygote, &listed, NULL, 0);
    return 0;
}

/* A new server's socket comes with one byte; the end of this socket is the end of the service. */
static void on_supervisor(struct zygote *zygote)
{
    char       byte;
    int        fd    = -1;
    size_t     count = 1;
    ssize_t    n     = fdio_receive(ZYGOTE_SUPERVISOR_FD, &byte, 1, &fd, &count);
    struct err err;

    if (n <= 0) {
        zygote->ending = n == 0 || errno != EAGAIN;
        return;
    }
    if (count != 1)
        return;
    fdio_close(&zygote->server_fd);
    zygote->server_fd = fd;
    if (zygote_greet(zygote, &err) < 0)
        fprintf(stderr, "penny-zygote: %s\n", err.message);
}

void zygote_loop(struct zygote *zygote)
{
    while (!zygote->ending) {
        struct pollfd fds[] = {
            {.fd = zygote->signal_fd, .events = POLLIN},
            {.fd = zygote->report_fd, .events = POLLIN},
            {.fd = ZYGOTE_SUPERVISOR_FD, .events = POLLIN},
            {.fd = zygote->server_fd, .events = POLLIN},
        };
        int n = poll(fds, sizeof fds / sizeof *fds, zygote_wait_ms(zygote));
        if (n < 0)
            continue; /* EINTR */
        if (fds[1].revents != 0)
            zygote_on_reports(zygote);
        if (fds[0].revents != 0)
            on_signal(zygote);
        if (fds[2].revents != 0)
            on_supervisor(zygote);
        if (fds[3].revents != 0 && zygote->server_fd >= 0)
            on_server(zygote);
        zygote_after_turn(zygote, n == 0);
    }
}
