/*
 * init_mark.h: by which init can tell whose process one is, whatever sessions, groups and parents it has given itself. Every process of a
 * member carries the member's mark: a resource limit that limits nothing (RLIMIT_LOCKS; Linux ignores it since 2.4.25), is inherited
 * through fork and exec, and can only be lowered by who has no privilege. Marks go down from member to member, so that a fork can be
 * given its own. A process may pass itself off as one of a later member: then it ends with that one, at the latest with the jail.
 */
#ifndef PENNY_INIT_MARK_H
#define PENNY_INIT_MARK_H

#include <stdint.h>
#include <sys/types.h>

/* Of a member, by its number. In init, whose own limit is the highest that any mark can be. */
uint64_t init_mark_of(uint32_t member);
/* On a process; 0 is the caller. One that is dead can't be marked, nor need it be. */
void init_mark_set(pid_t pid, uint64_t mark);
/* What a process carries; 0 when it is gone. */
uint64_t init_mark_get(pid_t pid);

#endif
