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
#include <time.h>
#include <unistd.h>

enum { STOP_ROUNDS_MAX = 100, KILL_ROUNDS_MAX = 5000, DESCENDANTS_MAX = 4096, DEPTH_MAX = 64 };

/* One signal to all that are meant. */
struct sweep {
    bool (*is_spared)(pid_t pid, void *arg);
    void *arg;
    int   signal;
};

/* As proc(5) has it; 0: there is none. 'Z' and 'X' are dead already: they only wait for their parent, or for us. */
static char state_of(pid_t pid)
{
    char    path[32], text[256], *end;
    int     fd;
    ssize_t n;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    end     = strrchr(text, ')');
    return end != NULL && end[1] == ' ' && end[2] != 'Z' && end[2] != 'X' ? end[2] : 0;
}

/* Returns whether the signal was sent to one that it changes. */
static bool send_signal(const struct sweep *sweep, pid_t pid)
{
    char state = state_of(pid);
    if (state == 0 || (sweep->signal == SIGSTOP && (state == 'T' || state == 't')))
        return false;
    return kill(pid, sweep->signal) == 0;
}

static bool is_meant(const struct sweep *sweep, pid_t pid)
{
    return pid != getpid() && (sweep->is_spared == NULL || !sweep->is_spared(pid, sweep->arg));
}

/* Returns how many were sent the signal, or -1 when /proc can't be read. */
static int sweep_visible(const struct sweep *sweep)
{
    DIR           *proc = opendir("/proc");
    struct dirent *entry;
    int            sent = 0, seen = 0;

    if (proc == NULL)
        return -1;
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        seen++;
        pid = (pid_t)atoi(entry->d_name);
        if (is_meant(sweep, pid) && send_signal(sweep, pid))
            sent++;
    }
    closedir(proc);
    return seen == 0 ? -1 : sent; /* an empty /proc shows not even ourselves */
}

/* What is spared may have children that are not. */
static int sweep_children(const struct sweep *sweep, pid_t parent, int depth)
{
    char  path[64];
    FILE *file;
    int   pid, sent = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    file = depth < DEPTH_MAX ? fopen(path, "re") : NULL;
    if (file == NULL)
        return depth == 0 ? -1 : 0;
    while (sent < DESCENDANTS_MAX && fscanf(file, "%d", &pid) == 1) {
        /* children first: a dead parent's would move to us, and be found in the next round */
        sent += sweep_children(sweep, pid, depth + 1);
        if (is_meant(sweep, pid) && send_signal(sweep, pid))
            sent++;
    }
    fclose(file);
    return sent;
}

/* Again and again, until there is nobody left to send it to. Returns false when that did not come to an end, or -1 in *ret_sent: no /proc. */
static bool sweep_all(bool own_namespace, const struct sweep *sweep, int rounds, int *ret_sent)
{
    const struct timespec moment = {.tv_nsec = 200000};
    *ret_sent                    = 1;
    for (int round = 0; round<rounds && * ret_sent> 0; round++) {
        if (round > 1)
            (void)nanosleep(&moment, NULL); /* they need the processor to die */
        *ret_sent = own_namespace ? sweep_visible(sweep) : sweep_children(sweep, getpid(), 0);
    }
    return *ret_sent == 0;
}

bool processes_kill(bool own_namespace, bool (*is_spared)(pid_t pid, void *arg), void *arg)
{
    struct sweep sweep = {is_spared, arg, SIGSTOP};
    int          sent;
    bool         done;

    if (own_namespace && is_spared == NULL)
        (void)kill(-1, SIGKILL); /* atomic over the namespace: no fork bomb outruns it */
    else
        (void)sweep_all(own_namespace, &sweep, STOP_ROUNDS_MAX, &sent);
    sweep.signal = SIGKILL;
    done         = sweep_all(own_namespace, &sweep, KILL_ROUNDS_MAX, &sent);
    if (sent < 0 && own_namespace)
        (void)kill(-1, SIGKILL);
    return done;
}
