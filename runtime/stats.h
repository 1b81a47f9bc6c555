/* stats.h: what a session uses, from its control group, or by sampling its processes where there is none. */
#ifndef PENNY_STATS_H
#define PENNY_STATS_H

#include "jail.h"
#include "zygote_wire.h"

/*
 * Fills *ret (zeros where the host does not say). init_pid as the zygote sees it. Sampled memory is anonymous memory beyond what a
 * fork of the zygote shares with it, summed over processes: an upper bound, since copies share what they
 * have not changed. Beyond suspicious_bytes (0: never) it is looked at exactly, which costs more.
 */
void stats_read(const struct jail *jail, uint32_t session, pid_t init_pid, uint64_t suspicious_bytes, struct session_stats *ret);

/* How many of the session's processes the kernel has ended for want of memory; 0 where there is no group to say so. */
uint32_t stats_oom_kills(const struct jail *jail, uint32_t session);

#endif
