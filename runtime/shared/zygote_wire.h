/*
 * zygote_wire.h: the messages between the server and the zygote, on a SOCK_SEQPACKET socketpair: one struct per packet,
 * descriptors beside it by SCM_RIGHTS. The zygote is privileged; it accepts only what this table permits and parses nothing else.
 */
#ifndef PENNY_ZYGOTE_WIRE_H
#define PENNY_ZYGOTE_WIRE_H

#include <stdint.h>

enum zygote_message_type {
    /* server to zygote */
    ZYGOTE_SPAWN =
        1, /* session (a number new to this zygote), memory_bytes.. as limits (0: the policy's). Answer: SPAWNED or SPAWN_FAILED */
    ZYGOTE_KILL    = 2, /* session: end every process of it. Answer, once: EXITED. Killing a dead one is no error: no answer */
    ZYGOTE_STATS   = 3, /* session. Answer: STATS, or nothing when it is gone */
    ZYGOTE_LIMIT   = 6, /* session, cpu_percent: from now on (0: no limit). No answer; nothing where there is no control group */
    ZYGOTE_FAMILY  = 7, /* session, value: how many members (wire.h) share its jail; memory_bytes.. as in SPAWN, of one. No answer; nothing
                          where there is no control group */
    ZYGOTE_RECLAIM = 8, /* session: take back the memory that its processes do not use at present. Answer, after a while: RECLAIMED */
    ZYGOTE_ADOPT   = 5, /* a new zygote is handed a living session: session, pid, uid; one descriptor, SESSION_FD_CONTROL, to keep. No
                         answer but a later EXITED */
    ZYGOTE_WORKER = 9, /* session, value: a member of it that has no worker, and shall have a fresh one; memory_bytes.. as in SPAWN, of one.
                         Init tells of it: CONTROL_WORKER_STARTED, or CONTROL_WORKER_EXITED when none could be had */
    /* zygote to server */
    ZYGOTE_READY        = 64, /* the first message: libraries are imported. A memfd with the isolation report, a JSON text; and, where there
                            is a way out of the sessions' network, the socket that listens inside it */
    ZYGOTE_SPAWNED      = 65, /* session, pid (of init, on the host), uid; SESSION_FD_COUNT descriptors */
    ZYGOTE_SPAWN_FAILED = 66, /* session, error (errno), text: what failed */
    ZYGOTE_EXITED       = 67, /* session, status (waitpid's, of init), value: 1 when the kernel's OOM killer ended a process of it */
    ZYGOTE_STATS_REPLY  = 68, /* session, stats */
    ZYGOTE_SESSION      = 69, /* after READY, to a server process that is new: a session that lives: session, pid, uid; one descriptor,
                                 SESSION_FD_CONTROL, over which init gives the others */
    ZYGOTE_LISTED       = 70, /* that were all */
    ZYGOTE_RECLAIMED    = 72, /* session, memory_bytes: how much less it uses now; error (errno) when nothing could be done */
};

/*
 * Order of the descriptors of a session in SPAWNED; the server's ends. All are O_CLOEXEC and O_NONBLOCK where that means something.
 * RLIMIT_NOFILE can be as low as 20,000 even for root, so a server with thousands of idle sessions may close EVENT, STDOUT and STDERR of
 * one that is idle: init keeps duplicates, watches them, and sends them again (CONTROL_FOLD in wire.h).
 * The zygote keeps a duplicate of CONTROL, so that the session outlives the server process: init ends when nobody holds it any more.
 */
enum session_fd {
    SESSION_FD_REQUEST, /* pipe, write end */
    SESSION_FD_EVENT,   /* pipe, read end */
    SESSION_FD_STDOUT,  /* pipe, read end: what C code and child processes write to descriptor 1 */
    SESSION_FD_STDERR,  /* pipe, read end */
    SESSION_FD_CONTROL, /* SOCK_SEQPACKET to init */
    SESSION_FD_LOG,     /* the session's event log: an unlinked file in the state directory, or a memfd; empty at the start. Init
                           keeps a duplicate, so that what is written here outlives the server process */
    SESSION_FD_COUNT
};

struct session_stats {
    uint64_t memory_bytes;      /* now */
    uint64_t memory_peak_bytes; /* 0 where the kernel does not say */
    uint64_t cpu_us;            /* user and system, all processes so far */
    uint32_t processes;
    uint32_t oom_kills;
};

struct zygote_message {
    uint32_t             type;
    uint32_t             session; /* the server's serial number of the session, from 1; not the UUID, which the zygote never knows */
    int32_t              pid;
    int32_t              error;
    int32_t              status;
    uint32_t             uid;
    uint32_t             value;
    uint32_t             processes; /* SPAWN: limit, 0 the policy's */
    uint64_t             memory_bytes;
    uint64_t             workspace_bytes;
    uint32_t             cpu_percent; /* of one core */
    uint32_t             reserved;
    struct session_stats stats;
    char                 text[160];
};

/*
 * With this argument it prepares the jail, sends one READY (the report beside it, `text` the version of Python; or `error` and why), undoes
 * what it has prepared and ends: what it says is what it would do.
 */
#define ZYGOTE_PROBE_ARGUMENT "--probe"

/* The zygote is executed with its end of the socketpair on this descriptor, and the sealed policy memfd on the next. */
enum { ZYGOTE_SOCKET_FD = 3, ZYGOTE_POLICY_FD = 4, ZYGOTE_SUPERVISOR_FD = 5 };

#endif
