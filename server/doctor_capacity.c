/*
 * doctor_capacity.c: what an idle session needs is measured (`make bench`): the figures here are those, rounded up. What it may
 * need is the policy's; so there are two answers, and a machine with both in mind lies between them.
 */
#define _GNU_SOURCE
#include "doctor_capacity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "doctor_finding.h"
#include "doctor_group.h"

enum {
    LIBRARIES_BYTES       = 400 << 20, /* zygote, server, and what the kernel keeps for itself */
    SESSION_BYTES         = 1200000,   /* idle, libraries imported */
    SESSION_BYTES_FORKED  = 1600000,   /* the same where init is a fork of the interpreter */
    SESSION_PROCESSES     = 3,         /* init, interpreter, the copy that sleeps */
    SESSION_DESCRIPTORS   = 3,         /* of the server process (fold.h) */
    DESCRIPTORS_OF_OTHERS = 200,       /* connections aside */
    CONTROL_GROUPS_MAX    = 65000,     /* the kernel numbers memory groups with 16 bits */
};

static const char GROUPS[] = "/proc/self/cgroup", GROUP_MOUNTS[] = "/sys/fs/cgroup";

struct limit {
    const char *name;
    int64_t     sessions;
    char        advice[160];
};

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return b >= 0 && b < a ? b : a;
}

static int64_t by_memory(int64_t bytes)
{
    int64_t available = smaller(doctor_meminfo("MemAvailable"), doctor_group_memory(GROUPS, GROUP_MOUNTS));
    return at_least((available - LIBRARIES_BYTES) / bytes, 0);
}

/* The supervisor raises the soft limit to the hard one. */
static int64_t by_descriptors(struct limit *limit)
{
    struct rlimit nofile = {0};
    (void)getrlimit(RLIMIT_NOFILE, &nofile);
    if (nofile.rlim_max == RLIM_INFINITY)
        return INT64_MAX;
    (void)snprintf(limit->advice, sizeof limit->advice, "ulimit -Hn 1048576 (LimitNOFILE= of the unit); it is %llu",
                   (unsigned long long)nofile.rlim_max);
    return at_least(((int64_t)nofile.rlim_max - DESCRIPTORS_OF_OTHERS) / SESSION_DESCRIPTORS, 0);
}

static int64_t by_processes(struct limit *limit)
{
    struct rlimit nproc = {0};
    int64_t       most  = smaller(doctor_read_number("/proc/sys/kernel/pid_max"), doctor_read_number("/proc/sys/kernel/threads-max"));
    (void)getrlimit(RLIMIT_NPROC, &nproc);
    most = smaller(most, doctor_group_processes(GROUPS, GROUP_MOUNTS));
    if (geteuid() != 0 && nproc.rlim_max != RLIM_INFINITY)
        most = smaller(most, (int64_t)nproc.rlim_max);
    (void)snprintf(limit->advice, sizeof limit->advice,
                   "sysctl -w kernel.pid_max=4194304 kernel.threads-max=4194304 (LimitNPROC=, TasksMax=, --pids-limit); there are %lld",
                   (long long)most);
    return most / SESSION_PROCESSES;
}

static bool holds(const json_t *isolation, const char *layer)
{
    return json_is_true(json_object_get(json_object_get(json_object_get(isolation, "layers"), layer), "active"));
}

/* What sessions here have none of runs out for nobody. */
static size_t fill_limits(const struct policies *policies, const json_t *isolation, struct limit limits[8])
{
    bool   visits = json_is_true(json_object_get(json_object_get(isolation, "visits"), "active"));
    size_t n      = 0;
    memset(limits, 0, 8 * sizeof *limits);
    limits[n] = (struct limit){"memory", by_memory(visits ? SESSION_BYTES : SESSION_BYTES_FORKED),
                               "more memory (MemoryMax=, --memory), or a smaller quotas.global.maxConcurrentSessions"};
    n++;
    limits[n].name     = "descriptors";
    limits[n].sessions = by_descriptors(&limits[n]);
    n++;
    limits[n].name     = "processes";
    limits[n].sessions = by_processes(&limits[n]);
    n++;
    if (holds(isolation, "userNamespace") && doctor_read_number("/proc/sys/user/max_user_namespaces") >= 0)
        limits[n++] = (struct limit){"userNamespaces", doctor_read_number("/proc/sys/user/max_user_namespaces"),
                                     "sysctl -w user.max_user_namespaces=100000"};
    if (holds(isolation, "cgroupMemory"))
        limits[n++] = (struct limit){"controlGroups", CONTROL_GROUPS_MAX, "more machines"};
    if (holds(isolation, "hostUid"))
        limits[n++] = (struct limit){"hostUsers", policies->uid_count, "a larger process.uidCount in resources.json"};
    return n;
}

json_t *doctor_capacity(const struct policies *policies, const json_t *isolation, json_t *findings)
{
    struct limit       limits[8];
    size_t             count = fill_limits(policies, isolation, limits), least = 0;
    int64_t            full = by_memory((int64_t)at_least((int64_t)policies->memory_per_session_bytes, 1));
    json_t            *all  = json_object();
    enum doctor_status status;

    for (size_t i = 0; i < count; i++) {
        if (limits[i].sessions < limits[least].sessions)
            least = i;
        if (limits[i].sessions != INT64_MAX)
            (void)json_object_set_new(all, limits[i].name, json_integer(limits[i].sessions));
    }
    status = limits[least].sessions == 0                                       ? DOCTOR_FAILED
             : limits[least].sessions < (int64_t)policies->concurrent_sessions ? DOCTOR_WEAK
                                                                               : DOCTOR_OK;
    doctor_find(findings, "capacity", status, limits[least].advice,
                "%" PRId64 " idle sessions fit (%s); the policy allows %" PRIu32 "; %" PRId64 " could use all the memory that each may",
                limits[least].sessions, limits[least].name, policies->concurrent_sessions, full);
    return json_pack("{s:I, s:s, s:I, s:o}", "sessions", (json_int_t)limits[least].sessions, "limitedBy", limits[least].name,
                     "atFullMemory", (json_int_t)full, "limits", all);
}
