/* session_given.h: the files that came with an execution are written when its turn has come, so that those before it never see them. */
#ifndef PENNY_SESSION_GIVEN_H
#define PENNY_SESSION_GIVEN_H

#include <stdbool.h>

#include "session.h"

/*
 * `execution` is the next one. Returns true when it may start: it has no files, or they are there. Else session_go_on() is called again, or
 * it has been rejected.
 */
bool session_given_is_ready(struct session *session, struct execution *execution);
/* The session is freed. */
void session_given_cancel(struct session *session);

#endif
