/* worker_ends.h: the pipes and the log of an interpreter that is not spawned but forked: both sides, made by the server. */
#ifndef PENNY_WORKER_ENDS_H
#define PENNY_WORKER_ENDS_H

#include "err.h"
#include "wire.h"
#include "zygote_wire.h"

/*
 * ret_server: the server's ends in the order of enum session_fd, CONTROL untouched; owned by the caller. ret_init: what CONTROL_ADOPT
 * sends; worker_ends_close closes what is not the server's own. Returns 0; or -1 with err, and nothing is open but ret_server's
 * that are not -1.
 */
int  worker_ends_make(int ret_server[SESSION_FD_COUNT], int ret_init[MEMBER_FD_COUNT], struct err *err);
void worker_ends_close(int init[MEMBER_FD_COUNT]);

#endif
