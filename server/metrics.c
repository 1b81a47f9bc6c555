/* metrics.c: counting. */
#include "metrics.h"

#include <string.h>
#include <time.h>

#include "metrics_private.h"

struct metrics metrics_state;

const struct metrics_bounds metrics_http_bounds = {
    15, {100, 250, 500, 1000, 5000, 15000, 50000, 100000, 200000, 300000, 400000, 500000, 1000000, 2000000, 5000000}};

const struct metrics_bounds metrics_bounds[METRICS_HISTOGRAMS] = {
    [METRICS_SPAWN]      = {12, {500, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 125000, 250000, 1000000, 4000000}},
    [METRICS_RUN]        = {16,
                            {50, 100, 250, 1000, 5000, 25000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
                             300000000}},
    [METRICS_QUEUE]      = {13, {50, 100, 500, 1000, 5000, 25000, 100000, 500000, 1000000, 5000000, 10000000, 30000000, 60000000}},
    [METRICS_CHECKPOINT] = {12, {500, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 125000, 250000, 1000000, 4000000}},
    [METRICS_RESTORE]    = {12, {500, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 125000, 250000, 1000000, 4000000}},
    [METRICS_LOOP_LAG]   = {10, {100, 500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 1000000}},
};

static const uint16_t STATUSES[] = {0,   200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411,
                                    412, 413, 414, 415, 416, 417, 421, 422, 428, 429, 431, 500, 501, 502, 503, 504, 505, 507};
_Static_assert(sizeof STATUSES / sizeof *STATUSES <= METRICS_STATUSES, "more statuses than places");

int metrics_status(size_t index)
{
    return index < sizeof STATUSES / sizeof *STATUSES ? STATUSES[index] : 0;
}

static size_t index_of(int status)
{
    for (size_t i = 1; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        if (STATUSES[i] == status)
            return i;
    }
    return 0;
}

static void observe(struct metrics_series *series, const struct metrics_bounds *bounds, uint64_t us)
{
    size_t i = 0;
    while (i < bounds->count && us > bounds->us[i])
        i++;
    series->counts[i]++;
    series->sum_us += us;
}

void metrics_add(enum metrics_counter counter, uint64_t n)
{
    metrics_state.counters[counter] += n;
}

void metrics_observe(enum metrics_histogram histogram, uint64_t us)
{
    observe(&metrics_state.series[histogram], &metrics_bounds[histogram], us);
}

void metrics_deny(enum metrics_denial denial)
{
    metrics_state.denials[denial]++;
}

void metrics_outcome(unsigned outcome)
{
    if (outcome < METRICS_OUTCOMES_MAX)
        metrics_state.outcomes[outcome]++;
}

void metrics_http(unsigned route, int status, uint64_t us)
{
    struct metrics_http_row *row = &metrics_state.http[route < METRICS_ROUTES_MAX ? route : 0];
    row->by_status[index_of(status)]++;
    observe(&row->duration, &metrics_http_bounds, us);
}

void metrics_reset(void)
{
    memset(&metrics_state, 0, sizeof metrics_state);
}

int64_t metrics_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
