/* processes.h: the processes of a session, as init sees them. */
#ifndef PENNY_PROCESSES_H
#define PENNY_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Sends SIGKILL to every process of the jail but the caller and those that `is_spared` (NULL: nobody), until none is left that is not
 * already dead. They are stopped before, so that none can make new ones meanwhile. With a pid namespace (`own_namespace`) those are all
 * the processes it can see; without, its descendants, so the caller must be their reaper (PR_SET_CHILD_SUBREAPER).
 * Returns false when /proc can't be read and sparing was asked for: then nothing has been spared.
 */
bool processes_kill(bool own_namespace, bool (*is_spared)(pid_t pid, void *arg), void *arg);

#endif
