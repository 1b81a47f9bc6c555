/* archive.c: what it frames begins as it reads it; what is no archive is told apart at the first block. (tar itself reads it in tests/api.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "archive.h"

static const char MANIFEST[] = "{\"format\":\"x\"}";

static struct bytes whole(void)
{
    struct bytes out = {0};
    assert_true(archive_put(&out, "manifest.json", MANIFEST, sizeof MANIFEST - 1, 1700000000));
    assert_true(archive_put(&out, "end.json", "{}", 2, -5));
    assert_true(archive_put_end(&out));
    assert_int_equal(out.length % ARCHIVE_BLOCK, 0);
    return out;
}

static enum archive_start look(const char *data, size_t length)
{
    const char *text;
    size_t      n;
    return archive_find_manifest(data, length, &text, &n);
}

static void test_found_when_all_of_it_has_come(void **state)
{
    struct bytes out  = whole();
    const char  *text = NULL;
    size_t       length;
    (void)state;
    for (size_t n = 0; n < ARCHIVE_BLOCK + sizeof MANIFEST - 1; n++)
        assert_int_equal(look(out.data, n), ARCHIVE_MORE);
    assert_int_equal(archive_find_manifest(out.data, ARCHIVE_BLOCK + sizeof MANIFEST - 1, &text, &length), ARCHIVE_FOUND);
    assert_int_equal(length, sizeof MANIFEST - 1);
    assert_memory_equal(text, MANIFEST, length);
    bytes_done(&out);
}

static void test_any_changed_bit_of_the_head_is_seen(void **state)
{
    struct bytes out = whole();
    (void)state;
    for (size_t bit = 0; bit < (size_t)ARCHIVE_BLOCK * 8; bit++) {
        char was = out.data[bit / 8];
        if (bit / 8 >= 148 && bit / 8 < 156)
            continue; /* the check itself has more than one spelling */
        out.data[bit / 8] = (char)(was ^ (1 << bit % 8));
        assert_int_equal(look(out.data, out.length), ARCHIVE_WRONG);
        out.data[bit / 8] = was;
    }
    bytes_done(&out);
}

static void test_a_manifest_has_a_limit(void **state)
{
    struct bytes         out   = {0};
    struct archive_entry entry = {"", "manifest.json", ARCHIVE_FILE, 0644, ARCHIVE_MANIFEST_MAX, 0};
    (void)state;
    assert_true(archive_put_head(&out, &entry));
    assert_int_equal(look(out.data, out.length), ARCHIVE_MORE);
    out.length = 0;
    entry.size++;
    assert_true(archive_put_head(&out, &entry));
    assert_int_equal(look(out.data, out.length), ARCHIVE_WRONG);
    bytes_done(&out);
}

static void test_long_names_count_their_own_digits(void **state)
{
    (void)state;
    for (size_t length = 90; length < 1010; length++) {
        char                 path[1024];
        struct bytes         out   = {0};
        struct archive_entry entry = {"files/", path, ARCHIVE_FILE, 0644, 0, 0};
        memset(path, 'n', length);
        path[length] = '\0';
        assert_true(archive_put_head(&out, &entry));
        if (length + 6 <= 100) {
            assert_int_equal(out.length, ARCHIVE_BLOCK);
        } else {
            size_t said = strtoul(out.data + ARCHIVE_BLOCK, NULL, 10);
            assert_int_equal(out.data[ARCHIVE_BLOCK + said - 1], '\n');
            assert_int_equal(said, strtoul(out.data + 124, NULL, 8));
            assert_int_equal(out.data[156], 'x');
        }
        bytes_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_when_all_of_it_has_come),
        cmocka_unit_test(test_any_changed_bit_of_the_head_is_seen),
        cmocka_unit_test(test_a_manifest_has_a_limit),
        cmocka_unit_test(test_long_names_count_their_own_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
