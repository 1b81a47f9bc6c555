/* json_look.c: what is said to be an object on one line is one for jansson, whatever is done to it; and what a session says most is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json_look.h"
#include "text.h"

/* From memory that ends where the text ends. */
static bool look(const char *text, size_t length)
{
    char *exact = malloc(length > 0 ? length : 1);
    bool  is_line;

    memcpy(exact, text, length);
    is_line = json_look_is_line(exact, length);
    if (is_line) {
        json_t *loaded = json_loadb(exact, length, JSON_DECODE_INT_AS_REAL, NULL);
        if (!json_is_object(loaded) || !text_is_line(exact, length))
            fail_msg("%.*s is no object on one line", (int)length, text);
        json_decref(loaded);
    }
    free(exact);
    return is_line;
}

static const char *const plain[] = {
    "{}",
    " { \"a\" : [ ] } ",
    "{\"a\":1,\"a\":2}",
    "{\"\":[true,false,null,0,-0,-12.50,123456789012345678901234567890]}",
    "{\"name\":\"x\",\"type\":\"int\",\"value\":12,\"size\":28,\"serializable\":true}",
    "{\"name\":\"frame\",\"shape\":[10,3],\"columns\":[{\"name\":\"\xc3\xa9\",\"type\":\"\xf0\x9f\x98\x80\"}]}",
};

/* Objects or not, with what is left to jansson. */
static const char *const others[] = {
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

static void test_plain_objects_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_true(look(plain[i], strlen(plain[i])));
}

/* Cut off behind every byte, and with every byte replaced by each that could mean something. */
static void damage(const char *original)
{
    static const char marks[] = "\"\\{}[],:u0-.eE+t \n\x01\x7f\x80\xc3\xff";
    char              text[256];
    size_t            length = strlen(original);
    assert_true(length < sizeof text);
    for (size_t at = 0; at <= length; at++) {
        (void)look(original, at);
        for (size_t mark = 0; mark < sizeof marks && at < length; mark++) { /* NUL, too */
            memcpy(text, original, length);
            text[at] = marks[mark];
            (void)look(text, length);
        }
    }
}

static void test_nothing_else_is_taken_for_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        damage(plain[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        damage(others[i]);
}

static void test_what_is_too_much_is_left_to_jansson(void **state)
{
    char   text[1000];
    size_t depth = JSON_LOOK_DEPTH_MAX - 1;
    (void)state;
    for (int extra = 0; extra < 2; extra++, depth++) {
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', depth);
        memset(text + 5 + depth, ']', depth);
        text[5 + 2 * depth] = '}';
        assert_int_equal(look(text, 6 + 2 * depth), extra == 0);
    }
    memset(text, '7', sizeof text);
    memcpy(text, "{\"a\":", 5);
    text[sizeof text - 1] = '}';
    assert_false(look(text, sizeof text));
    assert_false(look("{\"a\":1e5}", 9));
    assert_false(look("{\"a\":\"\\n\"}", 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_objects_are_known),
        cmocka_unit_test(test_nothing_else_is_taken_for_one),
        cmocka_unit_test(test_what_is_too_much_is_left_to_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
