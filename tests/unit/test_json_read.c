#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_read.h"
#include "text.h"

/* jansson passes over a NUL byte behind a number. */
static bool is_known_fault(const char *text, size_t length)
{
    return length > 0 && memchr(text, '\0', length) != NULL;
}

/* What json_read() must take and give is what jansson takes and gives: by each combination of flags, from memory that ends where the text ends. */
static void is_as_jansson_has_it(const char *text, size_t length)
{
    char *exact = malloc(length > 0 ? length : 1);
    bool  is_line;

    memcpy(exact, text, length);
    for (int i = 0; i < 4; i++) {
        size_t  flags = ((i & 1) != 0 ? JSON_ALLOW_NUL : 0) | ((i & 2) != 0 ? JSON_DECODE_INT_AS_REAL : 0);
        json_t *read = json_read(exact, length, JSON_READ_DEPTH_MAX, flags), *loaded = NULL;
        if (!is_known_fault(text, length))
            loaded = json_loadb(exact, length, flags, NULL);
        if ((read == NULL) != (loaded == NULL) || (read != NULL && !json_equal(read, loaded)))
            fail_msg("%.*s with flags %zu: %s", (int)length, text, flags, loaded != NULL ? "is JSON" : "is not JSON");
        if (flags == (JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL)) {
            assert_int_equal(json_read_is_object(exact, length, &is_line), json_is_object(loaded));
            assert_true(!json_is_object(loaded) || is_line == text_is_line(exact, length));
        }
        json_decref(read);
        json_decref(loaded);
    }
    free(exact);
}

static const char *const texts[] = {
    "{}",
    "[]",
    "",
    " ",
    "1",
    "\"a\"",
    "null",
    "{",
    "[",
    "]",
    "[,]",
    "[1,]",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "[1 2]",
    "[1]x",
    "[[[[]]]]",
    " \t\r\n{ \"a\" :\n1 , \"b\"\t: [ true , false , null ] } \n",
    "{\"a\":1,\"a\":2}",
    "[trueish]",
    "[tru]",
    "[nul",
    "[True]",
    "[NaN]",
    "[Infinity]",
    "[0]",
    "[-0]",
    "[01]",
    "[-]",
    "[+1]",
    "[1.]",
    "[.5]",
    "[1e]",
    "[1e+]",
    "[1E-2]",
    "[-12.5e3]",
    "[1e999]",
    "[-1e999]",
    "[1e-999]",
    "[0x10]",
    "[999999999999999999]",
    "[-999999999999999999]",
    "[9223372036854775807]",
    "[9223372036854775808]",
    "[-9223372036854775808]",
    "[123456789012345678901234567890]",
    "[1.0]",
    "[0.1]",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\x\"]",
    "[\"\\\"]",
    "[\"\\u12\"]",
    "[\"\\u00e9\\u20AC\"]",
    "[\"\\ud83d\\ude00\"]",
    "[\"\\ud83d\"]",
    "[\"\\ude00\"]",
    "[\"\\ud83dx\"]",
    "[\"\\ud83d\\u0041\"]",
    "[\"\\u0000\"]",
    "{\"\\u0000\":1}",
    "{\"a\\u0000b\":1}",
    "{\"\\u0061\":1,\"a\":2}",
    "[\"\n\"]",
    "[\"\t\"]",
    "[\"\x7f\"]",
    "[\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"]",
    "[\"\xc3\"]",
    "[\"\xc0\x80\"]",
    "[\"\xed\xa0\x80\"]",
    "[\"\xf4\x90\x80\x80\"]",
    "[\"\xff\"]",
    "\xef\xbb\xbf[]",
    "{\"\xc3\xa9\":\"\"}",
    "{\xc3\xa9:1}",
    "['a']",
    "[1]//",
    "[1]\x0b",
    "{\"name\":\"x\",\"type\":\"int\",\"value\":12,\"size\":28,\"serializable\":true}",
    "{\"code\":\"x += 1\",\"sessionId\":\"0b5c6f5e-0000-4000-8000-000000000000\",\"variables\":{\"a\":[1,2.5,{\"b\":null}]}}",
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        is_as_jansson_has_it(texts[i], strlen(texts[i]));
}

/* Cut off behind every byte, and with every byte replaced by each that could mean something. */
static void test_damaged(void **state)
{
    static const char marks[] = "\"\\{}[],:u0-.eE+t \n\x01\x7f\x80\xc3\xff";
    char              text[256];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t length = strlen(texts[i]);
        assert_true(length < sizeof text);
        for (size_t at = 0; at < length; at++) {
            is_as_jansson_has_it(texts[i], at);
            for (size_t mark = 0; mark < sizeof marks; mark++) { /* NUL, too */
                memcpy(text, texts[i], length);
                text[at] = marks[mark];
                is_as_jansson_has_it(text, length);
            }
        }
    }
}

static void test_long(void **state)
{
    size_t  length = 100000;
    char   *text   = malloc(length);
    json_t *read;
    (void)state;
    memset(text, 'x', length);
    memcpy(text, "{\"", 2);
    memcpy(text + 50000, "\":\"", 3);
    memcpy(text + 99998, "\"}", 2);
    is_as_jansson_has_it(text, length);
    for (size_t at = 50003; at < 50100; at++) { /* an escape at every place of a block of bytes */
        memcpy(text + at, "\\u00e9\xc3\xa9\\n", 10);
        is_as_jansson_has_it(text, length);
        memset(text + at, 'x', 10);
    }
    read = json_read(text, length, JSON_READ_DEPTH_MAX, 0);
    assert_int_equal(json_object_size(read), 1);
    json_decref(read);
    memset(text + 1, '7', length - 1);
    text[0]          = '[';
    text[length - 1] = ']';
    is_as_jansson_has_it(text, length);
    free(text);
}

static void test_depth(void **state)
{
    char   *text = malloc(20000);
    json_t *read;
    bool    is_line;
    (void)state;
    for (size_t depth = 1; depth <= 5000; depth += depth < 4 ? 1 : 499) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        read = json_read(text, 2 * depth, 3, 0);
        assert_int_equal(read != NULL, depth <= 3);
        json_decref(read);
        read = json_read(text, 2 * depth, JSON_READ_DEPTH_MAX, 0);
        assert_int_equal(read != NULL, depth <= JSON_READ_DEPTH_MAX);
        json_decref(read);
    }
    for (size_t i = 0; i < 2000; i++)
        memcpy(text + 5 * i, "{\"\":[", 5);
    assert_false(json_read_is_object(text, 10000, &is_line));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
