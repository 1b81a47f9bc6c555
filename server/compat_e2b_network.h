/*
 * compat_e2b_network.h: a sandbox's access to the internet: the operator's, or none. A sandbox's own lists are taken where they say nothing else than
 * that.
 */
#ifndef PENNY_COMPAT_E2B_NETWORK_H
#define PENNY_COMPAT_E2B_NETWORK_H

#include <jansson.h>
#include <stdbool.h>

#include "json.h"
#include "server.h"

/* Whether a new sandbox's runs shall use the network where they may: `allow_internet_access` (by default they shall) and `network`. */
bool compat_e2b_network_read(struct json_check *check, const json_t *json, const struct server *server, const struct tenant *caller);
/* Whether a run of the sandbox will. */
bool compat_e2b_network_of(const struct session *sandbox, const struct server *server);

#endif
