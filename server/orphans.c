#define _GNU_SOURCE
#include "orphans.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPARED_MAX = 64 };

static struct {
    pid_t  pids[SPARED_MAX];
    size_t count;
} spared;

static FILE *open_children(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    return fopen(path, "re");
}

void orphans_spare(void)
{
    FILE *list   = open_children();
    spared.count = 0;
    while (list != NULL && spared.count < SPARED_MAX && fscanf(list, "%d", &spared.pids[spared.count]) == 1)
        spared.count++;
    if (list != NULL)
        (void)fclose(list);
}

void orphans_on_exit(pid_t pid)
{
    for (size_t i = 0; i < spared.count; i++)
        if (spared.pids[i] == pid)
            spared.pids[i] = spared.pids[--spared.count];
}

static bool is_spared(pid_t pid)
{
    for (size_t i = 0; i < spared.count; i++)
        if (spared.pids[i] == pid)
            return true;
    return false;
}

/* Sends SIGKILL to each child. Returns how many there were, or -1 where the kernel does not list them. */
static int kill_children(void)
{
    FILE *list = open_children();
    int   pid, count = 0;

    if (list == NULL)
        return -1;
    while (fscanf(list, "%d", &pid) == 1) {
        if (is_spared(pid))
            continue;
        (void)kill(pid, SIGKILL);
        count++;
    }
    (void)fclose(list);
    return count;
}

static void reap(int options)
{
    pid_t pid;
    while ((pid = waitpid(-1, NULL, options)) != 0 && (pid > 0 || errno == EINTR)) {
        orphans_on_exit(pid);
        if (options == 0)
            return;
    }
}

void orphans_end(void)
{
    int rounds = 0;
    /* A killed child's own children come to us in turn, so go on until there are none; the bound is against a fork bomb. */
    while (kill_children() > 0 && rounds++ < 1000) {
        reap(0);
        reap(WNOHANG);
    }
    reap(WNOHANG);
}
