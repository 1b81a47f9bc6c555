#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"

static void decodes(const char *text, const char *expected, size_t length)
{
    struct bytes out = {0};
    assert_true(base64_decode(text, strlen(text), &out));
    assert_int_equal(out.length, length);
    assert_memory_equal(out.data, expected, length);
    bytes_done(&out);
}

static void refuses(const char *text)
{
    struct bytes out = {0};
    assert_false(base64_decode(text, strlen(text), &out));
    bytes_done(&out);
}

static void test_examples(void **state)
{
    (void)state;
    decodes("", "", 0);
    decodes("Zg==", "f", 1);
    decodes("Zm8=", "fo", 2);
    decodes("Zm9v", "foo", 3);
    decodes("Zm9vYg==", "foob", 4);
    decodes("Zm9v\r\nYmFy\n", "foobar", 6);
    decodes("/+8=", "\xff\xef", 2);
    decodes("Zg", "f", 1);
    decodes("AAAA", "\0\0\0", 3);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"Z", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zm9v=", "Zm 9v", "Zm-_", "Zm9v!", "\xc3\xa9"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuses(wrong[i]);
}

static void test_appends(void **state)
{
    struct bytes out = {0};
    (void)state;
    assert_true(bytes_append(&out, "ab", 2));
    assert_true(base64_decode("Yw==", 4, &out));
    assert_int_equal(out.length, 3);
    assert_memory_equal(out.data, "abc", 3);
    bytes_done(&out);
}

static void test_there_and_back(void **state)
{
    unsigned char data[300];
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7);
    for (size_t length = 0; length <= sizeof data; length++) {
        struct bytes text = {0}, back = {0};
        assert_true(base64_encode(data, length, &text));
        assert_int_equal(text.length, (length + 2) / 3 * 4);
        assert_true(base64_decode(text.length > 0 ? text.data : "", text.length, &back));
        assert_int_equal(back.length, length);
        assert_memory_equal(back.data, data, length);
        bytes_done(&text);
        bytes_done(&back);
    }
}

static void test_encodes(void **state)
{
    struct bytes out = {0};
    (void)state;
    assert_true(base64_encode("foob", 4, &out));
    assert_true(base64_encode("\xff\xef", 2, &out));
    assert_int_equal(out.length, 12);
    assert_memory_equal(out.data, "Zm9vYg==/+8=", 12);
    bytes_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_refused), cmocka_unit_test(test_appends),
                                       cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_encodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
