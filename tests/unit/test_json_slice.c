#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_slice.h"

static void finds(const char *text, const char *name, const char *expected)
{
    const char *value;
    size_t      length;
    assert_true(json_slice_member(text, strlen(text), name, &value, &length));
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(value, expected, length);
}

static void test_found(void **state)
{
    (void)state;
    finds("{\"a\":1}", "a", "1");
    finds("{\"a\":1,\"b\":[2,{\"a\":3}],\"c\":\"x\"}", "b", "[2,{\"a\":3}]");
    finds(" { \"a\" : 0.1 , \"b\" : -1e-7 } ", "b", "-1e-7");
    finds("{\"a\":\"}\\\"],{\",\"b\":true}", "b", "true");
    finds("{\"x\":{\"b\":1},\"b\":\"\\\\\"}", "b", "\"\\\\\"");
    finds("{\"a\":1,\"a\":2}", "a", "2");
    finds("{\"n\":18446744073709551615}", "n", "18446744073709551615");
    finds("{\"\":[]}", "", "[]");
}

static void test_not_found(void **state)
{
    static const char *const texts[] = {"{}", "[]", "1", "\"a\"", "{\"b\":{\"a\":1}}", "{\"b\":\"\\\"a\\\":1\"}", "{\"aa\":1}", ""};
    const char              *value;
    size_t                   length;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(json_slice_member(texts[i], strlen(texts[i]), "a", &value, &length));
}

/* It is only given what is JSON, but must stay inside of what it is given nevertheless. */
static void test_cut_anywhere(void **state)
{
    static const char whole[] = "{\"b\":[{\"c\":\"\\\"\"},-1.5e3],\"a\" : {\"d\":null}}";
    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char       *text = malloc(n + 1);
        const char *value;
        size_t      length;
        memcpy(text, whole, n);
        if (json_slice_member(text, n, "a", &value, &length))
            assert_true(value >= text && value + length <= text + n);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_found), cmocka_unit_test(test_not_found), cmocka_unit_test(test_cut_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
