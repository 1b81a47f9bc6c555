/* zygote_end.c: how the zygote ends sessions, and hears that one has ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fdio.h"
#include "stats.h"
#include "zygote.h"

enum {
    DYING_MAX  = 64,  /* of those whose end was asked for are looked at when a child has died */
    UNSEEN_MS  = 100, /* until every child is */
    ADOPTED_MS = 200, /* between two looks at those that are no children of ours: each costs a system call for every one */
    AT_ONCE    = 32,  /* when all are ended: thousands at a time would stand in each other's way */
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* SIGKILL of init takes its pid namespace with it. Without one, init is asked to end its descendants first. */
void zygote_kill(struct zygote *zygote, struct child *child)
{
    int signal_number = zygote->jail.report[LAYER_PID_NAMESPACE].active ? SIGKILL : SIGTERM;

    if (child->pidfd >= 0)
        (void)syscall(SYS_pidfd_send_signal, child->pidfd, signal_number, NULL, 0);
    else if (kill(child->pid, signal_number) == 0) /* safe: the pid is ours until we reap it */
        children_expect_end(zygote->children, child);
}

static void on_exit_of(struct zygote *zygote, struct child *child, int status)
{
    struct zygote_message message = {.type = ZYGOTE_EXITED, .session = child->session.session, .status = status};

    if (!child->known && !child->failed)
        zygote_on_reports(zygote); /* one that reported and died was a session */
    if (child->known) {
        message.value = stats_oom_kills(&zygote->jail, child->session.session) > 0;
        zygote_send(zygote, &message, NULL, 0);
    } else if (!child->failed) {
        zygote_send_failed(zygote, child->session.session, ECHILD, "the session died before it was jailed");
    }
    jail_workspace_release(&zygote->jail, &child->session);
    retired_add(zygote->retired, child->session.session, now_ms());
    children_remove(zygote->children, child);
}

static void reap(struct zygote *zygote, pid_t pid, int status)
{
    struct child *child = children_find_pid(zygote->children, pid);
    if (child != NULL)
        on_exit_of(zygote, child, status);
}

static void reap_one(struct child *child, void *arg)
{
    int status;
    if (child->pidfd < 0 && waitpid(child->pid, &status, WNOHANG) > 0)
        on_exit_of(arg, child, status);
}

/*
 * To ask for any child that has died the kernel looks at all, while nobody may be born or die: at thousands that takes longer than the
 * rest. So we ask for the one that the signal names and for those whose end is awaited, and only then and when for all: signals of
 * deaths that come at once are told as one.
 */
void zygote_on_child(struct zygote *zygote, pid_t pid)
{
    int status;

    if (waitpid(pid, &status, WNOHANG) > 0)
        reap(zygote, pid, status);
    children_each_dying(zygote->children, DYING_MAX, reap_one, zygote);
    if (zygote->unseen_ms == 0)
        zygote->unseen_ms = now_ms();
}

int zygote_wait_ms(const struct zygote *zygote)
{
    int wait_ms = retired_wait_ms(zygote->retired);
    if (zygote->unseen_ms != 0 && (wait_ms < 0 || wait_ms > UNSEEN_MS))
        wait_ms = UNSEEN_MS;
    if (children_adopted(zygote->children) > 0 && (wait_ms < 0 || wait_ms > ADOPTED_MS))
        wait_ms = ADOPTED_MS;
    return wait_ms;
}

static void check_one(struct child *child, void *arg)
{
    struct pollfd poll_fd = {.fd = child->pidfd, .events = POLLIN};
    if (child->pidfd >= 0 && poll(&poll_fd, 1, 0) == 1)
        on_exit_of(arg, child, 0);
}

/* Adopted sessions are no children: their pidfds say when they are gone. There are thousands after an upgrade, and none before. */
static void check_adopted(struct zygote *zygote)
{
    int64_t now = now_ms();
    if (children_adopted(zygote->children) == 0 || now < zygote->adopted_ms + ADOPTED_MS)
        return;
    zygote->adopted_ms = now;
    children_each(zygote->children, check_one, zygote);
}

void zygote_after_turn(struct zygote *zygote, bool is_quiet)
{
    int   status;
    pid_t pid;

    if (zygote->unseen_ms != 0 && (is_quiet || now_ms() >= zygote->unseen_ms + UNSEEN_MS)) {
        zygote->unseen_ms = 0;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            reap(zygote, pid, status);
    }
    check_adopted(zygote);
    retired_turn(zygote->retired, is_quiet && children_dying(zygote->children) == 0, children_count(zygote->children), now_ms());
}

static void wait_for(struct child *child, void *arg)
{
    struct zygote *zygote = arg;
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    children_end_seen(zygote->children, child);
}

static void kill_one(struct child *child, void *arg)
{
    struct zygote *zygote = arg;
    zygote_kill(zygote, child);
    if (children_dying(zygote->children) > AT_ONCE)
        children_each_dying(zygote->children, 1, wait_for, zygote);
}

static void release_one(struct child *child, void *arg)
{
    struct zygote *zygote = arg;
    jail_release(&zygote->jail, &child->session);
}

void zygote_end_sessions(struct zygote *zygote)
{
    struct timespec patience = {.tv_nsec = 5000000};

    fdio_close(&zygote->server_fd);
    children_each(zygote->children, kill_one, zygote);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    for (int i = 0; children_adopted(zygote->children) > 0 && i < 1000; i++) {
        children_each(zygote->children, check_one, zygote);
        (void)nanosleep(&patience, NULL);
    }
    children_each(zygote->children, release_one, zygote);
}
