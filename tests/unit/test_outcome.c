/* What an interpreter says of a cell's end: read where it stands or as any JSON, it is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "outcome.h"

static const char PLAIN[] = "{\"status\":\"ok\",\"executionCount\":7,\"cpuUser\":120,\"cpuSystem\":0,\"memoryPeak\":9007199254740993,"
                            "\"memory\":4096,\"threads\":1}";

static int read_text(struct outcome *outcome, const char *text, size_t length)
{
    struct err err = {0};
    *outcome       = (struct outcome){0};
    return outcome_from_done(outcome, text, length, 0, &err);
}

static void expect_plain(const struct outcome *outcome)
{
    assert_int_equal(outcome->status, EXECUTION_OK);
    assert_true(outcome->cpu_is_split);
    assert_int_equal(outcome->cpu_user_us, 120);
    assert_int_equal(outcome->cpu_system_us, 0);
    assert_int_equal(outcome->memory_peak_bytes, 9007199254740993);
    assert_int_equal(outcome->memory_bytes, 4096);
    assert_int_equal(outcome->threads, 1);
    assert_null(outcome->error);
    assert_null(outcome->artifacts);
}

static void both_ways_say_the_same(void **state)
{
    struct outcome outcome;
    char           text[sizeof PLAIN + 1];
    (void)state;
    assert_int_equal(read_text(&outcome, PLAIN, sizeof PLAIN - 1), 0);
    expect_plain(&outcome);
    for (const char *at = strpbrk(PLAIN, ",:}"); at != NULL; at = strpbrk(at + 1, ",:}")) { /* a space is no other meaning */
        size_t before = (size_t)(at - PLAIN);
        memcpy(text, PLAIN, before);
        text[before] = ' ';
        memcpy(text + before + 1, at, sizeof PLAIN - before);
        assert_int_equal(read_text(&outcome, text, sizeof PLAIN), 0);
        expect_plain(&outcome);
        outcome_done(&outcome);
    }
}

static void what_is_not_json_is_refused(void **state)
{
    static const char *const wrong[] = {
        "{\"status\":\"ok\",\"executionCount\":7,\"cpuUser\":0120,\"cpuSystem\":0,\"memoryPeak\":1,\"memory\":4096,\"threads\":1}",
        "{\"status\":\"ok\",\"executionCount\":7,\"cpuUser\":,\"cpuSystem\":0,\"memoryPeak\":1,\"memory\":4096,\"threads\":1}",
        "{\"status\":\"ok\",\"executionCount\":7,\"cpuUser\":1,\"cpuSystem\":0,\"memoryPeak\":1,\"memory\":4096,\"threads\":1}}",
        "{\"status\":\"ok\",\"executionCount\":7,\"cpuUser\":99999999999999999999,\"cpuSystem\":0,\"memoryPeak\":1,\"memory\":1}",
        "{\"status\":\"fine\"}",
    };
    struct outcome outcome;
    (void)state;
    for (size_t length = 0; length < sizeof PLAIN - 1; length++)
        assert_int_equal(read_text(&outcome, PLAIN, length), -1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_text(&outcome, wrong[i], strlen(wrong[i])), -1);
}

static void an_error_goes_the_long_way(void **state)
{
    static const char text[] = "{\"status\":\"error\",\"executionCount\":7,\"cpuUser\":1,\"cpuSystem\":2,\"memoryPeak\":3,\"memory\":4,"
                               "\"threads\":2,\"error\":{\"type\":\"ValueError\",\"message\":\"no\",\"traceback\":\"\",\"line\":3}}";
    struct outcome    outcome;
    (void)state;
    assert_int_equal(read_text(&outcome, text, sizeof text - 1), 0);
    assert_int_equal(outcome.status, EXECUTION_ERROR);
    assert_int_equal(outcome.threads, 2);
    assert_string_equal(json_string_value(json_object_get(outcome.error, "type")), "ValueError");
    assert_int_equal(json_integer_value(json_object_get(outcome.error, "line")), 3);
    outcome_done(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_say_the_same),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(an_error_goes_the_long_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
