#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quantity.h"

static void reads(const char *text, double expected)
{
    double got = -1;
    assert_true(quantity_read(text, &got));
    assert_float_equal(got, expected, expected * 1e-12);
}

static void test_examples(void **state)
{
    (void)state;
    reads("100m", 0.1);
    reads("2", 2);
    reads("0.5", 0.5);
    reads(".5", 0.5);
    reads("256Mi", 268435456);
    reads("1Gi", 1073741824);
    reads("1.5G", 1.5e9);
    reads("128974848", 128974848);
    reads("129e6", 129e6);
    reads("123456k", 123456e3);
    reads("1Ki", 1024);
    reads("0", 0);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"",     "-1",   "+1",  " 1",  "1 ",    "Mi",   "1mi", "1MB",
                                        "1 Mi", "0x10", "nan", "inf", "1e999", "1..2", "1Mi2"};
    double                   got;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(quantity_read(wrong[i], &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
