/* spawn_ends.h: both ends of everything a session talks over, until they are divided between the server and the session. */
#ifndef PENNY_SPAWN_ENDS_H
#define PENNY_SPAWN_ENDS_H

#include "init.h"
#include "jail.h"
#include "zygote_wire.h"

/* What the zygote keeps for long lies above, so that what a new session needs gets low numbers, and a child has few to copy. */
enum { LASTING_FD_MIN = 128 };

struct ends {
    int server[SESSION_FD_COUNT];
    int request_fd, event_fd, stdout_fd, stderr_fd, control_fd; /* the session's */
    int admit_fd, admitted_fd;                                  /* zygote writes a struct jail_session, init waits for it */
    int null_fd;
};

int  ends_make(const struct jail *jail, struct ends *ends, struct err *err); /* -1: some are made; both must be closed */
void ends_close_session(struct ends *ends);
void ends_close_server(struct ends *ends);
/* Moves the server's ends up. Where that fails they stay. */
void ends_settle(struct ends *ends);
int  ends_lasting(int fd); /* the same descriptor, at a number of LASTING_FD_MIN or more, where there is one. fd is owned */
/* In init's order; borrowed. */
void ends_of_init(const struct ends *ends, int report_fd, int ret_fds[INIT_FD_COUNT]);

#endif
