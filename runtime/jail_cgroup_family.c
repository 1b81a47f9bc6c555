/* jail_cgroup_family.c: the limits of a control group when a session and its forks live in it: those of one, times how many there are. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

/* One file of the group. Returns 0, or -1 with err. */
static int put(int dir_fd, const struct jail_session *session, const char *file, const char *text, struct err *err)
{
    char path[64];
    int  fd, failed;
    (void)snprintf(path, sizeof path, "s%u/%s", session->session, file);
    fd     = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
    failed = fd < 0 ? -1 : fdio_write_all(fd, text, strlen(text));
    if (failed < 0)
        (void)err_errno(err, "%s <- %s", file, text);
    fdio_close(&fd);
    return failed;
}

static uint64_t used(int dir_fd, const struct jail_session *session)
{
    char    path[64], text[32] = "";
    int     fd;
    ssize_t n;
    (void)snprintf(path, sizeof path, "s%u/memory.current", session->session);
    fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    n  = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    fdio_close(&fd);
    return n > 0 ? strtoull(text, NULL, 10) : 0;
}

/* Version 2 would end processes to come below a limit that is too low now: then it stays where it was. Version 1 refuses by itself. */
static int set_memory(const struct jail *jail, const struct jail_session *session, uint64_t bytes, struct err *err)
{
    int  fd = jail->cgroup_fd[CGROUP_MEMORY];
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, bytes);
    if (jail->cgroup_version == 2)
        return used(fd, session) < bytes ? put(fd, session, "memory.max", text, err) : 0;
    /* the one may never be above the other: whichever way it goes, one order works */
    (void)put(fd, session, "memory.limit_in_bytes", text, NULL);
    (void)put(fd, session, "memory.memsw.limit_in_bytes", text, NULL);
    if (put(fd, session, "memory.limit_in_bytes", text, err) < 0)
        return errno == EBUSY ? 0 : -1;
    return 0;
}

int jail_cgroup_scale(const struct jail *jail, const struct jail_session *session, uint32_t members, struct err *err)
{
    char text[32];
    if (jail->cgroup_fd[CGROUP_MEMORY] >= 0 && set_memory(jail, session, session->memory_bytes * members, err) < 0)
        return -1;
    (void)snprintf(text, sizeof text, "%" PRIu32, session->processes * members);
    if (jail->cgroup_fd[CGROUP_PIDS] >= 0 && put(jail->cgroup_fd[CGROUP_PIDS], session, "pids.max", text, err) < 0)
        return -1;
    return jail_cgroup_set_cpu(jail, session, session->cpu_percent * members, err);
}
