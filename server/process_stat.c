#define _GNU_SOURCE
#include "process_stat.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t read_proc(pid_t pid, const char *name, char *ret_text, size_t room)
{
    char   path[64];
    size_t n = 0;
    FILE  *file;
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    if (file != NULL) {
        n = fread(ret_text, 1, room - 1, file);
        (void)fclose(file);
    }
    ret_text[n] = '\0';
    return n;
}

int process_stat_read(pid_t pid, struct process_stat *ret)
{
    char               text[1024];
    const char        *at;
    unsigned long long user, system, virtual_bytes;
    long long          pages;

    if (read_proc(pid, "stat", text, sizeof text) == 0 || (at = strrchr(text, ')')) == NULL)
        return -1;
    if (sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %llu %lld", &user, &system,
               &virtual_bytes, &pages) != 4)
        return -1;
    ret->cpu_s          = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    ret->virtual_bytes  = virtual_bytes;
    ret->resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

pid_t process_stat_child(pid_t parent, const char *name)
{
    char  path[48], text[4096], comm[32], *next = text;
    pid_t pid;
    (void)snprintf(path, sizeof path, "task/%d/children", (int)parent);
    (void)read_proc(parent, path, text, sizeof text);
    while ((pid = (pid_t)strtol(next, &next, 10)) > 0) {
        (void)read_proc(pid, "comm", comm, sizeof comm);
        if (strncmp(comm, name, strlen(name)) == 0)
            return pid;
    }
    return 0;
}

/* Linux 6.2 and newer say it as the directory's size; before, the directory must be read. */
size_t process_stat_descriptors(void)
{
    struct stat found;
    size_t      n = 0;
    DIR        *directory;
    if (stat("/proc/self/fd", &found) == 0 && found.st_size > 0)
        return (size_t)found.st_size;
    directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    while (readdir(directory) != NULL)
        n++;
    (void)closedir(directory);
    return n > 3 ? n - 3 : 0; /* less ".", ".." and the directory itself */
}
