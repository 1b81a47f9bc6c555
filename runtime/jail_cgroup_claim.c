/*
 * jail_cgroup_claim.c: whose the group is that holds a service's sessions. The zygote holds a lock on the directory (flock(2)), which ends with
 * it however it dies: so a service sees which groups were left by one that was killed with all its processes, and removes them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

enum { CLAIMS_MAX = 100 };

static const char PREFIX[] = "penny-";

/* When a process was started, in the kernel's ticks since the machine was; 0: it can't be seen. Field 22 of proc(5)'s stat. */
static uint64_t start_time(int proc_fd, pid_t pid)
{
    char     path[32], text[1024];
    int      fd;
    uint64_t start = 0;
    ssize_t  n;

    (void)snprintf(path, sizeof path, "%d/stat", (int)pid);
    fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    n  = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    fdio_close(&fd);
    if (n <= 0)
        return 0;
    text[n]   = '\0';
    char *end = strrchr(text, ')'); /* a name may have anything in it */
    if (end == NULL || sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64, &start) != 1)
        return 0;
    return start;
}

void jail_cgroup_name(struct jail *jail, pid_t supervisor)
{
    /* a pid alone is soon another's, and in another pid namespace it is so already */
    (void)snprintf(jail->cgroup_name, sizeof jail->cgroup_name, "%s%d-%" PRIu64, PREFIX, (int)supervisor,
                   start_time(jail->proc_fd, supervisor));
}

static bool is_still(int parent_fd, const char *name, int fd)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && fstatat(parent_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && held.st_dev == named.st_dev &&
           held.st_ino == named.st_ino;
}

int jail_cgroup_claim(int parent_fd, const char *name)
{
    int fd = -1;

    for (int i = 0; i < CLAIMS_MAX; i++) {
        fd = jail_cgroup_make(parent_fd, name);
        if (fd < 0 && errno != ENOENT)
            return -1;
        /* shared: three descriptors of ours may be of one group, and a fork of the zygote before us may have a copy of its own for a moment */
        if (fd >= 0 && flock(fd, LOCK_SH) == 0 && is_still(parent_fd, name, fd))
            return fd;
        fdio_close(&fd); /* somebody else has removed it between the two */
    }
    errno = EBUSY;
    return -1;
}

/* As jail_cgroup_name has it. */
static bool is_service(const char *name)
{
    static const char digits[] = "0123456789";
    size_t            pid, start;

    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
        return false;
    name += sizeof PREFIX - 1;
    pid = strspn(name, digits);
    if (pid == 0 || name[pid] != '-')
        return false;
    start = strspn(name + pid + 1, digits);
    return start > 0 && name[pid + 1 + start] == '\0';
}

static void clear_one(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)jail_cgroup_remove(parent_fd, name); /* stays as long as a session's process is in it */
    fdio_close(&fd);
}

/* The siblings of one of our directories. */
static void clear(int group_fd, const char *own)
{
    int            parent_fd = openat(group_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *dir       = parent_fd < 0 ? NULL : fdopendir(parent_fd);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_DIR && is_service(entry->d_name) && strcmp(entry->d_name, own) != 0)
            clear_one(parent_fd, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    else
        fdio_close(&parent_fd);
}

void jail_cgroup_clear(const struct jail *jail)
{
    for (int i = 0; i < CGROUP_KINDS; i++) {
        if (jail->cgroup_fd[i] >= 0)
            clear(jail->cgroup_fd[i], jail->cgroup_name);
        if (jail->cgroup_version == 2)
            return;
    }
}
