/* Forms in pieces: whole, cut at every byte and at every pair of bytes, and forms that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "multipart.h"

static const char TYPE[] = "multipart/form-data; boundary=XbX";

/* What a form says, as text: "[name|filename|data]" for each part, "." at its end, "!" when it is bad. */
static char   said[1 << 16];
static size_t said_length;

static void say(const char *text, size_t length)
{
    assert_true(said_length + length < sizeof said);
    memcpy(said + said_length, text, length);
    said_length += length;
    said[said_length] = '\0';
}

static void say_text(const char *text)
{
    say(text, strlen(text));
}

/* Returns false when it was bad. */
static bool feed(struct multipart *multipart, const char *data, size_t length)
{
    for (;;) {
        const char           *piece;
        size_t                n;
        enum multipart_result result = multipart_next(multipart, &data, &length, &piece, &n);
        switch (result) {
        case MULTIPART_MORE: assert_int_equal(length, 0); return true;
        case MULTIPART_PART:
            say_text("[");
            say_text(multipart->name);
            say_text("|");
            say_text(multipart->has_filename ? multipart->filename : "-");
            say_text("|");
            break;
        case MULTIPART_DATA:
            assert_true(n > 0);
            say(piece, n);
            break;
        case MULTIPART_END_OF_PART: say_text("]"); break;
        case MULTIPART_END: say_text("."); break;
        case MULTIPART_BAD:
            assert_non_null(multipart->fault);
            say_text("!");
            return false;
        }
    }
}

static const char *read_at(const char *type, const char *form, size_t length, size_t first, size_t second)
{
    static struct multipart multipart;
    said_length = 0;
    said[0]     = '\0';
    assert_true(multipart_init(&multipart, type));
    if (feed(&multipart, form, first) && feed(&multipart, form + first, second - first))
        (void)feed(&multipart, form + second, length - second);
    return said;
}

static void expect_as(const char *type, const char *form, size_t length, const char *wanted)
{
    assert_string_equal(read_at(type, form, length, length, length), wanted);
    for (size_t i = 0; i <= length; i++)
        assert_string_equal(read_at(type, form, length, i, length), wanted);
}

static void expect(const char *form, const char *wanted)
{
    expect_as(TYPE, form, strlen(form), wanted);
}

#define PART(parameters) "Content-Disposition: form-data; " parameters "\r\n\r\n"

static const char FORM[] = "--XbX\r\n" PART(
    "name=\"path\"") "in/here\r\n--XbX\r\n"
                     "Content-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
                     "one\r\n--XbY\r\n-\r\n--\r\n\r\r\n--XbX--\r\nthe rest\r\n--XbX\r\n";

static void test_a_form(void **state)
{
    static const char wanted[] = "[path|-|in/here][file|a b.txt|one\r\n--XbY\r\n-\r\n--\r\n\r].";
    (void)state;
    expect(FORM, wanted);
    for (size_t i = 0; i < sizeof FORM - 1; i++) {
        for (size_t j = i; j < sizeof FORM - 1; j++)
            assert_string_equal(read_at(TYPE, FORM, sizeof FORM - 1, i, j), wanted);
    }
}

static void test_edges(void **state)
{
    static const char quoted[] = "--a b'c\r\n" PART("name=x") "y\r\n--a b'c--";
    (void)state;
    expect("--XbX--\r\n", ".");
    expect("preamble\r\n--Xb\r\r\n--XbX--", ".");
    expect("--XbX \t\r\n" PART("name=a") "\r\n--XbX--", "[a|-|].");
    expect("--XbX\r\n" PART("name=a") "\r\n\r\n--XbX--", "[a|-|\r\n].");
    expect("--XbX\r\n" PART("name=a") "--XbX--", "[a|-|].");
    expect("--XbX\r\n" PART("name=a") "--Xb\r\n--XbX--", "[a|-|--Xb].");
    expect("--XbX\r\n" PART("name=a") "--\r\n--XbX--", "[a|-|--].");
    expect("--XbX\r\n" PART("name=a") "x\n--XbX\n\r\n--XbX--", "[a|-|x\n--XbX\n].");
    expect("--XbX\r\n" PART("name=a") "\r\r\n\r\n--XbX\r\n" PART("name=b") "\r\n--XbX--", "[a|-|\r\r\n][b|-|].");
    expect("--XbX\r\n" PART("name=a") "cut off", "[a|-|cut off");
    expect("", "");
    expect_as("Multipart/Form-Data; charset=utf-8; boundary=\"a b'c\"", quoted, sizeof quoted - 1, "[x|-|y].");
}

static void test_any_bytes_come_as_they_are(void **state)
{
    char   form[1200], wanted[1200];
    size_t at = 0, n;
    (void)state;
    at += (size_t)sprintf(form, "--XbX\r\n%s", PART("name=f; filename=f"));
    n = (size_t)sprintf(wanted, "[f|f|");
    for (int round = 0; round < 2; round++) {
        for (int c = 1; c < 256; c++) {
            form[at++]  = (char)c;
            wanted[n++] = (char)c;
        }
    }
    strcpy(wanted + n, "].");
    at += (size_t)sprintf(form + at, "\r\n--XbX--\r\n");
    expect_as(TYPE, form, at, wanted);
}

static void test_names(void **state)
{
    (void)state;
    expect("--XbX\r\n" PART("name=\"a\\\"b\"; filename=\"C:\\dir\\f\\\\g\"") "\r\n--XbX--", "[a\"b|C:\\dir\\f\\g|].");
    expect("--XbX\r\n" PART("filename=x ; name=y;") "\r\n--XbX--", "[y|x|].");
    expect("--XbX\r\n" PART("name=f; filename=plain; filename*=UTF-8''%e2%82%ac%20.txt") "\r\n--XbX--", "[f|\xe2\x82\xac .txt|].");
    expect("--XbX\r\n" PART("name=f; filename*=utf-8'en'x%2Fy; filename=plain") "\r\n--XbX--", "[f|x/y|].");
    expect("--XbX\r\n" PART("name=f; filename=\"\"") "\r\n--XbX--", "[f||].");
    expect("--XbX\r\ncontent-disposition:form-data;name=f\r\nContent-Transfer-Encoding: binary\r\n\r\nx\r\n--XbX--", "[f|-|x].");
}

static void test_what_is_no_form(void **state)
{
    static const char *const forms[] = {
        "--XbX\r\n\r\nx\r\n--XbX--",                                                        /* no header */
        "--XbX\r\nContent-Type: text/plain\r\n\r\nx\r\n--XbX--",                            /* no disposition */
        "--XbX\r\nContent-Disposition: attachment; name=f\r\n\r\nx\r\n--XbX--",             /* another one */
        "--XbX\r\nContent-Disposition: form-data; name=\"f\r\n\r\nx\r\n--XbX--",            /* no end of the quotes */
        "--XbX\r\nContent-Disposition: form-data; na me=f\r\n\r\nx\r\n--XbX--",             /* a blank in a name */
        "--XbX\r\nContent-Disposition: form-data; =f\r\n\r\nx\r\n--XbX--",                  /* no name */
        "--XbX\r\nContent-Disposition: form-data name=f\r\n\r\nx\r\n--XbX--",               /* no semicolon */
        "--XbX\r\nContent-Disposition: form-data; filename*=latin1''x\r\n\r\nx\r\n--XbX--", /* not UTF-8 */
        "--XbX\r\nContent-Disposition: form-data; filename*=UTF-8''%00\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; filename*=UTF-8''%4\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data;\r\n name=folded\r\n\r\nx\r\n--XbX--",
        "--XbX\r\nContent-Disposition: form-data; name=f\n\nx\r\n--XbX--",
        "--XbX\r\nno colon\r\n\r\nx\r\n--XbX--",
        "--XbX\r\n: x\r\n\r\nx\r\n--XbX--",
        "--XbXx\r\n" PART("name=f") "x\r\n--XbX--",
        "--XbX-\r\n" PART("name=f") "x\r\n--XbX--",
        "--XbX\r\r\n" PART("name=f") "x\r\n--XbX--",
    };
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        expect(forms[i], "!");
}

static void test_headers_are_bounded(void **state)
{
    static char form[40000];
    (void)state;
    strcpy(form, "--XbX\r\nX: ");
    memset(form + 10, 'a', 5000);
    expect_as(TYPE, form, 5010, "!");
    strcpy(form, "--XbX\r\n");
    for (int i = 0; i <= MULTIPART_LINES_MAX; i++)
        strcat(form, "X: a\r\n");
    expect(form, "!");
    memset(form, 0, sizeof form);
    strcpy(form, "--XbX\r\nContent-Disposition: form-data; name=");
    memset(form + strlen(form), 'a', MULTIPART_NAME_MAX);
    strcat(form, "\r\n\r\n\r\n--XbX--");
    expect(form, "!");
    memmove(strrchr(form, 'a'), strrchr(form, 'a') + 1, strlen(strrchr(form, 'a'))); /* one less is enough */
    assert_int_equal(said[0], '!');
    (void)read_at(TYPE, form, strlen(form), 10, 20);
    assert_int_equal(said[0], '[');
}

static void test_types(void **state)
{
    static const char *const types[] = {"multipart/form-data",
                                        "multipart/form-data; boundary=",
                                        "multipart/form-data; boundary=\"\"",
                                        "multipart/form-data; boundary=\"a",
                                        "multipart/form-data; boundary=\"a \"",
                                        "multipart/form-data; boundary=a\x01",
                                        "multipart/form-data; boundary=\"a\x80\"",
                                        "multipart/mixed; boundary=a",
                                        "multipart/form-datax; boundary=a",
                                        "text/plain",
                                        "",
                                        ("multipart/form-data; "
                                         "boundary=01234567890123456789012345678901234567890123456789012345678901234567890")};
    struct multipart         multipart;
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        assert_false(multipart_init(&multipart, types[i]));
    assert_false(multipart_init(&multipart, NULL));
    assert_true(
        multipart_init(&multipart, "multipart/form-data;boundary=0123456789012345678901234567890123456789012345678901234567890123456789"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_form), cmocka_unit_test(test_edges),           cmocka_unit_test(test_any_bytes_come_as_they_are),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_what_is_no_form), cmocka_unit_test(test_headers_are_bounded),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
