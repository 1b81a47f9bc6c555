/* installer_jail.h: what the process that runs pip may do: the network, the system's own files, and one directory to work in. */
#ifndef PENNY_INSTALLER_JAIL_H
#define PENNY_INSTALLER_JAIL_H

#include <sys/types.h>

#include "config.h"
#include "err.h"
#include "policies.h"

/* Whose files and processes an installation's are: a user of its own beside the sessions' where we are root, else ours. */
uid_t installer_jail_uid(const struct policies *policies);

/*
 * In the forked process, before it executes the interpreter: namespaces, limits, user, Landlock, system calls, environment. `place` is its
 * directory; ret_place is where it will see it. What the host does not give is left out, but for the user and the limits. Returns 0 or -1.
 */
int installer_jail_enter(const struct config *config, const struct policies *policies, const char *place, char ret_place[256],
                         struct err *err);

#endif
