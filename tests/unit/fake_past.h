/* fake_past.h: a jail of a server process before this one, whose init the test is. Its interpreter has pid 2. */
#ifndef PENNY_FAKE_PAST_H
#define PENNY_FAKE_PAST_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

struct fake_past {
    int control_fd, server_fd; /* init's end; what the zygote gives the server, which takes it */
    int server_ends[MEMBER_SERVER_FDS], interpreter_ends[MEMBER_SERVER_FDS - 1]; /* in the order of CONTROL_DESCRIPTORS_REPLY */
};

void fake_past_init(struct fake_past *past);
void fake_past_done(struct fake_past *past);
/* As init. */
void fake_past_say(const struct fake_past *past, enum control_type type, int status, const int *fds, size_t count);
void fake_past_introduce(const struct fake_past *past); /* its only member */
void fake_past_unfold(const struct fake_past *past);
/* Whether the server has said something; that must be this. */
bool fake_past_is_asked(const struct fake_past *past, enum control_type type);

#endif
