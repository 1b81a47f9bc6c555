/* processes.h: the processes of a session, as init sees them. */
#ifndef PENNY_PROCESSES_H
#define PENNY_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Sends SIGKILL to every process of the session but the caller and the `spared_count` pids in `spared`, again and again until none is
 * left that is not already dead. With a pid namespace (`own_namespace`) those are all the processes it can see; without, its
 * descendants, so the caller must be their reaper (PR_SET_CHILD_SUBREAPER).
 * Returns false when /proc can't be read and sparing was asked for: then nothing has been spared.
 */
bool processes_kill(bool own_namespace, const pid_t *spared, size_t spared_count);

#endif
