/* The audit log: lines, files that come and go, and what can't be written. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_audit.h"
#include "audit.h"
#include "log.h"

static struct event_base *base;
static char               directory[] = "/tmp/penny-audit-XXXXXX", first[64], second[64];

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int start(void **state)
{
    (void)state;
    base = event_base_new();
    return audit_open(base, open_log(first), false, NULL);
}

static int end(void **state)
{
    (void)state;
    audit_close();
    event_base_free(base);
    (void)unlink(first);
    (void)unlink(second);
    return 0;
}

static char *contents(const char *path)
{
    static char text[1 << 20];
    int         fd      = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t     n       = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return text;
}

static void write_line(const char *action)
{
    const struct audit_origin origin = {.peer = "10.1.2.3", .request_id = "r-1"};
    const struct audit_line   line   = {.action = action, .key = "alice", .outcome = "ok", .session_id = "s-1"};
    audit_write(&line, &origin);
}

static void test_a_line(void **state)
{
    json_t     *details = json_pack("{s:s, s:s}", "path", "a\"b\n", "key", "mallory");
    json_t     *json;
    const char *text;
    (void)state;
    audit_write(&(struct audit_line){.action = "sessions.files.write", .key = "alice", .outcome = "ok", .details = details}, NULL);
    json_decref(details);
    assert_string_equal(contents(first), "");
    (void)event_base_dispatch(base);
    text = contents(first);
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "path")), "a\"b\n");
    assert_string_equal(json_string_value(json_object_get(json, "key")), "alice"); /* details can't say it was another */
    assert_null(json_object_get(json, "peer"));
    json_decref(json);
}

static void test_close_writes_all(void **state)
{
    size_t      lines = 0;
    const char *text;
    (void)state;
    for (int i = 0; i < 5000; i++)
        write_line("x");
    audit_close();
    for (text = contents(first); (text = strchr(text, '\n')) != NULL; text++)
        lines++;
    assert_int_equal(lines, 5000);
    write_line("after the end");
    assert_null(strstr(contents(first), "after the end"));
}

static void test_reopen(void **state)
{
    (void)state;
    write_line("one");
    audit_reopen(open_log(second));
    write_line("two");
    (void)event_base_dispatch(base);
    assert_non_null(strstr(contents(first), "\"one\""));
    assert_null(strstr(contents(first), "\"two\""));
    assert_non_null(strstr(contents(second), "\"two\""));
    assert_null(strstr(contents(second), "\"one\""));
}

/* A pipe that is full in the middle of a line; then the file is changed: the new one begins with a whole line. */
static void test_reopen_within_a_line(void **state)
{
    int  fds[2];
    char page[4096] = {0};
    (void)state;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    (void)fcntl(fds[1], F_SETPIPE_SZ, 4096);
    audit_reopen(fds[1]);
    for (int i = 0; i < 40; i++)
        write_line("filler");
    (void)event_base_loop(base, EVLOOP_ONCE);
    audit_reopen(open_log(second));
    audit_close();
    assert_int_equal(read(fds[0], page, sizeof page), sizeof page);
    assert_int_not_equal(page[sizeof page - 1], '\n');
    assert_int_equal(strncmp(contents(second), "{\"time\"", 7), 0);
    (void)close(fds[0]);
}

static void test_full_disk(void **state)
{
    struct audit_counts before, counts;
    char                big[50000];
    json_t             *details;
    (void)state;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    details             = json_pack("{s:s}", "big", big);
    audit_get_counts(&before);
    audit_reopen(open("/dev/full", O_WRONLY | O_CLOEXEC));
    for (int i = 0; i < 400; i++)
        audit_write(&(struct audit_line){.action = "x", .key = "k", .outcome = "ok", .details = details}, NULL);
    json_decref(details);
    (void)event_base_loop(base, EVLOOP_ONCE);
    audit_get_counts(&counts);
    assert_true(counts.waiting_bytes > 0 && counts.waiting_bytes <= 8 << 20);
    assert_true(counts.dropped - before.dropped > 200 && counts.lines - before.lines > 100);
    assert_int_equal(counts.dropped - before.dropped + counts.lines - before.lines, 400);
    /* Room again: what waited is written, and the log says what it lacks. */
    audit_reopen(open_log(second));
    (void)event_base_loop(base, EVLOOP_ONCE);
    audit_close();
    audit_get_counts(&counts);
    assert_int_equal(counts.waiting_bytes, 0);
    assert_int_equal(access(second, F_OK), 0);
}

static void test_runs(void **state)
{
    const struct audit_origin  origin  = {.peer = "::1", .request_id = "r"};
    const struct audit_figures figures = {.execution_ms = 1.5, .cpu_ms = 1.25, .memory_peak_bytes = 7, .output_bytes = 3};
    struct audit_run          *run     = audit_run_new("alice", &origin, "print(1)", 8);
    json_t                    *json;
    (void)state;
    assert_non_null(run);
    audit_run_ended(run, "s", "e", "error", "ValueError", &figures);
    audit_run_free(run);
    audit_run_free(NULL);
    (void)event_base_dispatch(base);
    json = json_loads(contents(first), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "codeSha256")),
                        "d287bb7f9d15abdc5b6e98536263815744b6ef21c8f3c839fc434ca70d8efe99");
    assert_int_equal(json_integer_value(json_object_get(json, "codeBytes")), 8);
    assert_string_equal(json_string_value(json_object_get(json, "error")), "ValueError");
    assert_null(json_object_get(json, "code"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "resources"), "memoryPeak")), 7);
    json_decref(json);
}

static void test_actions(void **state)
{
    static const struct {
        struct route route;
        const char  *action;
    } cases[] = {
        {{HTTP_DELETE, "/api/v1/sessions/{id}", NULL, 0}, "sessions.delete"},
        {{HTTP_PUT, "/api/v1/sessions/{id}/files/{path...}", NULL, 0}, "sessions.files.write"},
        {{HTTP_GET, "/api/v1/sessions/{id}/files/{path...}", NULL, 0}, "sessions.files.read"},
        {{HTTP_POST, "/api/v1/packages/install", NULL, 0}, "packages.install"},
        {{HTTP_POST, "/api/v1/sessions/{id}/fork", NULL, 0}, "sessions.fork"},
        {{HTTP_POST, "/api/v1/sessions", NULL, 0}, "sessions.create"},
        {{HTTP_PATCH, "/api/v1/sessions/{id}", NULL, 0}, "sessions.update"},
        {{HTTP_POST, "/run", NULL, 0}, "run.create"},
    };
    char text[96];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        api_audit_action(&cases[i].route, text, sizeof text);
        assert_string_equal(text, cases[i].action);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line, start, end),
        cmocka_unit_test_setup_teardown(test_close_writes_all, start, end),
        cmocka_unit_test_setup_teardown(test_reopen, start, end),
        cmocka_unit_test_setup_teardown(test_reopen_within_a_line, start, end),
        cmocka_unit_test_setup_teardown(test_full_disk, start, end),
        cmocka_unit_test_setup_teardown(test_runs, start, end),
        cmocka_unit_test(test_actions),
    };
    int failed;
    if (mkdtemp(directory) == NULL)
        return 1;
    (void)snprintf(first, sizeof first, "%s/first", directory);
    (void)snprintf(second, sizeof second, "%s/second", directory);
    log_open("error", false, "test");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(directory);
    return failed;
}
