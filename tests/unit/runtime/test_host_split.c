/* Where the last statement of a cell begins. tests/runtime/test_split.py compares it with Python's own parser on real programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host_split.h"

struct expected {
    const char          *text;
    enum host_split_kind kind;
    size_t               offset, line;
};

static const struct expected cases[] = {
    {"", HOST_SPLIT_WHOLE, 0, 0},
    {"\n\n", HOST_SPLIT_WHOLE, 0, 0},
    {"# only a comment", HOST_SPLIT_WHOLE, 0, 0},
    {"x", HOST_SPLIT_LAST, 0, 0},
    {"x += 1", HOST_SPLIT_LAST, 0, 0},
    {"x\n", HOST_SPLIT_LAST, 0, 0},
    {"\n\nx", HOST_SPLIT_LAST, 2, 2},
    {"a = 1\nb\n", HOST_SPLIT_LAST, 6, 1},
    {"a\r\nb\r\n", HOST_SPLIT_LAST, 3, 1},
    {"a\rb", HOST_SPLIT_LAST, 2, 1},
    {"a\n# c\n\n  # d\n", HOST_SPLIT_LAST, 0, 0},
    {"x;", HOST_SPLIT_WHOLE, 0, 0},
    {"x ; # quiet", HOST_SPLIT_WHOLE, 0, 0},
    {"x; y", HOST_SPLIT_UNSURE, 0, 0},
    {"'a;b'", HOST_SPLIT_LAST, 0, 0},
    {"f(';')", HOST_SPLIT_LAST, 0, 0},
    {"x  # a; b", HOST_SPLIT_LAST, 0, 0},
    {"f(1,\nx=2)", HOST_SPLIT_LAST, 0, 0},
    {"[\n\n]\n{\n}", HOST_SPLIT_LAST, 5, 3},
    {"'''\nx\n'''", HOST_SPLIT_LAST, 0, 0},
    {"a = '''\n'''\nb", HOST_SPLIT_LAST, 12, 2},
    {"'\\''\nb", HOST_SPLIT_LAST, 5, 1},
    {"r'\\''\nb", HOST_SPLIT_LAST, 6, 1},
    {"'''\\'''\n'''\nb", HOST_SPLIT_LAST, 12, 2},
    {"a + \\\nb", HOST_SPLIT_LAST, 0, 0},
    {"a  # \\\nb", HOST_SPLIT_LAST, 7, 1},
    {"if x:\n  y", HOST_SPLIT_WHOLE, 0, 0},
    {"if x: y", HOST_SPLIT_WHOLE, 0, 0},
    {"if x:\n  y\nelse: z", HOST_SPLIT_WHOLE, 0, 0},
    {"if x:\n  y\nz", HOST_SPLIT_LAST, 10, 2},
    {"match x:\n  case 1: y", HOST_SPLIT_WHOLE, 0, 0},
    {"match = 1", HOST_SPLIT_LAST, 0, 0},
    {"iffy", HOST_SPLIT_LAST, 0, 0},
    {"if\303\251", HOST_SPLIT_LAST, 0, 0},
    {"@f\ndef g(): pass", HOST_SPLIT_WHOLE, 0, 0},
    {"async def f(): pass", HOST_SPLIT_WHOLE, 0, 0},
    {"class A: pass", HOST_SPLIT_WHOLE, 0, 0},
    {"lambda: 0", HOST_SPLIT_LAST, 0, 0},
    {"x = (", HOST_SPLIT_UNSURE, 0, 0},
    {"x)", HOST_SPLIT_UNSURE, 0, 0},
    {"'abc", HOST_SPLIT_UNSURE, 0, 0},
    {"'abc\nx", HOST_SPLIT_UNSURE, 0, 0},
    {"'''abc", HOST_SPLIT_UNSURE, 0, 0},
    {"x\\", HOST_SPLIT_LAST, 0, 0},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct host_split    split = {0, 0};
        enum host_split_kind kind  = host_split(cases[i].text, strlen(cases[i].text), &split);
        if (kind != cases[i].kind || (kind == HOST_SPLIT_LAST && (split.offset != cases[i].offset || split.line != cases[i].line)))
            fail_msg("%s: %d at %zu, line %zu", cases[i].text, kind, split.offset, split.line);
    }
}

/* Ended at every byte, in memory of just that size: nothing beyond the end is read, whatever the text. */
static void test_every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t n = 0; n <= strlen(cases[i].text); n++) {
            struct host_split split = {0, 0};
            char             *copy  = malloc(n > 0 ? n : 1);
            assert_non_null(copy);
            memcpy(copy, cases[i].text, n);
            if (host_split(copy, n, &split) == HOST_SPLIT_LAST)
                assert_true(split.offset < n);
            free(copy);
        }
    }
}

/* Every text of four bytes that mean something to it. */
static void test_all_short_texts(void **state)
{
    static const char alphabet[] = "x;'\"#\\\n\r( )";
    const size_t      letters    = sizeof alphabet - 1;
    (void)state;
    for (size_t n = 0; n < letters * letters * letters * letters; n++) {
        struct host_split split = {0, 0};
        char              text[4];
        size_t            rest = n;
        for (size_t i = 0; i < sizeof text; i++, rest /= letters)
            text[i] = alphabet[rest % letters];
        if (host_split(text, sizeof text, &split) == HOST_SPLIT_LAST)
            assert_true(split.offset < sizeof text && split.line <= split.offset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_all_short_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
