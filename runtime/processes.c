#define _GNU_SOURCE
#include "processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1000, DESCENDANTS_MAX = 4096 };

static bool is_spared(pid_t pid, const pid_t *spared, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (spared[i] == pid)
            return true;
    }
    return pid == getpid();
}

/* 'Z' and 'X' are dead already: they only wait for their parent, or for us. */
static bool is_alive(pid_t pid)
{
    char    path[32], text[256], *end;
    int     fd;
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    end     = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X';
}

/* Returns how many were sent the signal, or -1 when /proc can't be read. */
static int kill_visible(const pid_t *spared, size_t spared_count)
{
    DIR           *proc = opendir("/proc");
    struct dirent *entry;
    int            killed = 0, seen = 0;

    if (proc == NULL)
        return -1;
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        seen++;
        pid = (pid_t)atoi(entry->d_name);
        if (!is_spared(pid, spared, spared_count) && is_alive(pid) && kill(pid, SIGKILL) == 0)
            killed++;
    }
    closedir(proc);
    return seen == 0 ? -1 : killed; /* an empty /proc shows not even ourselves */
}

static int kill_children(pid_t parent, const pid_t *spared, size_t spared_count, int depth)
{
    char  path[64];
    FILE *file;
    int   pid, killed = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    file = depth < 64 ? fopen(path, "re") : NULL;
    if (file == NULL)
        return depth == 0 ? -1 : 0;
    while (killed < DESCENDANTS_MAX && fscanf(file, "%d", &pid) == 1) {
        if (is_spared(pid, spared, spared_count))
            continue;
        killed += kill_children(pid, spared, spared_count,
                                depth + 1); /* children first: a dead parent's would move to us, and be found in the next round */
        if (is_alive(pid) && kill(pid, SIGKILL) == 0)
            killed++;
    }
    fclose(file);
    return killed;
}

bool processes_kill(bool own_namespace, const pid_t *spared, size_t spared_count)
{
    if (own_namespace && spared_count == 0) {
        (void)kill(-1, SIGKILL); /* atomic over the namespace: no fork bomb outruns it */
        return true;
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int killed = own_namespace ? kill_visible(spared, spared_count) : kill_children(getpid(), spared, spared_count, 0);
        if (killed < 0) {
            if (own_namespace)
                (void)kill(-1, SIGKILL);
            return false;
        }
        if (killed == 0)
            return true;
    }
    return false;
}
