/* metrics_private.h: what metrics.c counts and metrics_write.c prints. Nobody else includes it. */
#ifndef PENNY_METRICS_PRIVATE_H
#define PENNY_METRICS_PRIVATE_H

#include "metrics.h"

enum { METRICS_BUCKETS = 16, METRICS_STATUSES = 48 };

/* counts[i]: how many were at most bounds[i] and more than the bound before; the last: more than all bounds. */
struct metrics_series {
    uint64_t counts[METRICS_BUCKETS + 1], sum_us;
};

struct metrics_bounds {
    size_t   count;
    uint32_t us[METRICS_BUCKETS];
};

struct metrics_http_row {
    uint64_t              by_status[METRICS_STATUSES]; /* 0: a status that is not in metrics_status() */
    struct metrics_series duration;
};

struct metrics {
    uint64_t                counters[METRICS_COUNTERS];
    uint64_t                denials[METRICS_DENIALS];
    uint64_t                outcomes[METRICS_OUTCOMES_MAX];
    struct metrics_series   series[METRICS_HISTOGRAMS];
    struct metrics_http_row http[METRICS_ROUTES_MAX];
};

extern struct metrics              metrics_state;
extern const struct metrics_bounds metrics_bounds[METRICS_HISTOGRAMS], metrics_http_bounds;

int metrics_status(size_t index); /* the HTTP status with this index; 0: there is none */

#endif
