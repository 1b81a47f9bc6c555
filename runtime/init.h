/*
 * init.h: pid 1 of a session. It holds the session's descriptors, starts the worker and starts it again, passes signals on, keeps the
 * list of parked copies, and reports who died. It runs no Python and no user data reaches it: what it reads are packets of
 * fixed size from the server. Its memory is closed to the worker (PR_SET_DUMPABLE).
 */
#ifndef PENNY_INIT_H
#define PENNY_INIT_H

#include "jail.h"
#include "wire.h"
#include "zygote_wire.h"

/* Descriptors of init, arranged by spawn.c. 0 to 4 are the worker's (wire.h). */
enum init_fd {
    INIT_CONTROL_FD = 5,
    INIT_REPORT_FD  = 6, /* to the zygote, until the first worker is jailed */
    INIT_SERVER_FD  = 7, /* first of the server's ends kept for CONTROL_DESCRIPTORS */
    INIT_FD_COUNT   = INIT_SERVER_FD + 5
};

/* What a new session tells the zygote, once. */
struct spawn_report {
    uint32_t session;
    int32_t  error; /* 0: the worker is jailed */
    char     text[160];
};

/* Sends the report; error 0 for success. */
void spawn_report_send(int fd, uint32_t session, int error, const char *text);

/* The life of init, after jail_enter(). Never returns. */
_Noreturn void init_main(const struct jail *jail, const struct jail_session *session);

#endif
