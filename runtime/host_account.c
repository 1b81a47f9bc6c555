#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_account.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Below so many page faults since the last look, memory cannot have grown by an amount worth three system calls; below so many bytes in use, it
   cannot have shrunk by one. What is between few and many bytes is looked at now and then: for a person always, for a loop of cells seldom. */
enum { FAULTS_WORTH_A_LOOK = 16, BYTES_FEW = 1 << 20, BYTES_MANY = 16 << 20, LOOK_NS = 20000000 };

enum { MOMENT_NS = 50000, MOMENTS = 10 /* each twice as long as the one before */ };

static struct {
    struct rusage self, children;
    uint64_t      inherited; /* anonymous bytes that came with the fork */
    uint64_t      anonymous; /* resident, when last read */
    uint64_t      total;     /* resident, when last read: what the kernel's peak is a peak of */
    uint64_t      shared; /* of that, files: libraries, and the zygote's image (host_image.h), of which more is looked at as time goes on */
    long          faults; /* when they were read */
    uint64_t      looked_ns;
    long          others; /* what other threads had done when /proc last said that there is none; -1: it has not */
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

static void read_resident(void)
{
    char          text[128];
    unsigned long size, resident, shared, page = (unsigned long)sysconf(_SC_PAGESIZE);
    if (read_file("/proc/self/statm", text, sizeof text) <= 0 || sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3)
        return;
    account.total     = resident * page;
    account.shared    = shared * page;
    account.anonymous = resident > shared ? (resident - shared) * page : 0;
}

static uint64_t own(void)
{
    return account.anonymous > account.inherited ? account.anonymous - account.inherited : 0;
}

static uint64_t coarse_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void look(const struct rusage *usage)
{
    long     faults = usage->ru_minflt + usage->ru_majflt;
    uint64_t now    = coarse_ns();
    if (faults - account.faults < FAULTS_WORTH_A_LOOK && (own() < BYTES_FEW || (own() < BYTES_MANY && now - account.looked_ns < LOOK_NS)))
        return;
    account.faults    = faults;
    account.looked_ns = now;
    read_resident();
}

/* So that the next peak is the next cell's own. Where the kernel refuses, it stays that of the process. */
static void reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "5", 1);
    (void)close(fd);
}

void host_account_renew(void)
{
    (void)getrusage(RUSAGE_SELF, &account.self);
    (void)getrusage(RUSAGE_CHILDREN, &account.children);
    account.faults = account.self.ru_minflt + account.self.ru_majflt;
    account.others = -1;
    read_resident();
}

void host_account_start(void)
{
    host_account_renew();
    account.inherited = account.anonymous;
    reset_peak();
}

/* That of children is what it was at the end of the last cell: it changes when somebody waits for one, which only code of the session does. */
void host_account_begin(void)
{
    (void)getrusage(RUSAGE_SELF, &account.self);
}

/* At most in use during the cell, given what was in use before it. */
static uint64_t peak(uint64_t before, uint64_t before_total, uint64_t before_shared, long kernel_peak_kb)
{
    uint64_t kernel_peak = (uint64_t)kernel_peak_kb * 1024, result = own() > before ? own() : before;
    if (account.shared > before_shared)
        before_total += account.shared - before_shared;
    if (kernel_peak > before_total && before + (kernel_peak - before_total) > result)
        result = before + (kernel_peak - before_total);
    return result;
}

static uint32_t python_threads(void)
{
    uint32_t       count = 0;
    PyThreadState *state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; state != NULL; state = PyThreadState_Next(state))
        count++;
    return count;
}

static uint32_t count_threads(void)
{
    struct stat task;
    if (stat("/proc/self/task", &task) != 0 || task.st_nlink < 2)
        return 0;
    return (uint32_t)task.st_nlink - 2;
}

/*
 * A thread that has just been joined may take the kernel a moment more, or, where others have the processor, its turn to end: fifty milliseconds
 * in all. What is still there then is none of Python's, and is not waited for again.
 */
uint32_t host_account_threads(void)
{
    static uint32_t strange;
    struct timespec moment = {.tv_nsec = MOMENT_NS};
    uint32_t        count  = count_threads();
    for (int i = 0; i < MOMENTS && count > python_threads() + strange; i++, moment.tv_nsec *= 2) {
        (void)nanosleep(&moment, NULL);
        count = count_threads();
    }
    strange = count > python_threads() ? count - python_threads() : 0;
    return count;
}

/* Faults and switches of the process that are not this thread's. */
static long work_of_others(const struct rusage *thread, const struct rusage *self)
{
    return self->ru_minflt - thread->ru_minflt + self->ru_nvcsw - thread->ru_nvcsw + self->ru_nivcsw - thread->ru_nivcsw;
}

/*
 * Whether nobody else has run in this process since /proc said that it has one thread: a look there costs ten times as much. What has been started and
 * has not run yet is seen after the next cell; a copy is never made without a look (host_park.c).
 */
static bool alone(const struct rusage *thread, const struct rusage *self)
{
    return account.others >= 0 && work_of_others(thread, self) == account.others && python_threads() == 1;
}

static uint32_t count_again(const struct rusage *thread, const struct rusage *self)
{
    uint32_t count = host_account_threads();
    account.others = count == 1 ? work_of_others(thread, self) : -1;
    return count;
}

void host_account_end(struct host_account *ret)
{
    struct rusage thread, self, children;
    uint32_t      threads;
    uint64_t      before = own(), before_total = account.total, before_shared = account.shared;
    (void)getrusage(RUSAGE_THREAD, &thread);
    (void)getrusage(RUSAGE_SELF, &self);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    threads = alone(&thread, &self) ? 1 : 0;
    look(&self);
    ret->cpu_user_us = microseconds(self.ru_utime) - microseconds(account.self.ru_utime) + microseconds(children.ru_utime) -
                       microseconds(account.children.ru_utime);
    ret->cpu_system_us = microseconds(self.ru_stime) - microseconds(account.self.ru_stime) + microseconds(children.ru_stime) -
                         microseconds(account.children.ru_stime);
    account.children       = children;
    ret->memory_bytes      = own();
    ret->memory_peak_bytes = peak(before, before_total, before_shared, self.ru_maxrss);
    ret->threads           = threads != 0 ? threads : count_again(&thread, &self);
    if ((uint64_t)self.ru_maxrss * 1024 > account.total + BYTES_FEW)
        reset_peak();
}
