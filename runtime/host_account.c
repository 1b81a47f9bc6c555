#define _GNU_SOURCE
#include "host_account.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Below this many page faults since the last look, resident memory cannot have moved by an amount worth a system call. */
enum { FAULTS_WORTH_A_LOOK = 16 };

static struct {
    struct rusage self, children;
    uint64_t      inherited, resident; /* bytes */
    long          faults;              /* when `resident` was read */
    long          peak_kb;             /* of the process, when the cell began */
} account;

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec;
}

static ssize_t read_file(const char *path, char *text, size_t size)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    if (fd < 0)
        return -1;
    n = read(fd, text, size - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* Resident anonymous memory; 0 when /proc does not say. */
static uint64_t read_resident(void)
{
    char          text[128];
    unsigned long size, resident, shared;
    if (read_file("/proc/self/statm", text, sizeof text) <= 0 || sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3)
        return 0;
    return resident > shared ? (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void look(const struct rusage *usage)
{
    if (usage->ru_minflt + usage->ru_majflt - account.faults < FAULTS_WORTH_A_LOOK)
        return;
    account.faults   = usage->ru_minflt + usage->ru_majflt;
    account.resident = read_resident();
}

void host_account_start(void)
{
    (void)getrusage(RUSAGE_SELF, &account.self);
    account.faults    = account.self.ru_minflt + account.self.ru_majflt;
    account.inherited = account.resident = read_resident();
    account.peak_kb                      = account.self.ru_maxrss;
}

void host_account_begin(void)
{
    (void)getrusage(RUSAGE_SELF, &account.self);
    (void)getrusage(RUSAGE_CHILDREN, &account.children);
}

void host_account_end(struct host_account *ret)
{
    struct rusage self, children;
    uint64_t      growth;
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    look(&self);
    ret->cpu_user_us = microseconds(self.ru_utime) - microseconds(account.self.ru_utime) + microseconds(children.ru_utime) -
                       microseconds(account.children.ru_utime);
    ret->cpu_system_us = microseconds(self.ru_stime) - microseconds(account.self.ru_stime) + microseconds(children.ru_stime) -
                         microseconds(account.children.ru_stime);
    ret->memory_bytes      = account.resident > account.inherited ? account.resident - account.inherited : 0;
    ret->memory_peak_bytes = ret->memory_bytes;
    if (self.ru_maxrss > account.peak_kb) {
        growth = (uint64_t)(self.ru_maxrss - account.peak_kb) * 1024;
        if (growth > ret->memory_peak_bytes)
            ret->memory_peak_bytes = growth;
    }
    ret->threads = host_account_threads();
}

uint32_t host_account_threads(void)
{
    struct stat task;
    if (stat("/proc/self/task", &task) != 0 || task.st_nlink < 2)
        return 0;
    return (uint32_t)task.st_nlink - 2;
}
