#define _GNU_SOURCE
#include "orphans.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sends SIGKILL to each child. Returns how many there were, or -1 where the kernel does not list them. */
static int kill_children(void)
{
    char  path[64];
    FILE *list;
    int   pid, count = 0;

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    list = fopen(path, "re");
    if (list == NULL)
        return -1;
    while (fscanf(list, "%d", &pid) == 1) {
        (void)kill(pid, SIGKILL);
        count++;
    }
    (void)fclose(list);
    return count;
}

void orphans_end(void)
{
    int rounds = 0;
    /* A killed child's own children come to us in turn, so go on until there are none; the bound is against a fork bomb. */
    while (kill_children() > 0 && rounds++ < 1000) {
        while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
            continue;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}
