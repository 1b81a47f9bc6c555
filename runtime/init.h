/*
 * init.h: pid 1 of a session. It holds the session's descriptors, lets workers in or forks them, passes signals on, keeps the
 * list of parked copies, and reports who died. It runs no Python and no user data reaches it: what it reads are packets of
 * fixed size from the server. Its memory is closed to the worker (PR_SET_DUMPABLE).
 *
 * It is a program of its own (init_program.c), or, where the host does not let the zygote visit a session, a fork of the zygote (init_fork.c).
 */
#ifndef PENNY_INIT_H
#define PENNY_INIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init_member.h"
#include "spawn_report.h"
#include "wire.h"

/* Descriptors of init, arranged by spawn.c. 0 to 4 are the worker's (wire.h). */
enum init_fd {
    INIT_CONTROL_FD = 5,
    INIT_REPORT_FD  = 6, /* to the zygote, until the first worker is jailed */
    INIT_SERVER_FD  = 7, /* first of the server's ends kept for CONTROL_DESCRIPTORS */
    INIT_FD_COUNT   = INIT_SERVER_FD + 5
};

enum { EXIT_JAIL = 71 /* of a worker that could not be jailed */ };

struct init_place {
    const char *workspace;     /* as the session sees it */
    bool        has_quota;     /* the kernel limits it */
    bool        own_namespace; /* init is pid 1 of a pid namespace */
};

/* The life of init, after jail_enter(). fork_worker: forks one for the member and returns as fork() does; NULL: the zygote sends them. */
_Noreturn void init_main(const struct init_place *place, pid_t (*fork_worker)(struct member *member, void *arg), void *arg);

#endif
