/* session_network.h: a run that may use the network: its token, and what its interpreter needs to know. */
#ifndef PENNY_SESSION_NETWORK_H
#define PENNY_SESSION_NETWORK_H

#include <jansson.h>

struct session;
struct execution;

/* Before it starts. Takes the options of the session (NULL: none) and returns them with what the interpreter needs to know. */
json_t *session_network_apply(struct session *session, const struct execution *execution, json_t *options);
/* After it has ended: its token is worth nothing any more. */
void session_network_lift(struct session *session);

#endif
