/* Fields read from bodies: types, ranges, coercion, what is collected; times as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"

static json_t *body;

static int set_up(void **state)
{
    (void)state;
    body = json_loads(
        "{\"text\":\"h\xc3\xa9llo\",\"empty\":\"\",\"n\":5,\"big\":9007199254740993,\"real\":2.5,\"whole\":3.0,\"ns\":\"42\",\"rs\":\"2."
        "5e1\","
        "\"bad\":\"4x\",\"blank\":\" 4\",\"nan\":\"nan\",\"t\":true,\"f\":\"false\",\"o\":{},\"a\":[1,2,3],\"z\":null,\"huge\":\"1e999\"}",
        0, NULL);
    return body == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(body);
    return 0;
}

static const char *message(struct json_check *check)
{
    size_t n = json_array_size(check->errors);
    return n == 0 ? "" : json_string_value(json_object_get(json_array_get(check->errors, n - 1), "message"));
}

static void test_strings(void **state)
{
    struct json_check check = JSON_CHECK_INIT;
    const char       *text  = "standard";
    (void)state;
    assert_false(json_field_string(&check, body, "absent", 0, 9, &text));
    assert_false(json_field_string(&check, body, "z", 0, 9, &text));
    assert_null(check.errors);
    assert_string_equal(text, "standard");
    assert_true(json_field_string(&check, body, "text", 5, 5, &text));
    assert_string_equal(text, "h\xc3\xa9llo");
    assert_false(json_field_string(&check, body, "text", 0, 4, &text));
    assert_string_equal(message(&check), "body/text must NOT have more than 4 characters");
    assert_false(json_field_string(&check, body, "empty", 1, 4, &text));
    assert_string_equal(message(&check), "body/empty must NOT have fewer than 1 characters");
    assert_false(json_field_string(&check, body, "n", 0, 4, &text));
    assert_string_equal(message(&check), "body/n must be string");
    assert_int_equal(json_array_size(check.errors), 3);
    json_check_done(&check);
}

static void test_integers(void **state)
{
    static const char *const wrong[] = {"text", "real", "bad", "blank", "nan", "t", "o", "empty", "huge"};
    struct json_check        check   = JSON_CHECK_INIT;
    int64_t                  n       = 0;
    (void)state;
    assert_true(json_field_integer(&check, body, "n", 5, 5, &n) && n == 5);
    assert_true(json_field_integer(&check, body, "ns", 0, 100, &n) && n == 42);
    assert_true(json_field_integer(&check, body, "whole", 0, 100, &n) && n == 3);
    assert_true(json_field_integer(&check, body, "big", 0, INT64_MAX, &n) && n == 9007199254740993);
    assert_null(check.errors);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(json_field_integer(&check, body, wrong[i], INT64_MIN, INT64_MAX, &n));
        assert_non_null(strstr(message(&check), "must be integer"));
        assert_int_equal(json_array_size(check.errors), i + 1);
    }
    assert_false(json_field_integer(&check, body, "n", 6, 9, &n));
    assert_string_equal(message(&check), "body/n must be >= 6");
    assert_false(json_field_integer(&check, body, "n", 1, 4, &n));
    assert_string_equal(message(&check), "body/n must be <= 4");
    json_check_done(&check);
}

static void test_numbers(void **state)
{
    struct json_check check = JSON_CHECK_INIT;
    double            n     = 0;
    (void)state;
    assert_true(json_field_number(&check, body, "real", 0, 9, &n) && n > 2.4 && n < 2.6);
    assert_true(json_field_number(&check, body, "rs", 0, 99, &n) && n > 24.9 && n < 25.1);
    assert_true(json_field_number(&check, body, "n", 0, 9, &n));
    assert_null(check.errors);
    assert_false(json_field_number(&check, body, "nan", 0, 9, &n));
    assert_false(json_field_number(&check, body, "huge", 0, 9, &n));
    assert_false(json_field_number(&check, body, "real", 0, 2, &n));
    assert_string_equal(message(&check), "body/real must be <= 2");
    json_check_done(&check);
}

static void test_others(void **state)
{
    static const char *const choices[] = {"one", "h\xc3\xa9llo", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    json_t                  *part      = NULL;
    size_t                   choice    = 9;
    bool                     flag      = false;
    (void)state;
    assert_true(json_field_bool(&check, body, "t", &flag) && flag);
    assert_true(json_field_bool(&check, body, "f", &flag) && !flag);
    assert_true(json_field_object(&check, body, "o", &part) && json_is_object(part));
    assert_true(json_field_array(&check, body, "a", 3, &part) && json_array_size(part) == 3);
    assert_true(json_field_choice(&check, body, "text", choices, &choice) && choice == 1);
    assert_null(check.errors);
    assert_false(json_field_bool(&check, body, "n", &flag));
    assert_false(json_field_object(&check, body, "a", &part));
    assert_false(json_field_array(&check, body, "o", 3, &part));
    assert_false(json_field_array(&check, body, "a", 2, &part));
    assert_false(json_field_choice(&check, body, "n", choices, &choice));
    assert_string_equal(message(&check), "body/n must be one of: one, h\xc3\xa9llo");
    assert_int_equal(json_array_size(check.errors), 5);
    json_check_require(&check, body, "n");
    assert_int_equal(json_array_size(check.errors), 5);
    json_check_require(&check, body, "z");
    assert_string_equal(message(&check), "body must have required property 'z'");
    json_check_done(&check);
    assert_null(check.errors);
}

static void test_texts(void **state)
{
    static const char *const choices[] = {"asc", "desc", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    int64_t                  n         = 20;
    size_t                   choice    = 0;
    (void)state;
    assert_false(json_text_integer(&check, "limit", NULL, 1, 100, &n));
    assert_true(json_text_integer(&check, "limit", "50", 1, 100, &n) && n == 50);
    assert_true(json_text_choice(&check, "sort", "desc", choices, &choice) && choice == 1);
    assert_null(check.errors);
    assert_false(json_text_integer(&check, "limit", "", 1, 100, &n));
    assert_false(json_text_integer(&check, "limit", "5 ", 1, 100, &n));
    assert_false(json_text_integer(&check, "limit", "101", 1, 100, &n));
    assert_string_equal(message(&check), "querystring/limit must be <= 100");
    assert_false(json_text_choice(&check, "sort", "up", choices, &choice));
    json_check_fail(&check, "code", "is late");
    assert_string_equal(message(&check), "body/code is late");
    json_check_done(&check);
}

static void test_many_errors(void **state)
{
    struct json_check check = JSON_CHECK_INIT;
    (void)state;
    for (int i = 0; i < 1000; i++)
        json_check_fail(&check, "x", "%d", i);
    assert_true(json_array_size(check.errors) <= 50);
    json_check_done(&check);
}

static void test_times(void **state)
{
    static const struct {
        int64_t     ms;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {951782400123, "2000-02-29T00:00:00.123Z"},
                 {951868799999, "2000-02-29T23:59:59.999Z"},
                 {1735689599007, "2024-12-31T23:59:59.007Z"},
                 {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
                 {INT64_MAX, "9999-12-31T23:59:59.999Z"},
                 {-1, "1970-01-01T00:00:00.000Z"}};
    char text[JSON_TIME_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_time_text(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
    assert_true(json_time_now() > INT64_C(1700000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings), cmocka_unit_test(test_integers),    cmocka_unit_test(test_numbers), cmocka_unit_test(test_others),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_many_errors), cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
