/*
 * init_fold.h: pipes that the server has left to us for a while (CONTROL_FOLD): it gets them back when bytes are there. Nothing is read
 * here: only whether there is something.
 */
#ifndef PENNY_INIT_FOLD_H
#define PENNY_INIT_FOLD_H

#include <poll.h>
#include <stddef.h>

#include "init_member.h"

enum { INIT_FOLD_POLLED_MAX = FAMILY_MAX * MEMBER_FOLDED_FDS, INIT_FOLD_AGAIN_MS = 20 };

void init_fold(struct member *member, int status);
/* Gives them back, also when the server has not left them. */
void init_fold_end(struct members *members, struct member *member);

/* What is to be polled. Returns how many. Sends what could not be sent before; then, when that fails again, nothing is polled for a moment. */
size_t init_fold_watch(struct members *members, struct pollfd fds[INIT_FOLD_POLLED_MAX]);
int    init_fold_again_ms(struct members *members); /* for poll(): -1, or when to try again */
void   init_fold_on_polled(struct members *members, const struct pollfd *fds, size_t count);

#endif
