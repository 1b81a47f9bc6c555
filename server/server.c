#include "server.h"

#include <stdio.h>
#include <sys/resource.h>

#include "server_private.h"
#include "service_status.h"
#include "supervisor_wire.h"

int server_run(const struct config *config, const struct policies *policies, struct err *err)
{
    struct server server = {.config = config, .policies = policies};
    int           result = server_start(&server, err);
    if (result == 0)
        (void)event_base_dispatch(server.base);
    server_finish(&server);
    return result;
}

const struct config *server_config(const struct server *server)
{
    return server->config;
}

const struct policies *server_policies(const struct server *server)
{
    return server->policies;
}

struct sessions *server_sessions(const struct server *server)
{
    return server->sessions;
}

struct analysis *server_analysis(const struct server *server)
{
    return server->analysis;
}

struct egress_client *server_egress(const struct server *server)
{
    return server->egress;
}

struct packages *server_packages(const struct server *server)
{
    return server->packages;
}

struct watcher_hub *server_watchers(const struct server *server)
{
    return server->watchers;
}

const json_t *server_isolation(const struct server *server)
{
    return workers_isolation(server->workers);
}

bool server_zygote_is_up(const struct server *server)
{
    return workers_zygote_is_up(server->workers);
}

double server_started_s(const struct server *server)
{
    return (double)server->started_ms / 1000.0;
}

struct tenant *server_tenant_named(const struct server *server, const char *name)
{
    return tenants_named(server->tenants, name);
}

size_t server_requests_active(const struct server *server)
{
    return http_in_flight(server->http);
}

size_t server_connections(const struct server *server)
{
    return http_connections(server->http);
}

double server_longest_lag_s(const struct server *server)
{
    return server->lag != NULL ? loop_lag_longest_s(server->lag) : 0;
}

static uint32_t possible_sessions(void)
{
    struct rlimit limit = {0};
    rlim_t        own;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    own = limit.rlim_cur / 8 < DESCRIPTORS_OF_SERVICE ? limit.rlim_cur / 8 : DESCRIPTORS_OF_SERVICE;
    return (uint32_t)((limit.rlim_cur - own) / DESCRIPTORS_PER_IDLE_SESSION);
}

void service_status_get(void *context, struct service_status *ret)
{
    const struct server   *server = context;
    struct sessions_totals totals = sessions_totals(server->sessions);
    *ret                          = (struct service_status){
                                 .sessions_active    = (uint32_t)sessions_count(server->sessions),
                                 .sessions_pooled    = (uint32_t)pool_ready_count(server->pool),
                                 .sessions_total     = totals.sessions,
                                 .sessions_limit     = server->policies->concurrent_sessions,
                                 .sessions_possible  = possible_sessions(),
                                 .executions_running = (uint32_t)totals.running,
                                 .executions_queued  = (uint32_t)totals.queued,
                                 .executions_total   = totals.executions,
                                 .zygote_up          = workers_zygote_is_up(server->workers),
                                 .draining           = server->stopping || sessions_are_draining(server->sessions) || sessions_are_closed(server->sessions),
                                 .isolation          = (json_t *)workers_isolation(server->workers),
                                 .default_timeout_ms = server->policies->execution_time_ms,
                                 .output_bytes       = server->policies->output_bytes,
    };
    (void)snprintf(ret->profile, sizeof ret->profile, "%s", server->config->profile);
}
