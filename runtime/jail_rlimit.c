/* jail_rlimit.c: per-process limits. They hold on every host; where there is a cgroup they are the second line. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>

#include "jail_layers.h"

struct limit {
    int         resource;
    const char *name;
    rlim_t      value;
};

int jail_rlimit_prepare(struct jail *jail, struct err *err)
{
    (void)err;
    jail_active(jail, LAYER_RLIMITS, "core, nofile, fsize, memlock, msgqueue, nproc%s, address space on top of what a session inherits",
        jail->unique_uid || jail->report[LAYER_USER_NAMESPACE].active ? "" : " (shared by all sessions of this user)");
    return 0;
}

/* Without a user of its own or a user namespace the kernel counts the processes of all sessions together, so the limit must cover them. */
static rlim_t process_limit(const struct jail *jail, const struct jail_session *session)
{
    bool own = jail->unique_uid || jail->report[LAYER_USER_NAMESPACE].active;
    return own ? session->processes : (rlim_t)session->processes * 256;
}

int jail_rlimit_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    const struct limit limits[] = {
        {RLIMIT_CORE, "core", 0},
        {RLIMIT_NOFILE, "nofile", jail->policy->open_files},
        {RLIMIT_FSIZE, "fsize", jail->policy->file_bytes},
        {RLIMIT_MEMLOCK, "memlock", 64 << 10},
        {RLIMIT_MSGQUEUE, "msgqueue", 0},
        {RLIMIT_NPROC, "nproc", process_limit(jail, session)},
        {RLIMIT_AS, "as", jail->address_space_bytes + session->memory_bytes},
    };

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit now, want = {limits[i].value, limits[i].value};
        if (getrlimit(limits[i].resource, &now) < 0)
            return err_errno(err, "rlimit %s", limits[i].name);
        if (now.rlim_max != RLIM_INFINITY && want.rlim_max > now.rlim_max) /* CAP_SYS_RESOURCE can be missing even for root */
            want.rlim_cur = want.rlim_max = now.rlim_max;
        if (setrlimit(limits[i].resource, &want) < 0)
            return err_errno(err, "rlimit %s", limits[i].name);
    }
    return 0;
}
