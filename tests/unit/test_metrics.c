/* Metrics: what is counted, and the text of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop_lag.h"
#include "metrics.h"
#include "process_stat.h"

static const struct metrics_route *route_of(unsigned tag)
{
    static const struct metrics_route one = {"GET", "/one/{id}"};
    return tag == 1 ? &one : NULL;
}

static const char *outcome_of(unsigned outcome)
{
    return outcome == 3 ? "ok" : outcome == 4 ? "error" : NULL;
}

static char text[400000];

static const char *written(void)
{
    struct evbuffer *out = evbuffer_new();
    int              n;
    metrics_write(out, route_of, outcome_of);
    n       = evbuffer_remove(out, text, sizeof text - 1);
    text[n] = '\0';
    evbuffer_free(out);
    return text;
}

static void has(const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("lacks: %s", line);
}

static int clean(void **state)
{
    (void)state;
    metrics_reset();
    return 0;
}

static void test_counters(void **state)
{
    (void)state;
    metrics_add(METRICS_EVENTS, 3);
    metrics_add(METRICS_EVENTS, 4);
    metrics_add(METRICS_CPU_US, 1500000);
    metrics_deny(METRICS_DENIED_IMPORTS);
    metrics_outcome(3);
    metrics_outcome(3);
    metrics_outcome(999);
    (void)written();
    has("\npenny_execution_events_total 7\n");
    has("\npenny_execution_cpu_seconds_total 1.5\n");
    has("\npenny_policy_denials_total{policy=\"imports\"} 1\n");
    has("\npenny_policy_denials_total{policy=\"memory\"} 0\n");
    has("\npenny_executions_total{status=\"ok\"} 2\n");
    has("\npenny_executions_total{status=\"error\"} 0\n");
}

static void test_histogram_bounds(void **state)
{
    (void)state;
    metrics_observe(METRICS_RUN, 50);        /* at most the first bound */
    metrics_observe(METRICS_RUN, 51);        /* in the second */
    metrics_observe(METRICS_RUN, 300000001); /* above the last */
    (void)written();
    has("\npenny_execution_duration_seconds_bucket{le=\"5e-05\"} 1\n");
    has("\npenny_execution_duration_seconds_bucket{le=\"0.0001\"} 2\n");
    has("\npenny_execution_duration_seconds_bucket{le=\"300\"} 2\n");
    has("\npenny_execution_duration_seconds_bucket{le=\"+Inf\"} 3\n");
    has("\npenny_execution_duration_seconds_count 3\n");
    has("\npenny_execution_duration_seconds_sum 300.000102\n");
}

static void test_requests(void **state)
{
    (void)state;
    metrics_http(1, 200, 99);
    metrics_http(1, 404, 2000);
    metrics_http(0, 404, 10);
    metrics_http(1, 299, 10);      /* a status that nobody knows */
    metrics_http(100000, 200, 10); /* more routes than there is room for */
    (void)written();
    has("\npenny_http_requests_total{method=\"GET\",route=\"/one/{id}\",status_code=\"200\"} 1\n");
    has("\npenny_http_requests_total{method=\"GET\",route=\"/one/{id}\",status_code=\"404\"} 1\n");
    has("\npenny_http_requests_total{method=\"GET\",route=\"/one/{id}\",status_code=\"other\"} 1\n");
    has("\npenny_http_requests_total{method=\"other\",route=\"unmatched\",status_code=\"404\"} 1\n");
    has("\npenny_http_requests_total{method=\"other\",route=\"unmatched\",status_code=\"200\"} 1\n");
    has("\npenny_http_request_duration_seconds_bucket{method=\"GET\",route=\"/one/{id}\",le=\"0.0001\"} 2\n");
    has("\npenny_http_request_duration_seconds_count{method=\"GET\",route=\"/one/{id}\"} 3\n");
}

static void test_text_is_escaped(void **state)
{
    char safe[16];
    (void)state;
    metrics_escape("a\"b\\c\nd", safe, sizeof safe);
    assert_string_equal(safe, "a\\\"b\\\\c\\nd");
    metrics_escape("0123456789012345678901234567890", safe, sizeof safe);
    assert_true(strlen(safe) < sizeof safe);
    metrics_escape("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"", safe, sizeof safe);
    assert_int_equal(strlen(safe) % 2, 0); /* no backslash without what it escapes */
}

static void on_end(evutil_socket_t fd, short what, void *base)
{
    (void)fd;
    (void)what;
    (void)usleep(150000); /* the loop is held up over the time of a look */
    (void)event_base_loopexit(base, &(struct timeval){.tv_usec = 20000});
}

static void test_loop_lag(void **state)
{
    struct event_base *base = event_base_new();
    struct loop_lag   *lag  = loop_lag_new(base);
    struct event      *end  = evtimer_new(base, on_end, base);
    (void)state;
    assert_non_null(lag);
    assert_int_equal(evtimer_add(end, &(struct timeval){.tv_usec = 10000}), 0);
    assert_int_equal(event_base_dispatch(base), 0);
    assert_true(loop_lag_longest_s(lag) >= 0.05);
    assert_true(loop_lag_longest_s(lag) == 0);
    (void)written();
    assert_null(strstr(text, "\npenny_loop_lag_seconds_count 0\n"));
    loop_lag_free(lag);
    loop_lag_free(NULL);
    event_free(end);
    event_base_free(base);
}

static void test_process(void **state)
{
    struct process_stat stat;
    size_t              before = process_stat_descriptors();
    int                 fds[2];
    (void)state;
    assert_int_equal(process_stat_read(getpid(), &stat), 0);
    assert_true(stat.resident_bytes > 100000 && stat.virtual_bytes >= stat.resident_bytes);
    assert_int_equal(process_stat_read(0x7ffffff0, &stat), -1);
    assert_int_equal(process_stat_child(getpid(), "nobody"), 0);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(process_stat_descriptors(), before + 2);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_counters, clean),        cmocka_unit_test_setup(test_histogram_bounds, clean),
        cmocka_unit_test_setup(test_requests, clean),        cmocka_unit_test_setup(test_loop_lag, clean),
        cmocka_unit_test_setup(test_text_is_escaped, clean), cmocka_unit_test_setup(test_process, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
