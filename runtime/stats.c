#define _GNU_SOURCE
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdio.h"

enum { DEPTH_MAX = 32, PROCESSES_MAX = 4096 };

/* Reads a small file below a directory. Returns its length, or -1. */
static ssize_t read_at(int dir_fd, const char *path, char *text, size_t size)
{
    int     fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n  = fd < 0 ? -1 : read(fd, text, size - 1);
    if (fd >= 0)
        close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

static uint64_t number_at(int dir_fd, uint32_t session, const char *file)
{
    char path[64], text[64];
    (void)snprintf(path, sizeof path, "s%u/%s", session, file);
    return read_at(dir_fd, path, text, sizeof text) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* The number after `key` in a file of "key value" lines. */
static uint64_t keyed_at(int dir_fd, uint32_t session, const char *file, const char *key)
{
    char        path[64], text[4096];
    const char *line;
    size_t      n = strlen(key);

    (void)snprintf(path, sizeof path, "s%u/%s", session, file);
    if (read_at(dir_fd, path, text, sizeof text) <= 0)
        return 0;
    for (line = text; line != NULL; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, key, n) == 0 && line[n] == ' ')
            return strtoull(line + n, NULL, 10);
    }
    return 0;
}

uint32_t stats_oom_kills(const struct jail *jail, uint32_t session)
{
    int fd = jail->cgroup_fd[CGROUP_MEMORY];
    if (fd < 0)
        return 0;
    return (uint32_t)keyed_at(fd, session, jail->cgroup_version == 2 ? "memory.events" : "memory.oom_control", "oom_kill");
}

static void read_memory_group(const struct jail *jail, uint32_t session, struct session_stats *ret)
{
    int fd = jail->cgroup_fd[CGROUP_MEMORY];

    ret->oom_kills = stats_oom_kills(jail, session);
    if (jail->cgroup_version == 2) {
        ret->memory_bytes      = number_at(fd, session, "memory.current");
        ret->memory_peak_bytes = number_at(fd, session, "memory.peak"); /* from Linux 5.19 on */
        if (ret->memory_peak_bytes < ret->memory_bytes)
            ret->memory_peak_bytes = ret->memory_bytes;
        return;
    }
    ret->memory_bytes      = number_at(fd, session, "memory.usage_in_bytes");
    ret->memory_peak_bytes = number_at(fd, session, "memory.max_usage_in_bytes");
}

/* One pass over the processes below init. */
struct sample {
    const struct jail *jail;
    uint64_t           anonymous_kb, ticks;
    uint32_t           processes;
    bool               exact; /* what processes share is counted once */
};

static void sample_process(struct sample *sample, pid_t pid)
{
    char        path[64], text[4096];
    const char *p;
    uint64_t    user = 0, system = 0, child_user = 0, child_system = 0;

    (void)snprintf(path, sizeof path, "%d/stat", (int)pid);
    /* fields 14 to 17 of proc(5), counted from behind the name, which may hold anything */
    if (read_at(sample->jail->proc_fd, path, text, sizeof text) > 0 && (p = strrchr(text, ')')) != NULL &&
        sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &user, &system, &child_user,
               &child_system) == 4)
        sample->ticks += user + system + child_user + child_system;
    (void)snprintf(path, sizeof path, sample->exact ? "%d/smaps_rollup" : "%d/status", (int)pid);
    if (read_at(sample->jail->proc_fd, path, text, sizeof text) > 0 && (p = strstr(text, sample->exact ? "Pss_Anon:" : "RssAnon:")) != NULL)
        sample->anonymous_kb += strtoull(strchr(p, ':') + 1, NULL, 10);
    sample->processes++;
}

static void sample_tree(struct sample *sample, pid_t pid, int depth)
{
    char path[64], text[16384], *p = text, *end;

    if (depth > DEPTH_MAX || sample->processes >= PROCESSES_MAX)
        return;
    sample_process(sample, pid);
    (void)snprintf(path, sizeof path, "%d/task/%d/children", (int)pid, (int)pid);
    if (read_at(sample->jail->proc_fd, path, text, sizeof text) <= 0)
        return;
    for (;;) {
        long child = strtol(p, &end, 10);
        if (end == p)
            return;
        p = end;
        sample_tree(sample, (pid_t)child, depth + 1);
    }
}

/* Every process of a session is a fork of the zygote, whose own anonymous memory it counts as its own until it changes it. */
static uint64_t shared_kb(const struct jail *jail)
{
    char        text[4096];
    const char *p;
    return read_at(jail->proc_fd, "self/status", text, sizeof text) > 0 && (p = strstr(text, "RssAnon:")) != NULL
               ? strtoull(p + 8, NULL, 10)
               : 0;
}

void stats_read(const struct jail *jail, uint32_t session, pid_t init_pid, uint64_t suspicious_bytes, struct session_stats *ret)
{
    struct sample sample = {.jail = jail};
    uint64_t      shared;

    memset(ret, 0, sizeof *ret);
    sample_tree(&sample, init_pid, 0);
    ret->processes = sample.processes;
    ret->cpu_us    = sample.ticks * (1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    if (jail->cgroup_fd[CGROUP_MEMORY] >= 0) {
        read_memory_group(jail, session, ret);
        return;
    }
    shared            = shared_kb(jail) * sample.processes;
    ret->memory_bytes = sample.anonymous_kb > shared ? (sample.anonymous_kb - shared) * 1024 : 0;
    if (suspicious_bytes == 0 || ret->memory_bytes <= suspicious_bytes)
        return;
    sample = (struct sample){.jail = jail, .exact = true};
    sample_tree(&sample, init_pid, 0);
    ret->memory_bytes = sample.anonymous_kb * 1024;
}
