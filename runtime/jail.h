/*
 * jail.h: the walls around a session. jail.c is the ordered list of layers; each layer is one file jail_*.c with one kernel mechanism.
 *
 * A layer is prepared once in the zygote, before Python starts, and entered by every session. What can't be had on this host is left
 * out and reported with the reason; nothing is left out silently.
 */
#ifndef PENNY_JAIL_H
#define PENNY_JAIL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "policy.h"

/* The zygote's own program, in a root of ours. */
#define JAIL_PROGRAM "/opt/penny-zygote"

enum jail_layer_id {
    LAYER_USER_NAMESPACE,
    LAYER_PID_NAMESPACE,
    LAYER_MOUNT_NAMESPACE,
    LAYER_IPC_NAMESPACE,
    LAYER_UTS_NAMESPACE,
    LAYER_CGROUP_NAMESPACE,
    LAYER_NETWORK_NAMESPACE,
    LAYER_ROOT,
    LAYER_WORKSPACE,
    LAYER_PROC,
    LAYER_HOST_UID,
    LAYER_CGROUP_MEMORY,
    LAYER_CGROUP_PIDS,
    LAYER_CGROUP_CPU,
    LAYER_RLIMITS,
    LAYER_CAPABILITIES,
    LAYER_NO_NEW_PRIVILEGES,
    LAYER_LANDLOCK,
    LAYER_SECCOMP,
    LAYER_COUNT
};

struct jail_report {
    bool active;
    char detail[160]; /* active: what exactly; otherwise why not */
};

enum { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_KINDS };
enum jail_leaf { LEAF_NONE, LEAF_FOUND, LEAF_MADE };

/* What the zygote has prepared. One object, made once, read-only when sessions run. */
struct jail {
    const struct policy *policy;
    struct jail_report   report[LAYER_COUNT];
    uint64_t             clone_flags; /* CLONE_NEW* of a session's init */
    bool                 has_root;    /* the zygote lives in the read-only root */
    bool                 own_network; /* every session makes its own network namespace (the shared one can't be made safe) */
    bool                 mount_proc;  /* a session mounts its own /proc */
    bool                 can_visit;   /* workers are forks of the zygote made in the session's namespaces (visit.h) */
    bool                 as_root;     /* it was started by root; an ordinary user is root only in a user namespace of the zygote's own */
    bool                 unique_uid;  /* every session is a host user of its own */
    uid_t                map_uid;     /* id, in the zygote's user namespace, of a session when not unique_uid */
    gid_t                map_gid;
    int                  proc_fd;                 /* the host's /proc, as the zygote sees pids */
    int                  state_fd;                /* the state directory */
    int                  image_fd;                /* the program penny-init; -1: there is none */
    int                  config_fd;               /* what it is told; -1 until the jail is complete */
    int                  cgroup_fd[CGROUP_KINDS]; /* directory that holds the sessions' groups, -1 without */
    int                  cgroup_version;          /* 0, 1 or 2 */
    enum jail_leaf       cgroup_leaf;             /* version 2: whether the service's processes are in a leaf made for them */
    unsigned             cgroup_switched;         /* a bit for each controller that we made our group pass on */
    int                  cgroup_own_fd;           /* our group, of which the leaf is a child; -1 without */
    char                 cgroup_name[64];
    int                  landlock_abi;        /* 0 without */
    char                 python_base[256];    /* directory that holds the interpreter's bin/ and lib/ */
    char                 venv[256];           /* virtual environment, as seen by sessions */
    char                 library[256];        /* our Python modules, as seen by sessions */
    char                 layers[320];         /* what was installed, as seen by sessions; "": nothing can be */
    char                 matplotlib[320];     /* MPLCONFIGDIR */
    int                  egress_fd;           /* listens inside the sessions' network; -1: there is no way out */
    char                 visit_detail[160];   /* what can_visit comes to, or why not */
    char                 egress_detail[160];  /* how, or why not; "": none is wanted */
    struct sock_fprog    filter;              /* compiled once: libseccomp needs 5 ms, the kernel 0.1 */
    uint64_t             address_space_bytes; /* what a fork inherits; set when the zygote is complete */
};

/* One session that is being jailed. */
struct jail_session {
    uint32_t session;
    uid_t    uid; /* host id */
    uint64_t memory_bytes, workspace_bytes;
    uint32_t processes, cpu_percent;
    uint32_t process_limit;  /* RLIMIT_NPROC; filled by jail_reserve */
    char     workspace[320]; /* cwd and HOME of the session, as it sees it */
    char     temporary[320];
};

/* Names of layers as /health shows them. */
const char *jail_layer_name(enum jail_layer_id layer);

/* Notes the outcome of a layer. */
void jail_active(struct jail *jail, enum jail_layer_id layer, const char *format, ...) __attribute__((format(printf, 3, 4)));
void jail_inactive(struct jail *jail, enum jail_layer_id layer, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Prepares every layer, in order. Fails only when the host can't hold sessions at all, or holds them more weakly than policy->require_isolation. */
int jail_prepare(struct jail *jail, const struct policy *policy, struct err *err);
/* What the layers add up to. */
enum isolation_level jail_level(const struct jail *jail);
/* The report as JSON text, {"level":..., "layers":{name:{"active":..., "detail":...}}}, in a new memfd (owned by the caller). Returns the descriptor or -1. */
int jail_report_fd(const struct jail *jail, struct err *err);

/* In the zygote, before the clone: fills session->workspace and temporary, makes the group and, without a root, the directories. jail_release undoes it. */
int jail_reserve(const struct jail *jail, struct jail_session *session, struct err *err);
/* The session's group for clone3's CLONE_INTO_CGROUP (version 2 only), which costs nothing where a later move waits for an RCU grace period. A descriptor or -1. */
int jail_cgroup_open(const struct jail *jail, const struct jail_session *session);
/* Per cent of one core for a session from now on, 0: no limit. Does nothing where there is no group. */
/* Limits for so many members (wire.h) as there are: memory, processes and processor time of one, times their number. Returns 0, or -1 with err. */
int jail_cgroup_scale(const struct jail *jail, const struct jail_session *session, uint32_t members, struct err *err);
int jail_cgroup_set_cpu(const struct jail *jail, const struct jail_session *session, uint32_t cpu_percent, struct err *err);
/* In the zygote, for a child that waits: the parts only a parent can do (id maps). */
int jail_admit(const struct jail *jail, const struct jail_session *session, pid_t pid, struct err *err);
/* In the child that becomes init: every layer that surrounds the whole session. */
int jail_enter(const struct jail *jail, const struct jail_session *session, struct err *err);
/* In a worker that came by a visit, whose init has entered: its group, while it is the zygote's user; then, once it has its descriptors, the rest. */
int jail_join(const struct jail *jail, const struct jail_session *session, bool is_grouped, struct err *err);
int jail_become(const struct jail *jail, const struct jail_session *session, struct err *err);
/* In the worker, last: the layers that bind the worker but not init. */
int jail_enter_worker(const struct jail *jail, const struct jail_session *session, struct err *err);
/* In the zygote, when every process of the session is gone. */
void jail_release(const struct jail *jail, const struct jail_session *session);
/* The same in steps: its files, and its groups, of which nothing but the number is needed; with_memory false: those that are
 * removed in no time; true: all, what was busy at the first time too. */
void jail_workspace_release(const struct jail *jail, const struct jail_session *session);
void jail_cgroup_release(const struct jail *jail, uint32_t session, bool with_memory);
/* In a new zygote: removes the groups without a process, which one that died had not removed yet. */
void jail_cgroup_sweep(const struct jail *jail);
/* Removes what services beside ours have left that were killed with their zygotes. */
void jail_cgroup_clear(const struct jail *jail);
/* In the zygote, at its end. */
void jail_done(struct jail *jail);
/* After jail_done, when the service is not to go on: our control group passes on what it did before, and the processes that were moved aside go
   back to where they were. A leaf that was there before us is another's, but to a service: it is that of the zygote before. */
void jail_cgroup_restore(struct jail *jail, bool is_service);

#endif
