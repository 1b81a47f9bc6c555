/*
 * jail_cgroup.c: a control group per session, so that the kernel holds memory, number of processes and processor time of the whole
 * session and not of each process. Version 2 where it has been delegated to us, version 1 where it is writable; else the layer is
 * inactive, rlimits hold single processes, and the server samples (stats.c).
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

enum { REMOVALS_MAX = 500 };

#define SERVICE_LEAF "penny-service"

static const char *const        controllers[CGROUP_KINDS] = {[CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids", [CGROUP_CPU] = "cpu"};
static const enum jail_layer_id layers[CGROUP_KINDS]      = {
         [CGROUP_MEMORY] = LAYER_CGROUP_MEMORY, [CGROUP_PIDS] = LAYER_CGROUP_PIDS, [CGROUP_CPU] = LAYER_CGROUP_CPU};

static int write_at(int dir_fd, const char *path, const char *text)
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

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p != NULL; p = strchr(p, ',') != NULL ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0' || p[n] == '\n'))
            return true;
    }
    return false;
}

/* Our own group in the hierarchy of a controller (NULL: version 2), from /proc/self/cgroup. Returns 0 or -1. */
static int own_path(const char *controller, char *ret_path, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char  line[PATH_MAX];
    int   found = -1;

    while (file != NULL && found < 0 && fgets(line, sizeof line, file) != NULL) {
        char *names = strchr(line, ':'), *path = names != NULL ? strchr(names + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path++ = '\0';
        names++;
        path[strcspn(path, "\n")] = '\0';
        if (controller == NULL ? *names == '\0' : has_word(names, controller)) {
            (void)snprintf(ret_path, size, "%s", path);
            found = 0;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Where that hierarchy is mounted, and which part of it the mount shows, from /proc/self/mountinfo (proc(5)). */
static int mount_point(const char *controller, char *ret_mount, char *ret_root, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char  line[PATH_MAX * 2], root[PATH_MAX], point[PATH_MAX], type[32], options[512];
    int   found = -1;

    while (file != NULL && found < 0 && fgets(line, sizeof line, file) != NULL) {
        char *dash = strstr(line, " - ");
        if (dash == NULL || sscanf(line, "%*d %*d %*s %4095s %4095s", root, point) != 2 ||
            sscanf(dash, " - %31s %*s %511s", type, options) != 2)
            continue;
        if (controller == NULL ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && has_word(options, controller)) {
            (void)snprintf(ret_mount, size, "%s", point);
            (void)snprintf(ret_root, size, "%s", root);
            found = 0;
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* A zygote that replaces a dead one was started in the leaf that the first one has made. */
static void leave_leaf(char *path)
{
    size_t length = strlen(path), leaf = strlen("/" SERVICE_LEAF);
    if (length >= leaf && strcmp(path + length - leaf, "/" SERVICE_LEAF) == 0)
        path[length - leaf] = '\0';
}

/* Opens our own group's directory. Returns a descriptor or -1 with errno. */
static int open_own(const char *controller)
{
    char path[PATH_MAX], mount[PATH_MAX], root[PATH_MAX], full[PATH_MAX * 2];

    if (own_path(controller, path, sizeof path) < 0 || mount_point(controller, mount, root, sizeof mount) < 0) {
        errno = ENOENT;
        return -1;
    }
    /* in a container the mount shows only a part: what it shows as its root is a prefix of our path */
    if (strcmp(root, "/") != 0 && strncmp(path, root, strlen(root)) == 0)
        memmove(path, path + strlen(root), strlen(path + strlen(root)) + 1);
    if (controller == NULL)
        leave_leaf(path);
    (void)snprintf(full, sizeof full, "%s/%s", mount, path);
    return open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Makes <own>/<name> and opens it. */
static int make_group(int own_fd, const char *name)
{
    if (mkdirat(own_fd, name, 0755) < 0 && errno != EEXIST)
        return -1;
    return openat(own_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Moves every process of one group into another, whose directories these are. Returns 0 or -1. */
static int move_all(int from_fd, int to_fd)
{
    int   procs_fd = openat(from_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    FILE *procs    = procs_fd < 0 ? NULL : fdopen(procs_fd, "r");
    char  line[32];
    int   failed = procs == NULL;

    while (!failed && fgets(line, sizeof line, procs) != NULL)
        failed = write_at(to_fd, "cgroup.procs", line) < 0 && errno != ESRCH;
    if (procs != NULL)
        fclose(procs);
    return failed ? -1 : 0;
}

/*
 * Version 2 forbids processes in a group whose controllers are passed on to children, so those of the service (its supervisor's, and all
 * it has started) move into a leaf first. If others live in the group it has not been delegated to us.
 */
static int vacate(struct jail *jail, int own_fd)
{
    bool is_new  = faccessat(own_fd, SERVICE_LEAF, F_OK, 0) < 0;
    int  leaf_fd = make_group(own_fd, SERVICE_LEAF), failed = leaf_fd < 0 ? -1 : move_all(own_fd, leaf_fd);

    jail->cgroup_vacated = is_new && leaf_fd >= 0;
    fdio_close(&leaf_fd);
    return failed;
}

void jail_cgroup_restore(const struct jail *jail)
{
    int own_fd = jail->cgroup_vacated ? open_own(NULL) : -1, leaf_fd = own_fd < 0 ? -1 : make_group(own_fd, SERVICE_LEAF);

    for (int i = 0; own_fd >= 0 && i < CGROUP_KINDS; i++) {
        char disable[32];
        (void)snprintf(disable, sizeof disable, "-%s", controllers[i]);
        (void)write_at(own_fd, "cgroup.subtree_control", disable);
    }
    if (leaf_fd >= 0 && move_all(leaf_fd, own_fd) == 0)
        (void)unlinkat(own_fd, SERVICE_LEAF, AT_REMOVEDIR);
    fdio_close(&leaf_fd);
    fdio_close(&own_fd);
}

static void prepare_v2(struct jail *jail)
{
    char    available[256] = "";
    int     own_fd         = open_own(NULL), list_fd, group_fd;
    ssize_t n;

    if (own_fd < 0)
        return;
    list_fd = openat(own_fd, "cgroup.controllers", O_RDONLY | O_CLOEXEC);
    n       = list_fd < 0 ? -1 : read(list_fd, available, sizeof available - 1);
    fdio_close(&list_fd);
    for (char *p = available; n > 0 && *p != '\0'; p++)
        *p = *p == ' ' ? ',' : *p;
    if (n <= 0 || !has_word(available, "memory") || faccessat(own_fd, "cgroup.subtree_control", W_OK, AT_EACCESS) < 0 ||
        vacate(jail, own_fd) < 0) {
        close(own_fd);
        return;
    }
    for (int i = 0; i < CGROUP_KINDS; i++) {
        char enable[32];
        (void)snprintf(enable, sizeof enable, "+%s", controllers[i]);
        if (write_at(own_fd, "cgroup.subtree_control", enable) < 0)
            continue;
        group_fd = make_group(own_fd, jail->cgroup_name);
        if (group_fd < 0)
            continue;
        if (write_at(group_fd, "cgroup.subtree_control", enable) == 0) {
            jail->cgroup_version = 2;
            jail->cgroup_fd[i]   = group_fd;
        } else {
            close(group_fd);
        }
    }
    close(own_fd);
}

static void prepare_v1(struct jail *jail)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        int own_fd = open_own(controllers[i]);
        if (own_fd >= 0)
            jail->cgroup_fd[i] = make_group(own_fd, jail->cgroup_name);
        if (jail->cgroup_fd[i] >= 0)
            jail->cgroup_version = 1;
        fdio_close(&own_fd);
    }
}

int jail_cgroup_prepare(struct jail *jail, struct err *err)
{
    (void)err;
    /* the supervisor's pid: a zygote that replaces a dead one finds the groups of its sessions again */
    (void)snprintf(jail->cgroup_name, sizeof jail->cgroup_name, "penny-%d", (int)getppid());
    prepare_v2(jail);
    if (jail->cgroup_version == 0)
        prepare_v1(jail);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0)
            jail_active(jail, layers[i], "cgroup version %d", jail->cgroup_version);
        else
            jail_inactive(jail, layers[i], "no %s controller of cgroup version 2 is delegated to us and none of version 1 is writable",
                          controllers[i]);
    }
    return 0;
}

/* A limit that the kernel refuses to take is an error, not a weaker jail; a file that does not exist is one the other version has. */
static int set_limit(int group_fd, const char *file, uint64_t value, struct err *err)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return write_at(group_fd, file, text) < 0 ? err_errno(err, "%s <- %s", file, text) : 0;
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
    return write_at(fd, file, text) < 0 ? err_errno(err, "%s <- %s", file, text) : 0;
}

static void group_name(const struct jail_session *session, char *ret, size_t size)
{
    (void)snprintf(ret, size, "s%u", session->session);
}

static int reserve_one(const struct jail *jail, const struct jail_session *session, int kind, struct err *err)
{
    char name[32];
    int  fd, failed = 0;

    group_name(session, name, sizeof name);
    fd = make_group(jail->cgroup_fd[kind], name);
    if (fd < 0)
        return err_errno(err, "%s group", controllers[kind]);
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
    group_name(session, name, sizeof name);
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
    group_name(session, name, sizeof name);
    fd = openat(jail->cgroup_fd[CGROUP_MEMORY], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open the memory group");
    before = read_usage(fd, usage);
    (void)snprintf(amount, sizeof amount, "%" PRIu64, before);
    failed = write_at(fd, file, v1 ? "0" : amount);
    if (failed < 0)
        (void)err_errno(err, "%s", file);
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

    group_name(session, name, sizeof name);
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
    (void)snprintf(path, sizeof path, "s%u/cgroup.procs", session->session);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0 && write_at(jail->cgroup_fd[i], path, "0") < 0)
            return err_errno(err, "enter the %s group", controllers[i]);
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

void jail_cgroup_release(const struct jail *jail, const struct jail_session *session)
{
    char name[32];

    group_name(session, name, sizeof name);
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] < 0 || unlinkat(jail->cgroup_fd[i], name, AT_REMOVEDIR) == 0 || errno != EBUSY)
            continue;
        kill_members(jail->cgroup_fd[i], name); /* or the last process is just leaving: jail_cgroup_done removes what stays */
        (void)unlinkat(jail->cgroup_fd[i], name, AT_REMOVEDIR);
    }
}

/* Groups that were busy when their session ended, and then the one that held them. Returns false when that one is busy still. */
static bool remove_group(int parent_fd, const char *name)
{
    int            fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR           *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] == 's')
            (void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
    }
    if (dir != NULL)
        closedir(dir);
    fdio_close(&fd);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno != EBUSY;
}

/* The kernel takes a dead process out of its group a moment after it has told of its death. */
static void remove_group_patiently(int parent_fd, const char *name)
{
    const struct timespec moment = {.tv_nsec = 2000000};
    for (int i = 0; i < REMOVALS_MAX && !remove_group(parent_fd, name); i++)
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
    }
}
