/*
 * retired.h: control groups of sessions that have ended, until a quiet moment.
 *
 * To remove a memory group the kernel goes through two lists of each file system that is mounted anywhere on the machine, and whoever
 * unmounts one waits for it meanwhile. A session has four file systems: while thousands end, removing each one's group at once is work
 * that grows with the square of the sessions. When all their file systems are gone it is next to none. Groups of other kinds go at once.
 */
#ifndef PENNY_RETIRED_H
#define PENNY_RETIRED_H

#include <stdbool.h>
#include <stdint.h>

#include "jail.h"

struct retired; /* in memory that forks do not inherit */

struct retired *retired_new(const struct jail *jail, struct err *err);
/* Every process of the session is gone. Its memory group is removed later; at once when there are too many, or when
 * the host has no pid namespaces, since a process may have outlived init then and goes with the group. now_ms: of a clock that is never set. */
void retired_add(struct retired *retired, uint32_t session, int64_t now_ms);
/* A session of this number is about to begin: what an earlier one has left under it goes. */
void retired_make_way(struct retired *retired, uint32_t session);
/* How long to wait for something else to do: milliseconds, -1: as long as it takes. */
int retired_wait_ms(const struct retired *retired);
/* Removes some: when there was nothing else to do in retired_wait_ms, or those that
 * have been waiting for too long, or are more than sessions have ended lately. alive: how many sessions there are. */
void retired_turn(struct retired *retired, bool is_quiet, size_t alive, int64_t now_ms);

#endif
