/* What is still known of sessions that are over: for an hour, of so many, and in memory that stops growing. */
#define _GNU_SOURCE
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ended.h"

static struct id id_of(uint64_t n)
{
    struct id id = {0};
    memcpy(id.bytes, &n, sizeof n);
    return id;
}

static void add(struct ended *ended, uint64_t first, uint64_t count, int64_t ended_ms)
{
    for (uint64_t n = first; n < first + count; n++) {
        const struct ended_session session = {.id = id_of(n), .reason = "deleted", .ended_ms = ended_ms};
        ended_add(ended, &session);
    }
}

static bool knows(const struct ended *ended, uint64_t n)
{
    const struct id id = id_of(n);
    return ended_find(ended, &id) != NULL;
}

static void test_the_newest_are_known(void **state)
{
    struct ended *ended = ended_new();
    (void)state;
    add(ended, 0, ENDED_MAX, 1);
    assert_true(knows(ended, 0));
    add(ended, ENDED_MAX, 10, 1);
    assert_false(knows(ended, 9));
    assert_true(knows(ended, 10));
    assert_true(knows(ended, ENDED_MAX + 9));
    ended_free(ended);
}

static void test_for_an_hour(void **state)
{
    struct ended *ended = ended_new();
    (void)state;
    add(ended, 1, 1, 1000);
    add(ended, 2, 1, 2000);
    ended_sweep(ended, 1000 + ENDED_KEEP_MS);
    assert_true(knows(ended, 1));
    ended_sweep(ended, 1001 + ENDED_KEEP_MS);
    assert_false(knows(ended, 1));
    assert_true(knows(ended, 2));
    ended_free(ended);
}

static void test_a_hundred_thousand_need_no_more_than_the_first(void **state)
{
    struct ended *ended = ended_new();
    size_t        full, after;
    (void)state;
    add(ended, 0, ENDED_MAX, 1);
    full = mallinfo2().uordblks;
    add(ended, ENDED_MAX, 100000, 1);
    after = mallinfo2().uordblks;
    assert_true(after <= full + 4096);
    ended_free(ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_are_known),
        cmocka_unit_test(test_for_an_hour),
        cmocka_unit_test(test_a_hundred_thousand_need_no_more_than_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
