#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "id.h"

static const char sample[] = "01234567-89ab-4def-8123-456789abcdef";

static void test_round_trip(void **state)
{
    struct id id, again;
    char      text[ID_TEXT_BYTES];
    (void)state;
    assert_true(id_parse(sample, &id));
    id_format(&id, text);
    assert_string_equal(text, sample);
    assert_int_equal(id.bytes[0], 0x01);
    assert_int_equal(id.bytes[15], 0xef);
    assert_true(id_parse("01234567-89AB-4DEF-8123-456789ABCDEF", &again));
    assert_memory_equal(&id, &again, sizeof id);
    for (int i = 0; i < 100; i++) {
        id_make(&id);
        id_format(&id, text);
        assert_int_equal(strlen(text), ID_TEXT_BYTES - 1);
        assert_int_equal(text[14], '4');
        assert_true(id_parse(text, &again));
        assert_memory_equal(&id, &again, sizeof id);
    }
}

/* Cut off behind every character, and with every character replaced by one that can't stand there. */
static void test_refused(void **state)
{
    struct id id;
    char      text[64];
    (void)state;
    assert_false(id_parse(NULL, &id));
    for (size_t i = 0; i < strlen(sample); i++) {
        static const char wrong[] = "g/:@`G -\x80";
        memcpy(text, sample, sizeof sample);
        text[i] = '\0';
        assert_false(id_parse(text, &id));
        for (size_t w = 0; w < sizeof wrong - 1; w++) {
            memcpy(text, sample, sizeof sample);
            text[i] = wrong[w];
            assert_int_equal(id_parse(text, &id), sample[i] == '-' && wrong[w] == '-');
        }
    }
    strcat(strcpy(text, sample), "0");
    assert_false(id_parse(text, &id));
    assert_false(id_parse("0123456789ab4def8123456789abcdef", &id));
    assert_false(id_parse("{1234567-89ab-4def-8123-456789abcdef", &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
