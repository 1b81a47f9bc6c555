/*
 * installer.h: the process of one installation. The supervisor starts it when the server asks (SUPERVISOR_INSTALL), with a socket to the
 * server and a memfd with the job, a JSON text that this process hands on unread.
 *
 * It forks the one that does the work: pip, under runtime/python/installer.py, as a user of its own, behind Landlock and a system call
 * filter, with limits in time, memory and bytes, with the network and without anything of the host's that is not the system's own
 * (installer_jail.h). It passes on what that one says, ends it when it takes too long or too much, and, when it has ended well, looks at
 * what it has left: plain files in plain directories become root's, read-only, and are put among the layers by one rename
 * (installer_layers.h).
 */
#ifndef PENNY_INSTALLER_H
#define PENNY_INSTALLER_H

#include "config.h"
#include "err.h"
#include "policies.h"

/* The first argument of the process. Its descriptors: */
extern const char INSTALLER_ARGUMENT[];
enum { INSTALLER_SOCKET_FD = 3, INSTALLER_JOB_FD = 4 };

/*
 * What it writes to the socket: lines. 'P' and a JSON object: the worker said so. 'M' and a JSON object: this process says so:
 * {"event":"published"} or {"event":"failed","message":text}, the last line.
 */
enum { INSTALLER_LINE_MAX = 256 * 1024 };

int installer_run(const struct config *config, const struct policies *policies, struct err *err);

#endif
