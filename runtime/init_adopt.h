/* init_adopt.h: how a new member comes into a jail: CONTROL_ADOPT, what the parked copy says to it, and what can come between. */
#ifndef PENNY_INIT_ADOPT_H
#define PENNY_INIT_ADOPT_H

#include <stdbool.h>
#include <stddef.h>

#include "init_member.h"

typedef void (*init_tell)(enum control_type type, uint32_t member, pid_t pid, int status);

/* Returns whether the descriptors are taken; if not they are the caller's to close. The answer may come later. */
bool init_adopt(struct members *members, const struct control_message *message, const int *fds, size_t fd_count, init_tell tell);
/* Something is in this channel. What it says is the session's word. */
void init_adopt_on_report(struct members *members, const struct channel *channel, init_tell tell);
/* A copy that was parked by a former member becomes the worker of this one, whose copy it is now. Returns false when it can't. */
bool init_adopt_own(struct members *members, struct member *member, pid_t copy, init_tell tell);
/* A parked copy of this member is dead, and known as parked still. */
void init_adopt_on_exit(struct members *members, struct member *from, pid_t pid, init_tell tell);
/* All processes of this member are dead, whose record is there still. */
void init_adopt_end(struct members *members, struct member *from, init_tell tell);

#endif
