/* session_limits.h: a run that is held to less than its session may use. */
#ifndef PENNY_SESSION_LIMITS_H
#define PENNY_SESSION_LIMITS_H

#include <jansson.h>

struct session;
struct execution;

/* Before it starts. Takes the options of the session (NULL: none) and returns them with what the interpreter needs to know. */
json_t *session_limits_apply(struct session *session, const struct execution *execution, json_t *options);
/* After it has ended. */
void session_limits_lift(struct session *session);

#endif
