/* host_adopt.h: a parked copy brings forth the worker of another member of its jail. No Python runs here. */
#ifndef PENNY_HOST_ADOPT_H
#define PENNY_HOST_ADOPT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * In a parked copy, all signals blocked, when init has sent ADOPT_SIGNAL: takes the order from the channel. Returns true in the process that has
 * the new member's descriptors now: this one, or a fork of it; false in a copy that stays parked.
 */
bool host_adopt(pid_t init);

/* As fork(), but the child's parent is ours: init, which reaps it. host_adopt_init in the zygote, once; false: the kernel does not help. */
void  host_adopt_init(void);
bool  host_adopt_can_clone(void);
pid_t host_adopt_clone(pid_t init);

/* Whether the channel is in its place still, and the one that this worker began with (host_adopt_own). */
void host_adopt_own(void);
bool host_adopt_has_channel(void);

#endif
