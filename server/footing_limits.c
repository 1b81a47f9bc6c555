/* footing_limits.c: limits of the shell that started us (ulimit) under which a service, or its sessions, would die of what nobody sees. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "footing.h"

#define MB ((rlim_t)1 << 20)

/* `wanted`: how far the limit in force is raised, where the hard one lets us. `least`: what a service with the libraries of the shipped preload needs. */
static const struct need {
    int         resource;
    const char *name;
    rlim_t      wanted, least;
} NEEDS[] = {
    {RLIMIT_STACK, "of the stack (ulimit -s)", 8 * MB, MB},
    {RLIMIT_AS, "of address space (ulimit -v)", RLIM_INFINITY, 768 * MB},
    {RLIMIT_DATA, "of data (ulimit -d)", RLIM_INFINITY, 512 * MB},
    {RLIMIT_FSIZE, "of a file's size (ulimit -f)", RLIM_INFINITY, 512 * MB},
    {RLIMIT_NOFILE, "of open files (ulimit -n)", 64, 64}, /* raised further where the number of sessions is known */
    {RLIMIT_NPROC, "of processes (ulimit -u)", 32, 32},   /* for one session; all of the user's are counted */
    {RLIMIT_SIGPENDING, "of pending signals (ulimit -i)", RLIM_INFINITY, 256},
};

/* What is infinite is the largest number. */
static int settle(const struct need *need, struct err *err)
{
    const bool    in_kb = need->least >= MB;
    const rlim_t  unit  = in_kb ? 1024 : 1;
    struct rlimit limit;
    if (getrlimit(need->resource, &limit) < 0)
        return err_errno(err, "cannot read the limit %s", need->name);
    if (need->resource == RLIMIT_NPROC && geteuid() == 0)
        return 0; /* the kernel holds nobody to it who may do everything */
    if (limit.rlim_max < need->least) {
        const struct rlimit higher = {need->least, need->least};
        if (setrlimit(need->resource, &higher) == 0) /* needs CAP_SYS_RESOURCE */
            return 0;
        return err_set(err, EAGAIN, "the limit %s is %llu%s: raise it to %llu%s or more where the service is started", need->name,
                       (unsigned long long)(limit.rlim_max / unit), in_kb ? " KB" : "", (unsigned long long)(need->least / unit),
                       in_kb ? " KB" : "");
    }
    if (limit.rlim_cur >= need->wanted)
        return 0;
    limit.rlim_cur = limit.rlim_max < need->wanted ? limit.rlim_max : need->wanted;
    return setrlimit(need->resource, &limit) == 0 ? 0 : err_errno(err, "cannot raise the limit %s", need->name);
}

int footing_limits(struct err *err)
{
    for (size_t i = 0; i < sizeof NEEDS / sizeof *NEEDS; i++)
        if (settle(&NEEDS[i], err) < 0)
            return -1;
    return 0;
}
