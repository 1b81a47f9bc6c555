/* Log lines: one per message whatever it holds, levels, JSON, and a reader that does not read. */
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
#include <jansson.h>

#include "log.h"

static int  ends[2], saved = -1;
static char seen[1 << 20];

static int set_up(void **state)
{
    (void)state;
    saved = dup(STDERR_FILENO);
    return pipe2(ends, O_NONBLOCK | O_CLOEXEC) | (dup2(ends[1], STDERR_FILENO) < 0);
}

static int tear_down(void **state)
{
    (void)state;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    return close(ends[1]);
}

static const char *hear(void)
{
    ssize_t n           = read(ends[0], seen, sizeof seen - 1);
    seen[n > 0 ? n : 0] = '\0';
    return seen;
}

static void test_levels(void **state)
{
    (void)state;
    log_open("warn", false, "test");
    log_debug("one");
    log_info("two");
    assert_string_equal(hear(), "");
    log_warn("three %d", 3);
    assert_non_null(strstr(hear(), "Z warn  test: three 3\n"));
    log_open("debug", false, "test");
    log_debug("four");
    assert_non_null(strstr(hear(), "debug test: four\n"));
    log_open("loud", false, "test");
    assert_true(log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG));
}

static void test_one_line(void **state)
{
    const char *line;
    (void)state;
    log_open("info", false, "test");
    log_info("a\nb\x1b[31m\x7f");
    line = hear();
    assert_non_null(strstr(line, "a\\x0ab\\x1b[31m\\x7f\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_json(void **state)
{
    json_t *json;
    (void)state;
    log_open("info", true, "test");
    log_error("say \"%s\"\t\\", "h\xc3\xa9");
    json = json_loads(hear(), 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "message")), "say \"h\xc3\xa9\"\t\\");
    assert_string_equal(json_string_value(json_object_get(json, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(json, "name")), "test");
    json_decref(json);
}

static void test_long(void **state)
{
    char *text = calloc(1, 100001);
    (void)state;
    memset(text, '\n', 100000);
    log_open("info", true, "test");
    log_info("%s", text);
    assert_true(strlen(hear()) < 1025);
    assert_int_equal(seen[strlen(seen) - 1], '\n');
    free(text);
}

static void test_nobody_reads(void **state)
{
    (void)state;
    log_open("info", false, "test");
    for (int i = 0; i < 10000; i++)
        log_info("%0500d", i);
    hear();
    log_info("again");
    assert_non_null(strstr(hear(), "lines were dropped"));
    assert_non_null(strstr(seen, "again\n"));
    log_info("and again");
    assert_null(strstr(hear(), "dropped"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_levels), TEST(test_one_line), TEST(test_json), TEST(test_long), TEST(test_nobody_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
