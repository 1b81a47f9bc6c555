/* child.h: a process that the supervisor keeps alive: how it is executed, and when it may be started again. */
#ifndef PENNY_CHILD_H
#define PENNY_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum { CHILD_FD_FIRST = 3, CHILD_FDS_MAX = 16 };

struct child {
    const char *name;
    pid_t       pid;        /* 0: not running */
    int         socket_fd;  /* our end of its supervisor socket; -1 while it does not run */
    int64_t     started_ms; /* monotonic */
    int64_t     retry_ms;   /* monotonic: when it may be started again; 0: no restart is due */
    uint32_t    delay_ms;   /* grows while it dies soon after its start */
};

void child_init(struct child *child, const char *name);

/*
 * Executes path with argv; fds[i] becomes descriptor CHILD_FD_FIRST + i and nothing else is inherited but 0, 1 and 2. The process
 * leads a session of its own, so that Ctrl-C in a terminal reaches only the supervisor, and gets `death_signal` should the
 * supervisor die. Returns 0 or -1.
 */
int child_start(struct child *child, const char *path, char *const argv[], const int *fds, size_t fd_count, int death_signal,
                struct err *err);

/* Notes that the process has ended and, unless it is not `wanted` any more, when to start it again. */
void child_on_exit(struct child *child, bool wanted);

/* "ended with status 3" or "was killed by signal 9 (Killed)". */
void child_describe_status(int status, char *ret_text, size_t room);

int64_t child_now_ms(void);

#endif
