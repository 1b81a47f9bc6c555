/* Text: what is not UTF-8 is replaced as CPython's errors="replace" does it, wherever reads cut it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "text.h"

/* In hexadecimal: bytes, and what bytes.decode("utf-8", "replace").encode() of CPython 3.11 makes of them. */
static const struct {
    const char *bytes, *repaired;
} CASES[] = {
    {"", ""},
    {"80", "efbfbd"},
    {"bfbf", "efbfbdefbfbd"},
    {"c0af", "efbfbdefbfbd"},
    {"c181", "efbfbdefbfbd"},
    {"e080af", "efbfbdefbfbdefbfbd"},
    {"e09fbf", "efbfbdefbfbdefbfbd"},
    {"f08080af", "efbfbdefbfbdefbfbdefbfbd"},
    {"f08fbfbf", "efbfbdefbfbdefbfbdefbfbd"},
    {"eda080", "efbfbdefbfbdefbfbd"},
    {"edbfbf", "efbfbdefbfbdefbfbd"},
    {"eda0bdedb880", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"f4908080", "efbfbdefbfbdefbfbdefbfbd"},
    {"f5808080", "efbfbdefbfbdefbfbdefbfbd"},
    {"fffe", "efbfbdefbfbd"},
    {"c3", "efbfbd"},
    {"e4b8", "efbfbd"},
    {"f09f98", "efbfbd"},
    {"e4b861", "efbfbd61"},
    {"f09f98f09f9880", "efbfbdf09f9880"},
    {"61c362", "61efbfbd62"},
    {"c3a9c3", "c3a9efbfbd"},
    {"f888808080", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"fc8480808080", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"efbfbeefbfbf", "efbfbeefbfbf"},
    {"00", "00"},
    {"e280a8", "e280a8"},
    {"f48fbfbf", "f48fbfbf"},
    {"303132333435363738396162636465f09f9880", "303132333435363738396162636465f09f9880"},
    {"30313233343536373839616263646566e4b8", "30313233343536373839616263646566efbfbd"},
    {"9fed808ff590", "efbfbded808fefbfbdefbfbd"},
    {"ff80f4bf808f", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"ee8fc18ff5ee80", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"c1ff", "efbfbdefbfbd"},
    {"ff", "efbfbd"},
    {"80c180f59fdfee", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"f590ff", "efbfbdefbfbdefbfbd"},
    {"f5a090ffff", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"e190f58f", "efbfbdefbfbdefbfbd"},
    {"00", "00"},
    {"f1f5eee0", "efbfbdefbfbdefbfbdefbfbd"},
    {"fff0e1dfc1a0c18f", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"f4f1e0f0df", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"90f4", "efbfbdefbfbd"},
    {"a0e09ff1ee808f", "efbfbdefbfbdefbfbdefbfbdee808f"},
    {"ffe0e0e100f1fff08f", "efbfbdefbfbdefbfbdefbfbd00efbfbdefbfbdefbfbdefbfbd"},
    {"c2f1", "efbfbdefbfbd"},
    {"80df", "efbfbdefbfbd"},
    {"dfede141f0e1a000", "efbfbdefbfbdefbfbd41efbfbdefbfbd00"},
    {"f180", "efbfbd"},
    {"df9fc1ed", "df9fefbfbdefbfbd"},
    {"f18fa0f0edf5c2", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"eef5c2", "efbfbdefbfbdefbfbd"},
    {"e1edc19f8fa09f", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"c141f1ff", "efbfbd41efbfbdefbfbd"},
    {"c2df41", "efbfbdefbfbd41"},
    {"eef5e1", "efbfbdefbfbdefbfbd"},
    {"9ff40080f0f5", "efbfbdefbfbd00efbfbdefbfbdefbfbd"},
    {"ededed90f1ed80", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"8fbff0a0", "efbfbdefbfbdefbfbd"},
    {"e000", "efbfbd00"},
    {"90", "efbfbd"},
    {"ff", "efbfbd"},
    {"f590e1", "efbfbdefbfbdefbfbd"},
    {"8f", "efbfbd"},
    {"00ed9fc2", "00efbfbdefbfbd"},
    {"00e1f19090f1", "00efbfbdefbfbdefbfbd"},
    {"f1f1df8f9f90e0c2", "efbfbdefbfbddf8fefbfbdefbfbdefbfbdefbfbd"},
    {"a0f441bff4e19ff5", "efbfbdefbfbd41efbfbdefbfbdefbfbdefbfbd"},
    {"f4", "efbfbd"},
    {"8fc2f4e1a0", "efbfbdefbfbdefbfbdefbfbd"},
    {"c1f5f5f4e0c1", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"c1edc1bf", "efbfbdefbfbdefbfbdefbfbd"},
    {"f1e14141c2f1c2bf00", "efbfbdefbfbd4141efbfbdefbfbdc2bf00"},
    {"f0e1e18fc190", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"f1bfe0bf", "efbfbdefbfbd"},
    {"000041f1e18f90ed", "000041efbfbde18f90efbfbd"},
    {"f1a0eee0", "efbfbdefbfbdefbfbd"},
    {"edf0", "efbfbdefbfbd"},
    {"8fa0a09f419fff", "efbfbdefbfbdefbfbdefbfbd41efbfbdefbfbd"},
    {"9f0000f1e19ff5f5", "efbfbd0000efbfbdefbfbdefbfbdefbfbd"},
    {"414190", "4141efbfbd"},
    {"9feebfbf41c2bfdff4", "efbfbdeebfbf41c2bfefbfbdefbfbd"},
    {"ffe0c2f5", "efbfbdefbfbdefbfbdefbfbd"},
    {"9f80e1f0fff4ee", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"9ff59ff4f441f0a000", "efbfbdefbfbdefbfbdefbfbdefbfbd41efbfbd00"},
    {"9f", "efbfbd"},
    {"9ff100", "efbfbdefbfbd00"},
    {"f580", "efbfbdefbfbd"},
    {"f4f4f5f190f5", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"c1", "efbfbd"},
    {"c28090f4", "c280efbfbdefbfbd"},
    {"f5418ff0e000f400", "efbfbd41efbfbdefbfbdefbfbd00efbfbd00"},
    {"bfc2f0f4f5f1f4c1f4", "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"f5bff09fee", "efbfbdefbfbdefbfbdefbfbd"},
    {"edf0", "efbfbdefbfbd"},
    {"8fc1ee8fbfdf", "efbfbdefbfbdee8fbfefbfbd"},
    {"9fe1", "efbfbdefbfbd"},
    {"c29ff0", "c29fefbfbd"},
    {"90edf1a0", "efbfbdefbfbdefbfbd"},
    {"a0eef4ed", "efbfbdefbfbdefbfbdefbfbd"},
    {"eebfe1e08fe1", "efbfbdefbfbdefbfbdefbfbdefbfbd"},
    {"e0", "efbfbd"},
    {"f0f041ede0f400dff4", "efbfbdefbfbd41efbfbdefbfbdefbfbd00efbfbdefbfbd"},
    {"90c1", "efbfbdefbfbd"},
    {"8fc2", "efbfbdefbfbd"},
    {"80a0c29fee", "efbfbdefbfbdc29fefbfbd"},
    {"ed9ff5f4ff", "efbfbdefbfbdefbfbdefbfbd"},
    {"e08fc280a0ee8fc2", "efbfbdefbfbdc280efbfbdefbfbdefbfbd"},
    {"8f", "efbfbd"},
};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

static size_t from_hex(const char *hex, char *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i]       = (char)strtoul(pair, NULL, 16);
    }
    return n;
}

static void expect(const struct bytes *got, const char *want, size_t want_length)
{
    assert_int_equal(got->length, want_length);
    if (want_length > 0)
        assert_memory_equal(got->data, want, want_length);
}

static void invalid_bytes_are_replaced_as_python_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char         in[64], want[256];
        size_t       length = from_hex(CASES[i].bytes, in), want_length = from_hex(CASES[i].repaired, want);
        struct bytes out = {0};
        assert_true(text_repair(&out, in, length));
        expect(&out, want, want_length);
        assert_int_equal(text_valid(in, length) == length, length == want_length && memcmp(in, want, length) == 0);
        assert_int_equal(text_valid(want, want_length), want_length);
        bytes_done(&out);
    }
}

static void repair_pair(struct bytes *out, struct text_carry *carry, const char *data, size_t length)
{
    struct text_pair pair = text_carry_join(carry, data, length);
    assert_true(text_repair(out, pair.slice[0].data, pair.slice[0].length));
    assert_true(text_repair(out, pair.slice[1].data, pair.slice[1].length));
}

static void repair_end(struct bytes *out, struct text_carry *carry)
{
    char              bytes[4];
    struct text_slice slice = text_carry_end(carry, bytes);
    assert_true(text_repair(out, slice.data, slice.length));
    assert_int_equal(carry->length, 0);
}

static void reads_cut_at_two_points_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char   in[64], want[256];
        size_t length = from_hex(CASES[i].bytes, in), want_length = from_hex(CASES[i].repaired, want);
        for (size_t a = 0; a <= length; a++) {
            for (size_t b = a; b <= length; b++) {
                struct text_carry carry = {0};
                struct bytes      out   = {0};
                repair_pair(&out, &carry, in, a);
                repair_pair(&out, &carry, in + a, b - a);
                repair_pair(&out, &carry, in + b, length - b);
                repair_end(&out, &carry);
                expect(&out, want, want_length);
                bytes_done(&out);
            }
        }
    }
}

static void byte_by_byte_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASE_COUNT; i++) {
        char              in[64], want[256];
        size_t            length = from_hex(CASES[i].bytes, in), want_length = from_hex(CASES[i].repaired, want);
        struct text_carry carry = {0};
        struct bytes      out   = {0};
        for (size_t at = 0; at < length; at++)
            repair_pair(&out, &carry, in + at, 1);
        repair_end(&out, &carry);
        expect(&out, want, want_length);
        bytes_done(&out);
    }
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void every_code_point_is_judged_right(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x1fffff; c++) {
        char   out[4];
        size_t n     = encode(c, out);
        bool   valid = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff), incomplete;
        assert_int_equal(text_valid(out, n) == n, valid);
        if (!valid)
            continue;
        assert_int_equal(text_character(out, n, &incomplete), n);
        for (size_t cut = 1; cut < n; cut++) {
            assert_int_equal(text_character(out, cut, &incomplete), -(int)cut);
            assert_true(incomplete);
        }
    }
}

static void a_cut_never_splits_a_character(void **state)
{
    static const char TEXT[] = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z\xff\x80\x80\x80\x80";
    static const int  WANT[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 12, 13, 14, 15, 16};
    (void)state;
    for (size_t max = 0; max <= sizeof TEXT - 1; max++)
        assert_int_equal(text_cut(TEXT, sizeof TEXT - 1, max), WANT[max]);
    assert_int_equal(text_cut(TEXT, sizeof TEXT - 1, 1000), sizeof TEXT - 1);
}

static void ascii_is_found_at_every_length(void **state)
{
    char text[100];
    (void)state;
    for (size_t length = 0; length < sizeof text; length++) {
        for (size_t at = 0; at <= length; at++) {
            memset(text, 'x', sizeof text);
            if (at < length)
                text[at] = '\x80';
            assert_int_equal(text_ascii(text, length), at);
            assert_int_equal(text_valid(text, length), at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_bytes_are_replaced_as_python_does),
        cmocka_unit_test(reads_cut_at_two_points_change_nothing),
        cmocka_unit_test(byte_by_byte_changes_nothing),
        cmocka_unit_test(every_code_point_is_judged_right),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(ascii_is_found_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
