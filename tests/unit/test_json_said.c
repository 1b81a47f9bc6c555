/* JSON whose values would take too much memory is not read. */
#define _GNU_SOURCE
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_said.h"

enum { LONGEST = 16 << 20 };

/* {"a":[PIECE,PIECE,...]} of about `length` bytes. The caller frees it. */
static char *many(const char *piece, size_t length)
{
    char *text = malloc(length + 1000), *at = stpcpy(text, "{\"a\":[");
    while ((size_t)(at - text) < length)
        at = stpcpy(stpcpy(at, piece), ",");
    (void)stpcpy(stpcpy(at, piece), "]}");
    return text;
}

static void expect(const char *piece, size_t length, bool is_read)
{
    char   *text = many(piece, length);
    json_t *json = json_said_read(text, strlen(text));
    assert_int_equal(json != NULL, is_read);
    assert_int_equal(json_said_is_too_much(text, strlen(text)), !is_read);
    json_decref(json);
    free(text);
}

static void test_what_grows_is_not_read(void **state)
{
    (void)state;
    expect("[]", LONGEST, false);
    expect("{}", LONGEST, false);
    expect("{}", 1 << 20, false);
    expect("1", LONGEST, false);
    expect("\"\"", LONGEST, false);
    expect("{\"a\":{\"b\":[{}]}}", LONGEST, false);
}

static void test_what_does_not_is(void **state)
{
    (void)state;
    expect("[]", 400000, true);
    expect("1.23456789012345", 8 << 20, true);
    expect("{\"mime\":\"text/plain\",\"text\":\"some words about it\"}", 2 << 20, true);
}

static void test_text_is_not_taken_for_values(void **state)
{
    char   *text = malloc(LONGEST + 100), *at = stpcpy(text, "{\"a\\\"\\\\\":\"");
    json_t *json;
    (void)state;
    memset(at, '[', LONGEST);
    at[1] = '\\';
    at[2] = '"';
    (void)stpcpy(at + LONGEST, "\"}");
    json = json_said_read(text, strlen(text));
    assert_int_equal(json_string_length(json_object_get(json, "a\"\\")), LONGEST - 1);
    json_decref(json);
    free(text);
}

static void test_what_is_cut_is_looked_at_to_its_end_and_no_further(void **state)
{
    char *text = malloc(LONGEST);
    (void)state;
    memset(text, '\\', LONGEST);
    text[0] = '"';
    assert_false(json_said_is_too_much(text, LONGEST));
    assert_null(json_said_read(text, LONGEST));
    assert_null(json_said_read(text, 0));
    free(text);
}

static void test_the_estimate_is_none_too_low(void **state)
{
    static const char *const pieces[] = {"[]", "{}", "1", "\"abc\"", "{\"a\":1}", "[[],[1,2]]"};
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t  length = 600000, before, took;
        char   *text;
        json_t *json = NULL;
        while (text = many(pieces[i], length), !json_said_is_too_much(text, strlen(text))) { /* the longest that is read */
            free(text);
            length += length / 2;
        }
        free(text);
        text   = many(pieces[i], length / 3 * 2);
        before = mallinfo2().uordblks + mallinfo2().hblkhd;
        json   = json_loads(text, 0, NULL);
        took   = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        assert_non_null(json);
        assert_true(took < JSON_SAID_BYTES_MAX);
        json_decref(json);
        free(text);
    }
}

static void test_numbers_and_nul(void **state)
{
    static const char text[] = "{\"n\":123456789012345678901234567890,\"s\":\"a\\u0000b\"}";
    json_t           *json   = json_said_read(text, sizeof text - 1);
    (void)state;
    assert_true(json_number_value(json_object_get(json, "n")) > 1e29);
    assert_int_equal(json_string_length(json_object_get(json, "s")), 3);
    json_decref(json);
    assert_null(json_said_read("{", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_grows_is_not_read),       cmocka_unit_test(test_what_does_not_is),
        cmocka_unit_test(test_text_is_not_taken_for_values), cmocka_unit_test(test_what_is_cut_is_looked_at_to_its_end_and_no_further),
        cmocka_unit_test(test_the_estimate_is_none_too_low), cmocka_unit_test(test_numbers_and_nul),
    };
    return cmocka_run_group_tests_name("json_said", tests, NULL, NULL);
}
