/* metrics_write.c: the counts as Prometheus reads them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics_private.h"

static const struct {
    const char *name, *help;
    double      unit;
} COUNTERS[METRICS_COUNTERS] = {
    [METRICS_SPAWN_FAILURES]      = {"penny_session_spawn_failures_total", "Jails that could not be made.", 1},
    [METRICS_EVENTS]              = {"penny_execution_events_total", "Events of executions that have ended.", 1},
    [METRICS_OUTPUT_BYTES]        = {"penny_execution_output_bytes_total", "Bytes that executions which have ended had printed.", 1},
    [METRICS_CPU_US]              = {"penny_execution_cpu_seconds_total", "Processor time of executions that have ended.", 1e-6},
    [METRICS_RUN_FAILURES]        = {"penny_execution_failures_total", "Executions that the service, not the program, failed.", 1},
    [METRICS_LOST_WORKERS]        = {"penny_interpreter_deaths_total", "Interpreters that died while they ran something.", 1},
    [METRICS_UNAUTHORIZED]        = {"penny_http_unauthorized_total", "Requests refused for want of a right API key.", 1},
    [METRICS_TLS_HANDSHAKES]      = {"penny_tls_handshakes_total", "TLS handshakes that were completed.", 1},
    [METRICS_INSTALLS]            = {"penny_package_installs_total", "Installations that brought what was wanted.", 1},
    [METRICS_INSTALL_FAILURES]    = {"penny_package_install_failures_total", "Installations that failed.", 1},
    [METRICS_TLS_FAILURES]        = {"penny_tls_failures_total", "TLS handshakes that failed.", 1},
    [METRICS_FOLDS]               = {"penny_folds_total", "Idle sessions whose pipes were closed here because descriptors are scarce.", 1},
    [METRICS_CHECKPOINTS_REFUSED] = {"penny_checkpoints_refused_total", "Checkpoints that an interpreter could not be copied for.", 1},
};

static const struct {
    const char *name, *help;
} HISTOGRAMS[METRICS_HISTOGRAMS] = {
    [METRICS_SPAWN]      = {"penny_session_spawn_duration_seconds", "From asking the zygote for a jail to a ready interpreter in it."},
    [METRICS_RUN]        = {"penny_execution_duration_seconds", "How long executions ran, waits for input() included."},
    [METRICS_QUEUE]      = {"penny_execution_queue_duration_seconds", "How long executions waited for their turn."},
    [METRICS_CHECKPOINT] = {"penny_checkpoint_duration_seconds",
                            "From asking for a copy of an interpreter to having it: what a session stands still."},
    [METRICS_RESTORE]    = {"penny_restore_duration_seconds", "From an interpreter's death, or a rollback's beginning, to the woken copy."},
    [METRICS_LOOP_LAG]   = {"penny_loop_lag_seconds", "How late the event loop gets to a timer, looked at ten times a second."},
};

static const char *const DENIALS[METRICS_DENIALS] = {
    [METRICS_DENIED_IMPORTS]        = "imports",
    [METRICS_DENIED_MEMORY]         = "memory",
    [METRICS_DENIED_TIME]           = "time",
    [METRICS_DENIED_OUTPUT]         = "output",
    [METRICS_DENIED_SESSIONS]       = "sessions",
    [METRICS_DENIED_QUEUE]          = "queue",
    [METRICS_DENIED_PROFILE]        = "profile",
    [METRICS_DENIED_REQUESTS]       = "requests",
    [METRICS_DENIED_KEY_SESSIONS]   = "key_sessions",
    [METRICS_DENIED_KEY_EXECUTIONS] = "key_executions",
    [METRICS_DENIED_KEY_CPU]        = "key_cpu",
    [METRICS_DENIED_FILES]          = "files",
    [METRICS_DENIED_VARIABLES]      = "variables",
    [METRICS_DENIED_PACKAGES]       = "packages",
    [METRICS_DENIED_NETWORK]        = "network",
    [METRICS_DENIED_CHECKPOINTS]    = "checkpoints",
};

static void head(struct evbuffer *out, const char *name, const char *type, const char *help)
{
    (void)evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_head(struct evbuffer *out, const char *name, enum metrics_kind kind, const char *help)
{
    head(out, name, kind == METRICS_GAUGE ? "gauge" : "counter", help);
}

void metrics_value(struct evbuffer *out, const char *name, const char *labels, double value)
{
    const char *open = labels != NULL ? "{" : "", *close = labels != NULL ? "}" : "";
    (void)evbuffer_add_printf(out, trunc(value) == value && fabs(value) < 1e15 ? "%s%s%s%s %.0f\n" : "%s%s%s%s %.9g\n", name, open,
                              labels != NULL ? labels : "", close, value);
}

void metrics_escape(const char *text, char *ret_text, size_t room)
{
    size_t used = 0;
    for (; *text != '\0' && used + 3 < room; text++) {
        if (*text == '\n') {
            ret_text[used++] = '\\';
            ret_text[used++] = 'n';
            continue;
        }
        if (*text == '"' || *text == '\\')
            ret_text[used++] = '\\';
        ret_text[used++] = *text;
    }
    ret_text[used] = '\0';
}

static void write_series(struct evbuffer *out, const char *name, const char *labels, const struct metrics_series *series,
                         const struct metrics_bounds *bounds)
{
    const char *comma = *labels != '\0' ? "," : "", *open = *labels != '\0' ? "{" : "", *close = *labels != '\0' ? "}" : "";
    uint64_t    sum = 0;
    for (size_t i = 0; i < bounds->count; i++) {
        sum += series->counts[i];
        (void)evbuffer_add_printf(out, "%s_bucket{%s%sle=\"%.9g\"} %llu\n", name, labels, comma, bounds->us[i] / 1e6,
                                  (unsigned long long)sum);
    }
    sum += series->counts[bounds->count];
    (void)evbuffer_add_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n%s_sum%s%s%s %.9g\n%s_count%s%s%s %llu\n", name, labels, comma,
                              (unsigned long long)sum, name, open, labels, close, (double)series->sum_us / 1e6, name, open, labels, close,
                              (unsigned long long)sum);
}

static void write_counters(struct evbuffer *out)
{
    for (size_t i = 0; i < METRICS_COUNTERS; i++) {
        metrics_head(out, COUNTERS[i].name, METRICS_COUNT, COUNTERS[i].help);
        metrics_value(out, COUNTERS[i].name, NULL, (double)metrics_state.counters[i] * COUNTERS[i].unit);
    }
}

static void write_denials(struct evbuffer *out)
{
    static const char name[] = "penny_policy_denials_total";
    char              labels[64];
    metrics_head(out, name, METRICS_COUNT, "What a policy, a limit or a quota refused or cut off.");
    for (size_t i = 0; i < METRICS_DENIALS; i++) {
        (void)snprintf(labels, sizeof labels, "policy=\"%s\"", DENIALS[i]);
        metrics_value(out, name, labels, (double)metrics_state.denials[i]);
    }
}

static void write_outcomes(struct evbuffer *out, const char *(*outcome_of)(unsigned outcome))
{
    static const char name[] = "penny_executions_total";
    char              labels[64];
    metrics_head(out, name, METRICS_COUNT, "Executions that have ended, by status.");
    for (unsigned i = 0; i < METRICS_OUTCOMES_MAX; i++) {
        if (outcome_of(i) == NULL)
            continue;
        (void)snprintf(labels, sizeof labels, "status=\"%s\"", outcome_of(i));
        metrics_value(out, name, labels, (double)metrics_state.outcomes[i]);
    }
}

static void route_labels(const struct metrics_route *(*route_of)(unsigned tag), unsigned tag, char *ret_labels, size_t room)
{
    const struct metrics_route *route = route_of(tag);
    (void)snprintf(ret_labels, room, "method=\"%s\",route=\"%s\"", route != NULL ? route->method : "other",
                   route != NULL ? route->pattern : "unmatched");
}

static void write_requests(struct evbuffer *out, const struct metrics_route *(*route_of)(unsigned tag))
{
    static const char name[] = "penny_http_requests_total";
    char              route[256], labels[320];
    metrics_head(out, name, METRICS_COUNT, "Requests that were answered.");
    for (unsigned tag = 0; tag < METRICS_ROUTES_MAX; tag++) {
        route_labels(route_of, tag, route, sizeof route);
        for (size_t i = 0; i < METRICS_STATUSES; i++) {
            uint64_t n = metrics_state.http[tag].by_status[i];
            if (n == 0)
                continue;
            if (i == 0)
                (void)snprintf(labels, sizeof labels, "%s,status_code=\"other\"", route);
            else
                (void)snprintf(labels, sizeof labels, "%s,status_code=\"%d\"", route, metrics_status(i));
            metrics_value(out, name, labels, (double)n);
        }
    }
}

static void write_durations(struct evbuffer *out, const struct metrics_route *(*route_of)(unsigned tag))
{
    static const char name[] = "penny_http_request_duration_seconds";
    char              route[256];
    head(out, name, "histogram", "From a whole request to the head of its answer.");
    for (unsigned tag = 0; tag < METRICS_ROUTES_MAX; tag++) {
        const struct metrics_http_row *row = &metrics_state.http[tag];
        uint64_t                       any = 0;
        for (size_t i = 0; i <= metrics_http_bounds.count; i++)
            any |= row->duration.counts[i];
        if (any == 0)
            continue;
        route_labels(route_of, tag, route, sizeof route);
        write_series(out, name, route, &row->duration, &metrics_http_bounds);
    }
}

void metrics_write(struct evbuffer *out, const struct metrics_route *(*route_of)(unsigned tag), const char *(*outcome_of)(unsigned outcome))
{
    write_counters(out);
    write_denials(out);
    write_outcomes(out, outcome_of);
    for (size_t i = 0; i < METRICS_HISTOGRAMS; i++) {
        head(out, HISTOGRAMS[i].name, "histogram", HISTOGRAMS[i].help);
        write_series(out, HISTOGRAMS[i].name, "", &metrics_state.series[i], &metrics_bounds[i]);
    }
    write_requests(out, route_of);
    write_durations(out, route_of);
}
