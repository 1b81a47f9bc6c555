/* API keys, quotas and turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tenants.h"
#include "turn.h"

#define DIGEST_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */
#define DIGEST_OF_FOX "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592" /* of FOX */
#define FOX           "The quick brown fox jumps over the lazy dog"

static struct config config;
static struct err    err;

static struct tenants *load(const char *text)
{
    struct tenants *tenants = tenants_new(&config, &err);
    assert_non_null(tenants);
    if (tenants_load(tenants, text, strlen(text), &err) < 0) {
        tenants_free(tenants);
        return NULL;
    }
    return tenants;
}

static int clean(void **state)
{
    (void)state;
    memset(&config, 0, sizeof config);
    strcpy(config.keys_file, "/keys");
    err.message[0] = '\0';
    return 0;
}

static void test_keys_are_found(void **state)
{
    struct tenants *tenants = load("# who\n\nalice:" DIGEST_OF_ABC "\r\n  bob:" DIGEST_OF_FOX "  sessions=3 cpu=5");
    (void)state;
    assert_non_null(tenants);
    assert_true(tenants_are_there(tenants));
    assert_int_equal(tenants_count(tenants), 2);
    assert_string_equal(tenant_name(tenants_find(tenants, "abc", 3)), "alice");
    assert_string_equal(tenant_name(tenants_find(tenants, FOX, strlen(FOX))), "bob");
    assert_int_equal(tenants_find(tenants, FOX, strlen(FOX))->quota.sessions, 3);
    assert_null(tenants_find(tenants, "ab", 2));
    assert_null(tenants_find(tenants, "abcd", 4));
    assert_null(tenants_find(tenants, "", 0));
    assert_string_equal(tenant_name(NULL), "anonymous");
    tenants_free(tenants);
}

static void test_what_options_say_holds_for_lines_that_say_nothing(void **state)
{
    struct tenants *tenants;
    (void)state;
    config.key_sessions = 9;
    config.key_requests = 8;
    tenants             = load("alice:" DIGEST_OF_ABC " requests=0\n");
    assert_int_equal(tenants_find(tenants, "abc", 3)->quota.sessions, 9);
    assert_int_equal(tenants_find(tenants, "abc", 3)->quota.requests, 0);
    tenants_free(tenants);
}

static void test_wrong_lines(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"alice", "line 1: NAME:SHA256"},
        {"\n\nal ice:" DIGEST_OF_ABC, "line 3: NAME:SHA256"},
        {":" DIGEST_OF_ABC, "line 1: a name"},
        {"a/b:" DIGEST_OF_ABC, "line 1: a name"},
        {"alice:abc", "line 1: after the name a SHA-256"},
        {"alice:g" DIGEST_OF_ABC, "line 1: after the name a SHA-256"},
        {"alice:" DIGEST_OF_ABC " sessions", "is not option=value"},
        {"alice:" DIGEST_OF_ABC " sessions=-1", "a number is wanted"},
        {"alice:" DIGEST_OF_ABC " cpu=99999999999999999999", "a number is wanted"},
        {"alice:" DIGEST_OF_ABC " profiles=", "none is given"},
        {"alice:" DIGEST_OF_ABC " access=some", "all, metrics or operator"},
        {"alice:" DIGEST_OF_ABC "\nbob:" DIGEST_OF_ABC, "given twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(load(cases[i].text));
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, err.message, cases[i].message);
    }
}

static void test_a_line_that_is_cut_anywhere_is_no_fault(void **state)
{
    static const char text[]  = "alice:" DIGEST_OF_ABC " sessions=1 executions=2 cpu=3 requests=4 profiles=open,standard access=all\n";
    struct tenants   *tenants = tenants_new(&config, &err);
    (void)state;
    for (size_t n = 0; n <= strlen(text); n++)
        (void)tenants_load(tenants, text, n, &err);
    assert_string_equal(tenants_find(tenants, "abc", 3)->profile, "open");
    tenants_free(tenants);
}

static void test_reading_again(void **state)
{
    struct tenants *tenants = load("alice:" DIGEST_OF_ABC " sessions=1\n");
    struct tenant  *alice   = tenants_find(tenants, "abc", 3);
    const char     *both = "alice:" DIGEST_OF_ABC "\nalice:" DIGEST_OF_FOX " sessions=7\n", *gone = "bob:" DIGEST_OF_FOX "\n";
    (void)state;
    assert_int_equal(tenants_load(tenants, "nonsense", 8, &err), -1);
    assert_ptr_equal(tenants_find(tenants, "abc", 3), alice);
    assert_int_equal(tenants_load(tenants, both, strlen(both), &err), 0);
    assert_ptr_equal(tenants_find(tenants, "abc", 3), alice);
    assert_ptr_equal(tenants_find(tenants, FOX, strlen(FOX)), alice);
    assert_int_equal(alice->quota.sessions, 7);
    assert_int_equal(tenants_load(tenants, gone, strlen(gone), &err), 0);
    assert_null(tenants_find(tenants, "abc", 3));
    assert_ptr_not_equal(tenants_find(tenants, FOX, strlen(FOX)), alice);
    assert_string_equal(alice->name, "alice"); /* still there for what it owns */
    assert_int_equal(tenants_count(tenants), 1);
    tenants_free(tenants);
}

static void test_environment(void **state)
{
    struct tenants *tenants;
    (void)state;
    config.keys_file[0] = '\0';
    tenants             = tenants_new(&config, &err);
    assert_false(tenants_are_there(tenants));
    tenants_free(tenants);
    strcpy(config.api_keys, "alice:0123456789abcdef, " FOX);
    config.api_keys[24 + 3] = '-'; /* no spaces in a key */
    for (char *c = config.api_keys + 24; *c != '\0'; c++)
        *c = *c == ' ' ? '-' : *c;
    tenants = tenants_new(&config, &err);
    assert_non_null(tenants);
    assert_true(tenants_are_there(tenants));
    assert_string_equal(tenant_name(tenants_find(tenants, "0123456789abcdef", 16)), "alice");
    assert_string_equal(tenant_name(tenants_find(tenants, config.api_keys + 24, strlen(config.api_keys + 24))), "default");
    tenants_free(tenants);
    strcpy(config.api_keys, "alice:short");
    assert_null(tenants_new(&config, &err));
    strcpy(config.api_keys, "alice:0123456789abcdef,bob:0123456789abcdef");
    assert_null(tenants_new(&config, &err));
}

static void test_request_windows(void **state)
{
    struct tenant tenant;
    uint32_t      remaining, reset;
    (void)state;
    tenant_init(&tenant, "t");
    tenant_set_quota(&tenant, &(struct tenant_quota){.requests = 2});
    assert_true(tenant_take_request(&tenant, 1000, &remaining, &reset));
    assert_int_equal(remaining, 1);
    assert_int_equal(reset, 60);
    assert_true(tenant_take_request(&tenant, 30000, &remaining, &reset));
    assert_false(tenant_take_request(&tenant, 60999, &remaining, &reset));
    assert_int_equal(remaining, 0);
    assert_int_equal(reset, 1);
    assert_true(tenant_take_request(&tenant, 61000, &remaining, &reset));
}

static void test_processor_time(void **state)
{
    struct tenant tenant;
    (void)state;
    tenant_init(&tenant, "t");
    tenant_set_quota(&tenant, &(struct tenant_quota){.cpu_s = 6}); /* 100 ms a second */
    assert_int_equal(tenant_check_run(&tenant, true, 0, 1000, &err), 0);
    tenant_charge(&tenant, 5999999, 1000);
    assert_int_equal(tenant_check_run(&tenant, true, 0, 1000, &err), 0);
    tenant_charge(&tenant, 1000001, 1000);
    assert_int_equal(tenant_check_run(&tenant, true, 0, 1000, &err), -1);
    assert_int_equal(tenant_retry_s(&tenant, 1000), 11);
    assert_int_equal(tenant_check_run(&tenant, true, 0, 10900, &err), -1);
    assert_int_equal(tenant_check_run(&tenant, true, 0, 11100, &err), 0);
    assert_int_equal(tenant_check_run(&tenant, true, 0, 1000000, &err), 0);
    assert_true(tenant.cpu_left_us == 6000000); /* never more than a minute's */
    tenant_charge(NULL, 1, 1);
    assert_int_equal(tenant_check_run(NULL, true, 0, 1, &err), 0);
}

static void test_sessions_and_runs(void **state)
{
    struct tenant tenant;
    (void)state;
    tenant_init(&tenant, "t");
    tenant_set_quota(&tenant, &(struct tenant_quota){.sessions = 1, .executions = 1});
    assert_int_equal(tenant_check_sessions(&tenant, 1, &err), 0);
    tenant_count_session(&tenant, 1);
    assert_int_equal(tenant_check_sessions(&tenant, 1, &err), -1);
    tenant_count_session(&tenant, -1);
    assert_int_equal(tenant_check_sessions(&tenant, 1, &err), 0);
    assert_int_equal(tenant_check_run(&tenant, false, 1, 1, &err), 0);
    tenant.line.running = 1;
    assert_int_equal(tenant_check_run(&tenant, false, 1, 1, &err), -1);
    assert_int_equal(tenant_check_run(&tenant, true, 1, 1, &err), 0);
    tenant.line.waiting_count = 1;
    assert_int_equal(tenant_check_run(&tenant, true, 1, 1, &err), -1);
}

/* ---- turns ---- */

static struct turns     turns;
static struct turn_line a, b;
static struct turn      waits[8];

static int new_turns(void **state)
{
    (void)state;
    turns_init(&turns, 2);
    turn_line_init(&a, 0);
    turn_line_init(&b, 0);
    memset(waits, 0, sizeof waits);
    return 0;
}

static void test_the_line_that_has_less_comes_first(void **state)
{
    (void)state;
    assert_true(turns_may_run(&turns, &a));
    turns_on_start(&turns, &a);
    turns_on_start(&turns, &a);
    assert_false(turns_may_run(&turns, &a));
    assert_false(turns_may_run(&turns, &b));
    for (int i = 0; i < 4; i++)
        turns_wait(&turns, &a, &waits[i]);
    turns_wait(&turns, &b, &waits[4]);
    turns_wait(&turns, &b, &waits[4]); /* once is enough */
    assert_int_equal(b.waiting_count, 1);
    assert_null(turns_next(&turns));
    turns_on_stop(&turns, &a);
    assert_ptr_equal(turns_next(&turns), &waits[4]);
    turns_on_start(&turns, &b);
    assert_null(turns_next(&turns));
    turns_on_stop(&turns, &a);
    assert_ptr_equal(turns_next(&turns), &waits[0]);
    assert_ptr_equal(turns_next(&turns), &waits[1]); /* the first did not start */
}

static void test_lines_take_turns(void **state)
{
    int order[6];
    (void)state;
    turns_init(&turns, 1);
    for (int i = 0; i < 6; i++)
        turns_wait(&turns, i < 4 ? &a : &b, &waits[i]);
    for (int i = 0; i < 6; i++) {
        struct turn      *turn = turns_next(&turns);
        struct turn_line *line = turn - waits < 4 ? &a : &b;
        order[i]               = (int)(turn - waits);
        turns_on_start(&turns, line);
        turns_on_stop(&turns, line);
    }
    assert_memory_equal(order, ((int[]){0, 4, 1, 5, 2, 3}), sizeof order);
    assert_null(turns_next(&turns));
}

static void test_a_line_s_own_limit(void **state)
{
    (void)state;
    turns_init(&turns, 0);
    turn_line_init(&a, 1);
    turns_on_start(&turns, &a);
    assert_false(turns_may_run(&turns, &a));
    assert_true(turns_may_run(&turns, &b));
    turns_wait(&turns, &a, &waits[0]);
    turns_wait(&turns, &a, &waits[1]);
    assert_null(turns_next(&turns));
    turns_leave(&turns, &waits[0]);
    turns_leave(&turns, &waits[0]);
    turns_on_stop(&turns, &a);
    assert_ptr_equal(turns_next(&turns), &waits[1]);
    assert_null(turns_next(&turns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keys_are_found, clean),
        cmocka_unit_test_setup(test_what_options_say_holds_for_lines_that_say_nothing, clean),
        cmocka_unit_test_setup(test_wrong_lines, clean),
        cmocka_unit_test_setup(test_a_line_that_is_cut_anywhere_is_no_fault, clean),
        cmocka_unit_test_setup(test_reading_again, clean),
        cmocka_unit_test_setup(test_environment, clean),
        cmocka_unit_test_setup(test_request_windows, clean),
        cmocka_unit_test_setup(test_processor_time, clean),
        cmocka_unit_test_setup(test_sessions_and_runs, clean),
        cmocka_unit_test_setup(test_the_line_that_has_less_comes_first, new_turns),
        cmocka_unit_test_setup(test_lines_take_turns, new_turns),
        cmocka_unit_test_setup(test_a_line_s_own_limit, new_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
