/* server.h: the server process: one event loop, HTTP at one end, the zygote and the workers at the other. */
#ifndef PENNY_SERVER_H
#define PENNY_SERVER_H

#include <jansson.h>
#include <stdbool.h>

#include "analysis.h"
#include "config.h"
#include "egress_client.h"
#include "err.h"
#include "packages.h"
#include "policies.h"
#include "sessions.h"
#include "watcher.h"

/* What the handlers of the route table get as their context. */
struct server;

/*
 * Serves until the supervisor says to stop. The descriptors of supervisor_wire.h are open. Returns 0 after an orderly end, or -1 with
 * err when it could not start.
 */
int server_run(const struct config *config, const struct policies *policies, struct err *err);

const struct config   *server_config(const struct server *server);
const struct policies *server_policies(const struct server *server);
struct sessions       *server_sessions(const struct server *server);
struct analysis       *server_analysis(const struct server *server);
struct egress_client  *server_egress(const struct server *server);
struct packages       *server_packages(const struct server *server);
struct watcher_hub    *server_watchers(const struct server *server);
const json_t          *server_isolation(const struct server *server); /* the zygote's report; NULL before it came */
bool                   server_zygote_is_up(const struct server *server);
double                 server_started_s(const struct server *server); /* since 1970 */
/* Whoever has an API key of this name; NULL: nobody. */
struct tenant *server_tenant_named(const struct server *server, const char *name);
size_t         server_requests_active(const struct server *server);
size_t         server_connections(const struct server *server);
double         server_longest_lag_s(const struct server *server); /* since it was last asked */

#endif
