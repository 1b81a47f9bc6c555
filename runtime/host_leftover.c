#define _GNU_SOURCE
#include "host_leftover.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS_KNOWN = 256 };

static bool known_descriptors[DESCRIPTORS_KNOWN];

/* Names the first entry of a directory of /proc for which `is_wrong` holds. Returns its number, or 0 when there is none. */
static int find_entry(const char *directory, bool (*is_wrong)(int))
{
    DIR           *entries = opendir(directory);
    struct dirent *entry;
    int            found = 0;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        int number = atoi(entry->d_name);
        if (number > 0 && number != dirfd(entries) && is_wrong(number))
            found = number;
    }
    if (entries != NULL)
        (void)closedir(entries);
    return found;
}

static bool is_other_thread(int id)
{
    return id != getpid();
}

static void name_thread(int id, char *name, size_t size)
{
    char  path[64];
    FILE *f;
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/comm", id);
    f = fopen(path, "re");
    if (f == NULL || fgets(name, (int)size, f) == NULL)
        (void)snprintf(name, size, "ended since");
    name[strcspn(name, "\n")] = '\0';
    if (f != NULL)
        (void)fclose(f);
}

/* Threads that ended a moment ago may take the kernel a moment more. */
static int check_threads(struct err *err)
{
    char name[64];
    int  found = 0;
    for (int i = 0; i < 100 && (found = find_entry("/proc/self/task", is_other_thread)) != 0; i++) {
        struct timespec moment = {.tv_nsec = 10000000};
        (void)nanosleep(&moment, NULL);
    }
    if (found == 0)
        return 0;
    name_thread(found, name, sizeof name);
    return err_set(err, 0, "importing the libraries left a thread running (%d, \"%s\"): a fork would lose it", found, name);
}

static bool note_descriptor(int fd)
{
    if (fd < DESCRIPTORS_KNOWN)
        known_descriptors[fd] = true;
    return false;
}

static bool is_new_descriptor(int fd)
{
    return fd >= DESCRIPTORS_KNOWN || !known_descriptors[fd];
}

/* A worker inherits no descriptor: what a library keeps open would fail in every session. */
static int check_descriptors(struct err *err)
{
    char    path[64], target[128];
    ssize_t n;
    int     found = find_entry("/proc/self/fd", is_new_descriptor);
    if (found == 0)
        return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", found);
    n                     = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    return err_set(err, 0, "importing the libraries left a descriptor open (%d, %s): no session would have it", found, target);
}

void host_leftover_note(void)
{
    (void)find_entry("/proc/self/fd", note_descriptor);
}

int host_leftover_check(struct err *err)
{
    return check_threads(err) != 0 || check_descriptors(err) != 0 ? -1 : 0;
}
