/*
 * metrics.h: what the server process counts about itself, and its text for Prometheus.
 *
 * Everything counted lies in one block of fixed size: an observation is a few additions, makes no allocation and no system call, and
 * no label takes a value that a client chose. What can be looked at instead of counted is read when somebody asks (api_metrics.c).
 */
#ifndef PENNY_METRICS_H
#define PENNY_METRICS_H

#include <event2/buffer.h>
#include <stddef.h>
#include <stdint.h>

enum metrics_counter {
    METRICS_SPAWN_FAILURES,
    METRICS_EVENTS,         /* of executions that have ended */
    METRICS_OUTPUT_BYTES,   /* likewise */
    METRICS_CPU_US,         /* likewise */
    METRICS_RUN_FAILURES,   /* executions that the service could not run */
    METRICS_LOST_WORKERS,   /* interpreters that died */
    METRICS_UNAUTHORIZED,   /* requests without a key, or with a wrong one */
    METRICS_TLS_HANDSHAKES, /* completed */
    METRICS_TLS_FAILURES,
    METRICS_INSTALLS, /* of packages, that brought what was wanted */
    METRICS_INSTALL_FAILURES,
    METRICS_CHECKPOINTS_REFUSED,
    METRICS_FOLDS, /* of workers whose pipes were left to their init */
    METRICS_COUNTERS
};

enum metrics_histogram {
    METRICS_SPAWN,
    METRICS_RUN,
    METRICS_QUEUE,
    METRICS_LOOP_LAG,
    METRICS_CHECKPOINT,
    METRICS_RESTORE,
    METRICS_HISTOGRAMS
};

/* What refused something: one per rule that has a policy behind it. */
enum metrics_denial {
    METRICS_DENIED_IMPORTS,
    METRICS_DENIED_MEMORY,
    METRICS_DENIED_TIME,
    METRICS_DENIED_OUTPUT,
    METRICS_DENIED_SESSIONS,
    METRICS_DENIED_QUEUE,
    METRICS_DENIED_PROFILE,
    METRICS_DENIED_REQUESTS, /* the rate limit, per client or key */
    METRICS_DENIED_KEY_SESSIONS,
    METRICS_DENIED_KEY_EXECUTIONS,
    METRICS_DENIED_KEY_CPU,
    METRICS_DENIED_FILES,
    METRICS_DENIED_VARIABLES, /* too large or too slow to be shown */
    METRICS_DENIED_PACKAGES,
    METRICS_DENIED_NETWORK,
    METRICS_DENIED_CHECKPOINTS,
    METRICS_DENIALS
};

enum { METRICS_ROUTES_MAX = 192, METRICS_OUTCOMES_MAX = 16 };

void metrics_add(enum metrics_counter counter, uint64_t n);
void metrics_observe(enum metrics_histogram histogram, uint64_t us);
void metrics_deny(enum metrics_denial denial);
void metrics_outcome(unsigned outcome); /* a terminal enum execution_status */
/* An answer: `route` as http_request_set_tag() was told, 0 for what no route knows. */
void metrics_http(unsigned route, int status, uint64_t us);
void metrics_reset(void); /* for tests */

int64_t metrics_now_us(void); /* monotonic */

/* The text of all of the above, appended. name_of: the method and pattern of a route; NULL when there is none with that tag. */
struct metrics_route {
    const char *method, *pattern;
};
void metrics_write(struct evbuffer *out, const struct metrics_route *(*route_of)(unsigned tag),
                   const char *(*outcome_of)(unsigned outcome));

/* For gauges: the two comment lines, then a line for each value. `labels` is 'name="value",...' or NULL. */
enum metrics_kind { METRICS_GAUGE, METRICS_COUNT };
void metrics_head(struct evbuffer *out, const char *name, enum metrics_kind kind, const char *help);
void metrics_value(struct evbuffer *out, const char *name, const char *labels, double value);
/* A label's value as it may stand between quotes; cut to what fits. */
void metrics_escape(const char *text, char *ret_text, size_t room);

#endif
