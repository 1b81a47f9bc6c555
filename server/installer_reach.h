/* installer_reach.h: the interpreter and its modules for a user who may not enter a directory above them, such as root's home. */
#ifndef PENNY_INSTALLER_REACH_H
#define PENNY_INSTALLER_REACH_H

#include "config.h"
#include "err.h"

/*
 * As root, in a mount namespace of our own: where a directory above the interpreter's environment, or above our Python modules, is closed to
 * others, it is covered by an empty one in which only those are found, by their old names and read-only. Returns 0 or -1.
 */
int installer_reach(const struct config *config, struct err *err);

#endif
