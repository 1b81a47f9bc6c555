/* spawn.h: one session made: descriptors, clone, jail, worker. */
#ifndef PENNY_SPAWN_H
#define PENNY_SPAWN_H

#include "init.h"
#include "jail.h"
#include "zygote_wire.h"

/*
 * Starts the init of a session, which jails itself, starts the worker and then sends one struct spawn_report to report_fd.
 * ret_fds: the server's ends, owned by the caller. Returns init's pid, not yet reaped; or -1, nothing left behind but what
 * jail_release() undoes.
 */
pid_t spawn_session(const struct jail *jail, struct jail_session *session, int report_fd, int ret_fds[SESSION_FD_COUNT], struct err *err);

/*
 * A fresh worker for a member of a session that lives, whose init is told of it, or that it could not be had, over control_fd, the
 * server's end. `session` has its limits. Returns 0; or -1 with err: init can't be told.
 */
int spawn_worker(const struct jail *jail, const struct jail_session *session, pid_t init, uint32_t member, int control_fd, struct err *err);

#endif
