/*
 * visit.h: how a session comes to a process that has the zygote's memory, though its init has not. Init is a small program (init_program.c)
 * that the zygote starts in new namespaces; a worker is a fork of the zygote made inside of those:
 *
 *     zygote -- visitor: enters the session's namespaces but for the pid's, in which only its children are
 *                  +-- init: the first time; executes its program. A sibling of the visitor, so a child of the zygote
 *                  +-- messenger: in all of them. It forks the worker and leaves, so that init is the worker's parent
 *                        +-- worker (worker.c): waits at the door, a socket, until init hands it its descriptors
 *
 * Visitor, init until it executes, and messenger run in the zygote's memory while the zygote stands still (clone_sharing): the one copy of
 * page tables that a session costs is its worker's. Until it has passed the door a worker is the zygote's user:
 * where that is root, no process of the session can signal or trace it. Where all are one user, its capabilities in the namespaces forbid tracing and Landlock signals, as with init.
 */
#ifndef PENNY_VISIT_H
#define PENNY_VISIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "init.h"
#include "jail.h"

struct visit {
    const struct jail         *jail;
    const struct jail_session *session;
    uint32_t                   member;
    int                        report_fd;   /* the worker's; -1: nobody waits for its report */
    int                        door_fd;     /* the worker's end */
    int                        admitted_fd; /* of a new init, like those below */
    int                        init_fds[INIT_FD_COUNT];
    pid_t                      init_pid;                       /* 0: a new one is to be made; filled */
    pid_t                      worker_pid;                     /* filled: as the session sees it */
    int                        pidfd, group_fd, top_fd, error; /* visit.c's own */
    bool                       is_grouped;
    const char                *step;
};

/* Opens the program beside our own. Before the zygote moves into the root. */
void visit_find_image(struct jail *jail);
/* Whether this host lets it be done; sets jail->can_visit. After the layers. What is missing keeps init a fork of the zygote (init_fork.c). */
void visit_prepare(struct jail *jail);
/* What init's program is told. The last preparation: the jail is complete. Returns 0 or -1. */
int visit_seal(struct jail *jail, struct err *err);

/* Returns 0; or -1 with err. There may be an init all the same then (init_pid), which the caller must not admit. */
int visit_make(struct visit *visit, struct err *err);

#endif
