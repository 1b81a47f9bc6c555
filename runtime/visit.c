#define _GNU_SOURCE
#include "visit.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sched.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "init_program.h"
#include "jail_layers.h"
#include "worker.h"

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1u << 1)
#endif

static void note(struct visit *visit, const char *step)
{
    if (visit->error == 0) {
        visit->error = errno;
        visit->step  = step;
    }
}

/* The map of users comes later, so to the kernel we are nobody at present, and a program would begin without what its first acts need. */
static int keep_capabilities(void)
{
    static const int                needed[] = {CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN};
    struct __user_cap_header_struct head     = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct   data[2];

    if (syscall(SYS_capget, &head, data) < 0)
        return -1;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        data[0].inheritable |= 1u << needed[i];
    if (syscall(SYS_capset, &head, data) < 0)
        return -1;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, needed[i], 0, 0) < 0)
            return -1;
    }
    return 0;
}

/* Copies above all places first, so that none is overwritten before it is read. */
static int place_all(const struct visit *visit)
{
    int fds[INIT_PROGRAM_FD_COUNT], i;

    memcpy(fds, visit->init_fds, sizeof visit->init_fds);
    fds[INIT_ADMITTED_FD] = visit->admitted_fd;
    fds[INIT_CONFIG_FD]   = visit->jail->config_fd;
    fds[INIT_IMAGE_FD]    = visit->jail->image_fd;
    for (i = 0; i < INIT_PROGRAM_FD_COUNT; i++) {
        if (fds[i] >= 0 && (fds[i] = fcntl(fds[i], F_DUPFD, INIT_PROGRAM_FD_COUNT)) < 0)
            return -1;
    }
    for (i = 0; i < INIT_PROGRAM_FD_COUNT; i++) {
        if (fds[i] < 0)
            (void)close(i);
        else if (dup3(fds[i], i, i == INIT_IMAGE_FD ? O_CLOEXEC : 0) < 0)
            return -1;
    }
    return (int)syscall(SYS_close_range, INIT_PROGRAM_FD_COUNT, ~0u, 0);
}

static void become_init(void *arg)
{
    static char name[]      = "penny-init";
    char *const arguments[] = {name, NULL}, *const environment[] = {NULL};
    struct visit *visit = arg;

    /* Ours is no terminal's session already. For one of its own the kernel would make a scheduling group, and it looks at all of them whenever one is limited. */
    (void)setpgid(0, 0);
    if (keep_capabilities() < 0 || place_all(visit) < 0) {
        note(visit, "prepare its init");
        _exit(1);
    }
    (void)syscall(SYS_execveat, INIT_IMAGE_FD, "", arguments, environment, AT_EMPTY_PATH);
    note(visit, "execute its init");
    _exit(1);
}

/* The server's ends above all: somebody waits for them to be closed. */
static void close_others(const struct visit *visit)
{
    const struct jail *jail = visit->jail;
    const int kept[]        = {visit->report_fd, visit->door_fd, jail->proc_fd, jail->cgroup_fd[0], jail->cgroup_fd[1], jail->cgroup_fd[2]};

    for (int fd = STDERR_FILENO + 1; fd <= visit->top_fd; fd++) {
        bool is_kept = false;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            is_kept |= fd == kept[i];
        if (!is_kept)
            (void)close(fd);
    }
}

static void be_messenger(void *arg)
{
    struct visit *visit = arg;
    pid_t         pid   = clone_process(0, visit->group_fd);

    if (pid == 0) {
        if (visit->session == NULL) /* only tried */
            _exit(0);
        close_others(visit);
        worker_visit(visit->jail, visit->session, visit->member, visit->is_grouped, visit->report_fd, visit->door_fd);
    }
    if (pid < 0)
        note(visit, "fork its worker");
    else
        visit->worker_pid = pid;
    _exit(0);
}

static uint64_t namespaces(const struct jail *jail)
{
    return jail->clone_flags; /* the cgroup namespace is entered once one is in the group: see jail_namespace_enter */
}

static int find_top(const struct visit *visit)
{
    const struct jail *jail = visit->jail;
    const int fds[] = {visit->report_fd, visit->door_fd,     visit->admitted_fd, visit->group_fd,    jail->config_fd, jail->image_fd,
                       jail->proc_fd,    jail->cgroup_fd[0], jail->cgroup_fd[1], jail->cgroup_fd[2], visit->pidfd};
    int       top   = 2;

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        top = fds[i] > top ? fds[i] : top;
    for (int i = 0; visit->init_pid == 0 && i < INIT_FD_COUNT; i++)
        top = visit->init_fds[i] > top ? visit->init_fds[i] : top;
    return top;
}

static void be_visitor(void *arg)
{
    struct visit *visit = arg;
    struct err    err   = {0};
    uint64_t      flags = namespaces(visit->jail);
    pid_t         pid;

    /* a table of its own, with none of the other sessions' descriptors in it */
    visit->top_fd = find_top(visit);
    if (syscall(SYS_close_range, (unsigned)visit->top_fd + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0) {
        note(visit, "a table of descriptors");
        _exit(1);
    }
    /* version 1: one move for all three, as each waits for the kernel's one lock. A later worker moves itself, since it must fit below the limit */
    if (visit->init_pid == 0 && jail_cgroup_enter(visit->jail, visit->session, &err) < 0) {
        visit->error = err.code != 0 ? err.code : EPERM;
        visit->step  = "enter its groups";
        _exit(1);
    }
    visit->is_grouped = visit->init_pid == 0;
    if (visit->init_pid == 0) {
        visit->init_pid = clone_sharing(flags | CLONE_PARENT | CLONE_PIDFD, visit->group_fd, become_init, visit, &visit->pidfd);
        if (visit->init_pid < 0)
            note(visit, "clone its init");
    }
    if (visit->error == 0 && setns(visit->pidfd, (int)flags) < 0)
        note(visit, "enter its namespaces");
    if (visit->error != 0)
        _exit(1);
    pid = clone_sharing(0, -1, be_messenger, visit, NULL);
    if (pid < 0)
        note(visit, "clone into its pid namespace");
    else
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    _exit(0);
}

int visit_make(struct visit *visit, struct err *err)
{
    bool  is_new = visit->init_pid == 0;
    pid_t pid;

    visit->error      = 0;
    visit->worker_pid = 0;
    visit->pidfd = visit->group_fd = -1;
    if (!is_new && (visit->pidfd = (int)syscall(SYS_pidfd_open, visit->init_pid, 0)) < 0)
        return err_errno(err, "the session's init");
    if (visit->session != NULL && visit->jail->cgroup_version == 2 && (visit->group_fd = jail_cgroup_open(visit->jail, visit->session)) < 0)
        note(visit, "find its group");
    if (visit->error == 0) {
        pid = clone_sharing(CLONE_FILES, -1, be_visitor, visit, NULL);
        if (pid < 0)
            note(visit, "clone");
        else
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
    }
    if (is_new)
        visit->pidfd = -1; /* it was the visitor's */
    fdio_close(&visit->pidfd);
    fdio_close(&visit->group_fd);
    if (visit->error == 0 && visit->worker_pid > 0)
        return 0;
    if (visit->init_pid < 0)
        visit->init_pid = 0;
    return err_set(err, visit->error != 0 ? visit->error : ECHILD, "a visit to the session could not %s: %s",
                   visit->error != 0 ? visit->step : "be ended", strerror(visit->error != 0 ? visit->error : ECHILD));
}

/* Beside our own program. */
static int open_image(void)
{
    char    path[PATH_MAX], *directory;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "/penny-init");

    if (n <= 0)
        return -1;
    path[n]   = '\0';
    directory = dirname(path);
    (void)strcat(directory, "/penny-init");
    return open(directory, O_PATH | O_CLOEXEC);
}

/* Waits until the other end of a pipe is closed, which the death of who holds it does, too: nobody else would end this process then. */
static _Noreturn void wait_for_end(const int ends[2])
{
    char byte;
    (void)close(ends[1]);
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
        ;
    _exit(0);
}

/* With an init that only waits, and a worker that only leaves. Returns 0 or -1 with err. */
static int try_visit(const struct jail *jail, struct err *err)
{
    struct visit visit = {.jail = jail, .report_fd = -1, .door_fd = -1, .admitted_fd = -1};
    int          ends[2], failed;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    visit.init_pid = clone_process(jail->clone_flags, -1);
    if (visit.init_pid == 0)
        wait_for_end(ends);
    failed = visit.init_pid < 0 ? err_errno(err, "clone") : visit_make(&visit, err);
    if (visit.init_pid > 0) {
        (void)kill(visit.init_pid, SIGKILL);
        while (waitpid(visit.init_pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return failed;
}

void visit_prepare(struct jail *jail)
{
    static const enum jail_layer_id needed[] = {LAYER_USER_NAMESPACE, LAYER_PID_NAMESPACE, LAYER_MOUNT_NAMESPACE};
    struct err                      err      = {0};

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!jail->report[needed[i]].active) {
            (void)snprintf(jail->visit_detail, sizeof jail->visit_detail,
                           "a session has no %s of its own: its init is a fork of the interpreter", jail_layer_name(needed[i]));
            return;
        }
    }
    if (!jail->unique_uid && !jail_signal_scoped(jail)) {
        /* the messenger is in the session's pid namespace, as the user whom all are: stopped there, it would keep the zygote waiting for ever */
        (void)snprintf(
            jail->visit_detail, sizeof jail->visit_detail,
            "a session could stop who visits it: one user for all, and no Landlock ABI 6: its init is a fork of the interpreter");
        return;
    }
    if (jail->own_network)
        jail->clone_flags |= CLONE_NEWNET;
    if (jail->image_fd < 0)
        (void)err_set(&err, ENOENT, "there is no program penny-init beside penny-zygote");
    else
        jail->can_visit = try_visit(jail, &err) == 0;
    if (jail->can_visit) {
        (void)snprintf(jail->visit_detail, sizeof jail->visit_detail, "a session's init is a program of its own");
        return;
    }
    (void)snprintf(jail->visit_detail, sizeof jail->visit_detail, "a session's init is a fork of the interpreter: %.100s", err.message);
    (void)fprintf(stderr, "penny-zygote: each session keeps a second copy of the interpreter's page tables: %s\n", err.message);
}

void visit_find_image(struct jail *jail)
{
    jail->image_fd = open_image();
}

int visit_seal(struct jail *jail, struct err *err)
{
    struct init_config config = {.magic = INIT_CONFIG_MAGIC, .jail = *jail, .policy = *jail->policy};
    int                fd     = jail->can_visit ? memfd_create("init", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;

    if (!jail->can_visit)
        return 0;
    config.jail.cgroup_version = 0; /* it is in its groups from its start */
    if (fd < 0 || fdio_write_all(fd, &config, sizeof config) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        (void)err_errno(err, "init's configuration");
        fdio_close(&fd);
        return -1;
    }
    jail->config_fd = fd;
    return 0;
}
