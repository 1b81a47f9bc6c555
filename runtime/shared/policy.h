/*
 * policy.h: what the zygote must know of options and policies, as one plain struct. The server reads JSON, fills this, seals it in a
 * memfd and executes the zygote with it; the zygote never parses text.
 */
#ifndef PENNY_POLICY_H
#define PENNY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum { POLICY_MAGIC = 0x796e6e50, POLICY_VERSION = 1, POLICY_SYSCALLS_MAX = 512, POLICY_PRELOAD_MAX = 32 };

/* Of the proxy, on the loopback of the sessions' network namespace. Below the ports that the kernel hands out by itself. */
enum { EGRESS_PORT = 3128 };

enum isolation_level {
    ISOLATION_NONE      = 0, /* nothing required */
    ISOLATION_PROCESS   = 1, /* Landlock or a root of its own, seccomp, rlimits, no_new_privs, no capabilities */
    ISOLATION_NAMESPACE = 2, /* and user, pid, mount, ipc, uts namespaces, an empty network, a root of its own */
    ISOLATION_FULL      = 3, /* and a host uid per session and memory and process limits held by a cgroup */
};

enum syscall_action { SYSCALL_ALLOW = 1, SYSCALL_EPERM = 2, SYSCALL_ENOSYS = 3 };

struct syscall_rule {
    char     name[32];
    uint8_t  action;   /* enum syscall_action */
    uint8_t  argument; /* index of the argument compared, when has_condition */
    bool     has_condition;
    bool     only_namespace_tier; /* allow only where the session has namespaces of its own (for example socket(AF_UNIX)) */
    uint64_t mask, value;         /* condition: (argument & mask) == value */
};

struct policy {
    uint32_t magic, version;
    /* places, on the host */
    char python[256];         /* the interpreter of the virtual environment, absolute */
    char python_library[256]; /* directory of our Python modules (runtime/python), absolute */
    char state_dir[256];      /* absolute, exists, mode 0700 */
    char package_dir[256];    /* what is installed lies in its directory "layers"; absolute, exists; "": nothing can be installed */
    /* limits of one session unless its SPAWN says otherwise */
    uint64_t            memory_bytes;                                 /* cgroup limit, and address space on top of what the fork inherits */
    uint64_t            workspace_bytes, temporary_bytes, file_bytes; /* tmpfs sizes; RLIMIT_FSIZE */
    uint32_t            workspace_inodes;
    uint32_t            processes, open_files;
    uint32_t            cpu_percent;           /* of one core; 0: no quota */
    uint64_t            log_bytes;             /* cap of the event log (the server keeps it; the zygote only makes the file) */
    uint32_t            uid_base, uid_count;   /* host uids for sessions when root */
    uint8_t             require_isolation;     /* enum isolation_level */
    bool                allow_user_namespaces; /* false: act as on a host without (for tests and for hosts that forbid them) */
    bool                network;               /* make a way out of the sessions' network namespace */
    bool                verbose;
    char                preload[POLICY_PRELOAD_MAX][48]; /* modules imported once before the first fork */
    uint32_t            preload_count;
    char                profile[16];        /* default import profile: "standard" or "open" */
    uint32_t            imports_json_bytes; /* policies/imports.json as text follows this struct in the memfd, for the Python side */
    uint32_t            syscall_count;
    struct syscall_rule syscalls[POLICY_SYSCALLS_MAX];
};

#endif
