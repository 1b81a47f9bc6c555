/* api_metrics.c: GET /metrics: the counts of metrics.h, and gauges read at this moment. */
#define _GNU_SOURCE
#include "api_metrics.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit.h"
#include "metrics.h"
#include "outcome.h"
#include "pool.h"
#include "process_stat.h"
#include "route.h"
#include "server.h"
#include "version.h"

static const struct metrics_route *route_of(unsigned tag)
{
    static struct metrics_route found;
    size_t                      count;
    const struct route         *table = route_table(&count);
    if (tag == 0 || tag > count)
        return NULL;
    found = (struct metrics_route){route_method_name(table[tag - 1].method), table[tag - 1].pattern};
    return &found;
}

static const char *outcome_of(unsigned outcome)
{
    return outcome >= EXECUTION_OK && outcome < EXECUTION_STATUS_COUNT ? execution_status_name((enum execution_status)outcome) : NULL;
}

static void gauge(struct evbuffer *out, const char *name, const char *help, double value)
{
    metrics_head(out, name, METRICS_GAUGE, help);
    metrics_value(out, name, NULL, value);
}

static void counter(struct evbuffer *out, const char *name, const char *help, double value)
{
    metrics_head(out, name, METRICS_COUNT, help);
    metrics_value(out, name, NULL, value);
}

static void labelled(struct evbuffer *out, const char *name, const char *label, const char *text, double value)
{
    char safe[128], labels[192];
    metrics_escape(text, safe, sizeof safe);
    (void)snprintf(labels, sizeof labels, "%s=\"%s\"", label, safe);
    metrics_value(out, name, labels, value);
}

static void write_sessions(struct evbuffer *out, struct server *server)
{
    struct sessions       *sessions = server_sessions(server);
    struct sessions_totals totals   = sessions_totals(sessions);
    struct sessions_census census;
    sessions_take_census(sessions, &census);
    metrics_head(out, "penny_sessions", METRICS_GAUGE, "Sessions by what they are doing.");
    labelled(out, "penny_sessions", "state", "idle", (double)census.idle);
    labelled(out, "penny_sessions", "state", "busy", (double)census.busy);
    labelled(out, "penny_sessions", "state", "recovering", (double)census.recovering);
    labelled(out, "penny_sessions", "state", "making", (double)census.making);
    labelled(out, "penny_sessions", "state", "ending", (double)census.over);
    gauge(out, "penny_sessions_limit", "Sessions that may be alive at once.", sessions_settings(sessions)->max_sessions);
    gauge(out, "penny_sessions_memory_bytes", "Memory of living sessions, as each was last heard of.", (double)census.memory_bytes);
    counter(out, "penny_sessions_created_total", "Sessions that were made.", (double)totals.sessions);
    gauge(out, "penny_executions_running", "Executions that run now.", (double)totals.running);
    gauge(out, "penny_executions_queued", "Executions that wait for their turn.", (double)totals.queued);
    counter(out, "penny_executions_submitted_total", "Executions that were taken on.", (double)totals.executions);
}

static void write_packages(struct evbuffer *out, struct server *server)
{
    struct packages_counts counts;
    packages_get_counts(server_packages(server), &counts);
    gauge(out, "penny_package_installs_running", "Installations of packages under way.", (double)counts.running);
    gauge(out, "penny_package_installs_waiting", "Requests that wait for an installation.", (double)counts.waiting);
}

static void write_network(struct evbuffer *out, struct server *server)
{
    const struct egress_counts *counts = egress_client_counts(server_egress(server));
    metrics_head(out, "penny_network_connections_total", METRICS_COUNT, "Connections of executions to the network, by how they ended.");
    for (int i = 0; i < EGRESS_OUTCOMES; i++)
        labelled(out, "penny_network_connections_total", "outcome", egress_outcome_name((enum egress_outcome)i),
                 (double)counts->outcomes[i]);
    metrics_head(out, "penny_network_bytes_total", METRICS_COUNT, "Bytes that executions have sent to the network and received from it.");
    labelled(out, "penny_network_bytes_total", "direction", "sent", (double)counts->sent);
    labelled(out, "penny_network_bytes_total", "direction", "received", (double)counts->received);
}

static void write_pool(struct evbuffer *out, struct server *server)
{
    const struct pool *pool = sessions_pool(server_sessions(server));
    gauge(out, "penny_pool_ready", "Jails with a ready interpreter and no session yet.", (double)pool_ready_count(pool));
    gauge(out, "penny_pool_target", "How many the pool is kept at.", server_config(server)->pool_size);
    gauge(out, "penny_pool_spawning", "Jails being made.", (double)pool_spawning_count(pool));
    gauge(out, "penny_pool_waiting", "Requests that wait for a jail.", (double)pool_waiting_count(pool));
}

/* "userNamespace" to "user_namespace". */
static void snake(const char *text, char *to, size_t room)
{
    char *end = to + room - 2;
    for (; *text != '\0' && to < end; text++) {
        bool upper = *text >= 'A' && *text <= 'Z';
        if (upper)
            *to++ = '_';
        *to++ = (char)(upper ? *text + 32 : *text);
    }
    *to = '\0';
}

static void write_isolation(struct evbuffer *out, const json_t *isolation)
{
    json_t     *layers = json_object_get(isolation, "layers"), *layer;
    const char *level  = json_string_value(json_object_get(isolation, "level")), *name;
    char        text[64];

    metrics_head(out, "penny_isolation_level", METRICS_GAUGE, "1 for the level of isolation that holds here.");
    labelled(out, "penny_isolation_level", "level", level != NULL ? level : "unknown", 1);
    metrics_head(out, "penny_isolation_layer_active", METRICS_GAUGE, "Whether a layer of the jail holds; /health says why one does not.");
    json_object_foreach(layers, name, layer)
    {
        snake(name, text, sizeof text);
        labelled(out, "penny_isolation_layer_active", "layer", text, json_is_true(json_object_get(layer, "active")));
    }
}

static void write_processes(struct evbuffer *out)
{
    static const struct {
        const char *metric, *help;
    } metrics[] = {{"penny_process_resident_memory_bytes", "Resident memory of the service's own processes, shared pages included."},
                   {"penny_process_virtual_memory_bytes", "Address space of the service's own processes."},
                   {"penny_process_cpu_seconds_total", "Processor time of the service's own processes."}};
    pid_t               supervisor = getppid();
    const char *const   names[]    = {"supervisor", "server", "zygote"};
    const pid_t         pids[]     = {supervisor, getpid(), process_stat_child(supervisor, "penny-zygote")};
    struct process_stat stats[3];
    bool                known[3];

    for (int i = 0; i < 3; i++)
        known[i] = pids[i] > 1 && process_stat_read(pids[i], &stats[i]) == 0;
    for (int m = 0; m < 3; m++) {
        metrics_head(out, metrics[m].metric, m == 2 ? METRICS_COUNT : METRICS_GAUGE, metrics[m].help);
        for (int i = 0; i < 3; i++) {
            if (known[i])
                labelled(out, metrics[m].metric, "process", names[i],
                         m == 0   ? (double)stats[i].resident_bytes
                         : m == 1 ? (double)stats[i].virtual_bytes
                                  : stats[i].cpu_s);
        }
    }
}

static void write_service(struct evbuffer *out, struct server *server)
{
    struct timespec now;
    char            labels[192];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)snprintf(labels, sizeof labels, "version=\"%s\",libevent=\"%s\",compiler=\"%s\"", PENNY_VERSION, event_get_version(),
#ifdef __clang__
                   "clang " __clang_version__
#else
                   "gcc " __VERSION__
#endif
    );
    metrics_head(out, "penny_build_info", METRICS_GAUGE, "1; what was built with what.");
    metrics_value(out, "penny_build_info", labels, 1);
    gauge(out, "penny_start_time_seconds", "When the server process started, since 1970.", server_started_s(server));
    gauge(out, "penny_open_descriptors", "Open descriptors of the server process.", (double)process_stat_descriptors());
    gauge(out, "penny_http_requests_active", "Requests and streams that are not finished.", (double)server_requests_active(server));
    gauge(out, "penny_http_connections", "Open connections of clients.", (double)server_connections(server));
    gauge(out, "penny_event_watchers", "Readers of events.", (double)watcher_hub_count(server_watchers(server)));
    gauge(out, "penny_loop_lag_longest_seconds", "The longest lag of the event loop since this was last read.",
          server_longest_lag_s(server));
    gauge(out, "penny_zygote_up", "Whether new sessions can be made.", server_zygote_is_up(server));
}

static void write_audit(struct evbuffer *out)
{
    struct audit_counts counts;
    audit_get_counts(&counts);
    counter(out, "penny_audit_lines_total", "Lines of the audit log.", (double)counts.lines);
    counter(out, "penny_audit_dropped_total", "Lines of the audit log that were lost because it could not be written.",
            (double)counts.dropped);
    gauge(out, "penny_audit_waiting_bytes", "What waits to be written to the audit log.", (double)counts.waiting_bytes);
}

void api_metrics(struct http_request *request, void *context)
{
    struct server   *server = context;
    struct evbuffer *out    = evbuffer_new();
    if (out == NULL) {
        http_reply_error(request, 503, "NO_MEMORY", "No memory for the metrics", NULL, 1);
        return;
    }
    write_service(out, server);
    write_sessions(out, server);
    write_pool(out, server);
    write_packages(out, server);
    write_network(out, server);
    write_isolation(out, server_isolation(server));
    write_processes(out);
    write_audit(out);
    metrics_write(out, route_of, outcome_of);
    http_reply_buffer(request, 200, "text/plain; version=0.0.4; charset=utf-8", out);
    evbuffer_free(out);
}
