#include "loop_lag.h"

#include <stdint.h>
#include <stdlib.h>

#include "metrics.h"

enum { EVERY_US = 100000 };

struct loop_lag {
    struct event *timer;
    int64_t       due_us, longest_us;
};

static void arm(struct loop_lag *lag)
{
    static const struct timeval every = {.tv_usec = EVERY_US};
    lag->due_us                       = metrics_now_us() + EVERY_US;
    (void)evtimer_add(lag->timer, &every);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_lag *lag  = arg;
    int64_t          late = metrics_now_us() - lag->due_us;
    (void)fd;
    (void)what;
    if (late < 0)
        late = 0;
    if (late > lag->longest_us)
        lag->longest_us = late;
    metrics_observe(METRICS_LOOP_LAG, (uint64_t)late);
    arm(lag);
}

struct loop_lag *loop_lag_new(struct event_base *base)
{
    struct loop_lag *lag = calloc(1, sizeof *lag);
    if (lag == NULL || (lag->timer = evtimer_new(base, on_timer, lag)) == NULL) {
        free(lag);
        return NULL;
    }
    arm(lag);
    return lag;
}

void loop_lag_free(struct loop_lag *lag)
{
    if (lag == NULL)
        return;
    event_free(lag->timer);
    free(lag);
}

double loop_lag_longest_s(struct loop_lag *lag)
{
    double longest  = (double)lag->longest_us / 1e6;
    lag->longest_us = 0;
    return longest;
}
