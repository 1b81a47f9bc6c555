#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decimal.h"

static void is_whole(uint64_t number)
{
    char text[DECIMAL_WHOLE_MAX + 1], expected[32];
    *decimal_whole(text, number) = '\0';
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)number);
    assert_string_equal(text, expected);
}

static void is_fixed(double number, int places)
{
    char text[DECIMAL_FIXED_MAX + 1], expected[64];
    *decimal_fixed(text, number, places) = '\0';
    snprintf(expected, sizeof expected, "%.*f", places, number);
    assert_string_equal(text, expected);
}

static void test_whole(void **state)
{
    (void)state;
    for (uint64_t n = 1; n != 0; n = n > UINT64_MAX / 3 ? 0 : n * 3)
        for (uint64_t d = 0; d < 4; d++)
            is_whole(n - 1 + d);
    is_whole(UINT64_MAX);
}

/* Milliseconds that were microseconds, as all are that are written so. */
static void test_fixed(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 20000; us++)
        is_fixed((double)us / 1000.0, 3);
    for (uint64_t us = 1; us < 900000000000000; us = us * 3 + 7)
        is_fixed((double)us / 1000.0, 3);
    for (int tenth = 0; tenth < 20000; tenth++)
        is_fixed(tenth / 10.0, 1);
    is_fixed(99.96, 1);
    is_fixed(0.999, 2);
    is_fixed(1e15, 3);
}

static void test_bounds(void **state)
{
    static const double wrong[] = {-1, -0.0, 0.0 / 0.0, -1e300};
    char                text[DECIMAL_FIXED_MAX + 1];
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *decimal_fixed(text, wrong[i], 3) = '\0';
        assert_string_equal(text, "0.000");
    }
    *decimal_fixed(text, 1e300, 1) = '\0';
    assert_string_equal(text, "1000000000000000.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_fixed), cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
