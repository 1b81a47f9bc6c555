#define _GNU_SOURCE
#include "fake_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

enum { LAST_TURNS = 20 };

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void turn(struct event_base *base, int ms)
{
    struct timeval limit = {.tv_usec = ms * 1000};
    (void)event_base_loopexit(base, &limit);
    (void)event_base_loop(base, EVLOOP_ONCE);
}

void fake_run_until(struct event_base *base, bool (*is_done)(void *arg), void *arg)
{
    int64_t deadline = now_ms() + 60000;
    while (!is_done(arg)) {
        if (now_ms() > deadline)
            fail_msg("a minute has passed in vain");
        turn(base, 20);
    }
}

/* A machine that stood still meanwhile has let the time go by, and nothing happen: what is due by then has its turns. */
void fake_run_for(struct event_base *base, int ms)
{
    int64_t deadline = now_ms() + ms;
    for (int last = 0; last < LAST_TURNS; last += now_ms() >= deadline)
        turn(base, now_ms() < deadline ? 5 : 0);
}

struct event_base *fake_base(void)
{
    struct event_base *base = event_base_new();
    assert_non_null(base);
    assert_int_equal(event_base_priority_init(base, 3), 0);
    return base;
}
