/* footing.h: what every process of ours stands on, whoever started it: three open descriptors, signals that arrive, files that it may open. */
#ifndef PENNY_FOOTING_H
#define PENNY_FOOTING_H

#include <stdbool.h>

#include "err.h"

/*
 * The first act of a process, before it opens anything. What was inherited closed of 0, 1 and 2 becomes /dev/null, ignored and blocked signals
 * are as the kernel gives them to a first process (but a hangup that is ignored stays so), and the umask leaves us our own files. Returns 0 or -1.
 */
int footing_settle(struct err *err);

/* Whether who started us wants us to outlive its terminal, as nohup does. */
bool footing_outlives_terminal(void);

/*
 * The limits that a shell has set (ulimit): those in force are raised as far as they may be. Returns 0, or -1 where one is so low that no
 * service can live under it; the message says which, and what to do. For a service and its processes, not for the commands beside it.
 */
int footing_limits(struct err *err);

#endif
