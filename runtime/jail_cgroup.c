/*
 * jail_cgroup.c: a control group per session, so that the kernel holds memory, number of processes and processor time of the whole
 * session and not of each process. Where the groups are is found by jail_cgroup_place.c; where there are none the layer is inactive,
 * rlimits hold single processes, and the server samples (stats.c).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

enum { REMOVALS_MAX = 2000 };

const char *const jail_cgroup_controllers[CGROUP_KINDS] = {[CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids", [CGROUP_CPU] = "cpu"};

int jail_cgroup_write(int dir_fd, const char *path, const char *text)
{
    int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC), failed, saved;
    if (fd < 0)
        return -1;
    failed = fdio_write_all(fd, text, strlen(text));
    saved  = errno;
    close(fd);
    errno = saved;
    return failed;
}

int jail_cgroup_make(int parent_fd, const char *name)
{
    if (mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A limit that the kernel refuses to take is an error, not a weaker jail; a file that does not exist is one the other version has. */
static int set_limit(int group_fd, const char *file, uint64_t value, struct err *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return jail_cgroup_write(group_fd, file, text) < 0 ? err_errno(err, "%s <- %s", file, text) : 0;
}

static int limit_memory(const struct jail *jail, const struct jail_session *session, int fd, struct err *err)
{
    if (jail->cgroup_version == 1) {
        if (set_limit(fd, "memory.limit_in_bytes", session->memory_bytes, err) < 0)
            return -1;
        (void)set_limit(fd, "memory.memsw.limit_in_bytes", session->memory_bytes, NULL); /* no file where swap is not accounted */
        return 0;
    }
    (void)set_limit(fd, "memory.swap.max", 0, NULL);
    (void)set_limit(fd, "memory.oom.group", 0, NULL);
    return set_limit(fd, "memory.max", session->memory_bytes, err);
}

/* cpu_percent 0: no limit. */
static int limit_cpu(const struct jail *jail, uint32_t cpu_percent, int fd, struct err *err)
{
    enum { PERIOD_US = 100000 };
    const char *file = jail->cgroup_version == 1 ? "cpu.cfs_quota_us" : "cpu.max";
    char        text[64];
    uint64_t    quota = (uint64_t)cpu_percent * PERIOD_US / 100;

    if (jail->cgroup_version == 1)
        (void)snprintf(text, sizeof text, "%" PRId64, cpu_percent == 0 ? (int64_t)-1 : (int64_t)quota);
    else if (cpu_percent == 0)
        (void)snprintf(text, sizeof text, "max %d", PERIOD_US);
    else
        (void)snprintf(text, sizeof text, "%" PRIu64 " %d", quota, PERIOD_US);
    return jail_cgroup_write(fd, file, text) < 0 ? err_errno(err, "%s <- %s", file, text) : 0;
}

static void group_name(uint32_t session, char *ret, size_t size)
{
    (void)snprintf(ret, size, "s%u", session);
}

static int reserve_one(const struct jail *jail, const struct jail_session *session, int kind, struct err *err)
{
    char name[32];
    int  fd, failed = 0;

    group_name(session->session, name, sizeof name);
    fd = jail_cgroup_make(jail->cgroup_fd[kind], name);
    if (fd < 0)
        return err_errno(err, "%s group", jail_cgroup_controllers[kind]);
    if (kind == CGROUP_MEMORY)
        failed = limit_memory(jail, session, fd, err);
    else if (kind == CGROUP_PIDS)
        failed = set_limit(fd, "pids.max", session->processes, err);
    else if (session->cpu_percent != 0)
        failed = limit_cpu(jail, session->cpu_percent, fd, err);
    close(fd);
    return failed;
}

int jail_cgroup_set_cpu(const struct jail *jail, const struct jail_session *session, uint32_t cpu_percent, struct err *err)
{
    char name[32];
    int  fd, failed;

    if (jail->cgroup_fd[CGROUP_CPU] < 0)
        return 0;
    group_name(session->session, name, sizeof name);
    fd = openat(jail->cgroup_fd[CGROUP_CPU], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open the cpu group");
    failed = limit_cpu(jail, cpu_percent, fd, err);
    close(fd);
    return failed;
}

static uint64_t read_usage(int group_fd, const char *file)
{
    char    text[32];
    int     fd = openat(group_fd, file, O_RDONLY | O_CLOEXEC);
    ssize_t n  = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return strtoull(text, NULL, 10);
}

int jail_cgroup_reclaim(const struct jail *jail, const struct jail_session *session, uint64_t *ret_bytes, struct err *err)
{
    bool        v1    = jail->cgroup_version == 1;
    const char *usage = v1 ? "memory.usage_in_bytes" : "memory.current", *file = v1 ? "memory.force_empty" : "memory.reclaim";
    char        name[32], amount[32];
    uint64_t    before, after;
    int         fd, failed;

    *ret_bytes = 0;
    if (jail->cgroup_fd[CGROUP_MEMORY] < 0)
        return err_set(err, ENOTSUP, "no control group for memory");
    group_name(session->session, name, sizeof name);
    fd = openat(jail->cgroup_fd[CGROUP_MEMORY], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open the memory group");
    before = read_usage(fd, usage);
    (void)snprintf(amount, sizeof amount, "%" PRIu64, before);
    if (!v1) /* a session in use gets no swap: version 2 would count it beside its memory */
        (void)jail_cgroup_write(fd, "memory.swap.max", "max");
    failed = jail_cgroup_write(fd, file, v1 ? "0" : amount);
    if (failed < 0)
        (void)err_errno(err, "%s", file);
    if (!v1)
        (void)jail_cgroup_write(fd, "memory.swap.max", "0"); /* what is in it stays there until it is used */
    after      = read_usage(fd, usage);
    *ret_bytes = before > after ? before - after : 0;
    close(fd);
    return failed < 0 && *ret_bytes == 0 ? -1 : 0; /* EAGAIN: less than all; that is to be expected */
}

int jail_cgroup_reserve(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0 && reserve_one(jail, session, i, err) < 0)
            return -1;
    }
    return 0;
}

int jail_cgroup_open(const struct jail *jail, const struct jail_session *session)
{
    char name[32];

    group_name(session->session, name, sizeof name);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0) /* version 2 has one hierarchy: any controller's directory is the same group */
            return openat(jail->cgroup_fd[i], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    errno = ENOENT;
    return -1;
}

int jail_cgroup_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    char path[64];

    if (jail->cgroup_version != 1) /* version 2: the clone itself put us there */
        return 0;
    /* this thread, which is the only one: to move a process, that is all threads there might be, the kernel first waits for everybody else's */
    (void)snprintf(path, sizeof path, "s%u/tasks", session->session);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0 && jail_cgroup_write(jail->cgroup_fd[i], path, "0") < 0)
            return err_errno(err, "enter the %s group", jail_cgroup_controllers[i]);
    }
    return 0;
}

/* Without a pid namespace a process may have outlived init (had init itself been killed): the group still knows it. */
static void kill_members(int group_fd, const char *name)
{
    char  path[64];
    int   fd, pid;
    FILE *procs;

    (void)snprintf(path, sizeof path, "%s/cgroup.procs", name);
    fd    = openat(group_fd, path, O_RDONLY | O_CLOEXEC);
    procs = fd < 0 ? NULL : fdopen(fd, "r");
    if (procs == NULL) {
        fdio_close(&fd);
        return;
    }
    while (fscanf(procs, "%d", &pid) == 1)
        (void)kill(pid, SIGKILL);
    fclose(procs);
}

void jail_cgroup_release(const struct jail *jail, uint32_t session, bool with_memory)
{
    char name[32];

    group_name(session, name, sizeof name);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (!with_memory && (i == CGROUP_MEMORY || jail->cgroup_version != 1)) /* version 2: one group for all */
            continue;
        if (jail->cgroup_fd[i] < 0 || unlinkat(jail->cgroup_fd[i], name, AT_REMOVEDIR) == 0 || errno != EBUSY)
            continue;
        kill_members(jail->cgroup_fd[i], name); /* or the last process is just leaving: jail_cgroup_done removes what stays */
        (void)unlinkat(jail->cgroup_fd[i], name, AT_REMOVEDIR);
    }
}

/* Removes those in which there is no process. */
static void sweep(int place_fd)
{
    int            fd  = openat(place_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] == 's')
            (void)unlinkat(place_fd, entry->d_name, AT_REMOVEDIR); /* EBUSY: it has processes */
    }
    if (dir != NULL)
        closedir(dir);
    else
        fdio_close(&fd);
}

void jail_cgroup_sweep(const struct jail *jail)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0)
            sweep(jail->cgroup_fd[i]);
    }
}

bool jail_cgroup_remove(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        sweep(fd);
    fdio_close(&fd);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno != EBUSY;
}

/* The kernel takes a dead process out of its group a moment after it has told of its death. */
static void remove_group_patiently(int parent_fd, const char *name)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int i = 0; i < REMOVALS_MAX && !jail_cgroup_remove(parent_fd, name); i++)
        (void)nanosleep(&moment, NULL);
}

void jail_cgroup_done(struct jail *jail)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        int parent_fd;
        if (jail->cgroup_fd[i] < 0)
            continue;
        parent_fd = openat(jail->cgroup_fd[i], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent_fd >= 0)
            remove_group_patiently(parent_fd, jail->cgroup_name);
        fdio_close(&parent_fd);
        if (jail->cgroup_version == 2) /* one hierarchy: that was the group of all three */
            return;
    }
}
