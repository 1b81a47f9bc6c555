/* Which copy a death leads back to, and how much time copies may take. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "checkpoint_budget.h"
#include "checkpoint_line.h"
#include "fake_loop.h"

static struct checkpoints all;

static int set_up(void **state)
{
    (void)state;
    checkpoints_init(&all);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    checkpoints_done(&all);
    return 0;
}

static struct checkpoint *own(uint64_t state)
{
    struct checkpoint *one = checkpoints_add(&all, NULL, (int32_t)(100 + state), state);
    assert_non_null(one);
    return one;
}

static struct checkpoint *named(const char *name, uint64_t state)
{
    struct checkpoint *one = checkpoints_add(&all, name, (int32_t)(100 + state), state);
    assert_non_null(one);
    return one;
}

static void test_a_death_leads_to_the_newest(void **state)
{
    (void)state;
    assert_null(checkpoints_nearest(&all));
    struct checkpoint *first = own(1), *third = own(3);
    assert_ptr_equal(checkpoints_nearest(&all), third);
    checkpoints_lose(&all, third);
    assert_ptr_equal(checkpoints_nearest(&all), first);
    checkpoints_lose(&all, first);
    assert_null(checkpoints_nearest(&all));
}

static void test_one_that_is_awake_or_lost_leads_to_what_was_before(void **state)
{
    (void)state;
    struct checkpoint *one = named("one", 1), *two = named("two", 2), *three = own(3);
    three->status = CHECKPOINT_AWAKE;
    assert_ptr_equal(checkpoints_nearest(&all), two);
    checkpoints_lose(&all, two);
    assert_ptr_equal(checkpoints_nearest(&all), one);
    three->status = CHECKPOINT_PARKED;
    assert_ptr_equal(checkpoints_nearest(&all), three);
}

static void test_removing_one_from_the_middle(void **state)
{
    (void)state;
    struct checkpoint *one = own(1), *two = own(2), *three = own(3);
    checkpoints_remove(&all, two);
    three->status = CHECKPOINT_AWAKE;
    assert_ptr_equal(checkpoints_nearest(&all), one);
    checkpoints_remove(&all, three);
    assert_ptr_equal(checkpoints_nearest(&all), one);
}

static void test_a_branch_that_was_left_is_not_gone_back_to(void **state)
{
    (void)state;
    struct checkpoint *one = named("one", 1), *five = named("five", 5);
    checkpoints_return(&all, one);
    assert_ptr_equal(checkpoints_nearest(&all), one);
    struct checkpoint *six = own(6); /* after one */
    assert_ptr_equal(checkpoints_nearest(&all), six);
    checkpoints_lose(&all, six);
    assert_ptr_equal(checkpoints_nearest(&all), one);
    checkpoints_return(&all, five);
    checkpoints_lose(&all, five);
    assert_ptr_equal(checkpoints_nearest(&all), one); /* five came after one, too */
    checkpoints_leave(&all);
    assert_null(checkpoints_nearest(&all));
}

static void test_two_of_one_state(void **state)
{
    (void)state;
    struct checkpoint *zero = own(1), *one = named("a", 2), *two = named("b", 2);
    assert_true(checkpoints_nearest(&all) == one || checkpoints_nearest(&all) == two);
    checkpoints_remove(&all, one);
    assert_ptr_equal(checkpoints_nearest(&all), two);
    checkpoints_remove(&all, two);
    assert_ptr_equal(checkpoints_nearest(&all), zero);
}

static void test_finding(void **state)
{
    (void)state;
    struct checkpoint *one = named("same", 1), *two = named("same", 2), *given = named("", 3);
    own(4);
    assert_ptr_equal(checkpoints_find(&all, NULL), given);
    assert_ptr_equal(checkpoints_find(&all, "same"), two);
    assert_ptr_equal(checkpoints_find(&all, one->id_text), one);
    assert_ptr_equal(checkpoints_find(&all, given->name), given);
    assert_null(checkpoints_find(&all, ""));
    assert_null(checkpoints_find(&all, "none"));
    assert_int_equal(checkpoints_count_named(&all), 3);
    checkpoints_lose(&all, two);
    assert_ptr_equal(checkpoints_find(&all, "same"), one);
    checkpoints_lose(&all, one);
    assert_non_null(checkpoints_find(&all, "same"));
    assert_int_equal(checkpoints_find(&all, "same")->status, CHECKPOINT_LOST);
    checkpoints_lose(&all, given);
    assert_null(checkpoints_find(&all, NULL));
    assert_int_equal(checkpoints_count_named(&all), 0);
    json_t *written = checkpoints_write(&all);
    assert_int_equal(json_array_size(written), 0);
    json_decref(written);
}

static void test_only_so_many_lost_ones_are_remembered(void **state)
{
    (void)state;
    size_t             count = 0;
    struct checkpoint *one;
    for (uint64_t i = 1; i <= CHECKPOINTS_LOST_MAX * 2; i++)
        checkpoints_lose(&all, named("x", i));
    TAILQ_FOREACH(one, &all.list, entry)
    {
        count++;
    }
    assert_int_equal(count, CHECKPOINTS_LOST_MAX);
}

static void test_names_come_and_go(void **state)
{
    (void)state;
    struct checkpoint *one = own(1);
    assert_ptr_equal(checkpoints_oldest_own(&all, NULL), one);
    assert_null(checkpoints_oldest_own(&all, one));
    checkpoints_name(&all, one, "kept");
    assert_null(checkpoints_oldest_own(&all, NULL));
    assert_ptr_equal(checkpoints_find(&all, "kept"), one);
    checkpoints_unname(one);
    assert_null(checkpoints_find(&all, "kept"));
    one->memory_bytes = 7;
    assert_int_equal(checkpoints_own_bytes(&all), 7);
    one->status = CHECKPOINT_AWAKE;
    assert_int_equal(checkpoints_own_bytes(&all), 0);
    assert_ptr_equal(checkpoints_of_pid(&all, 101), one);
}

static void test_the_budget(void **state)
{
    struct checkpoint_budget budget;
    (void)state;
    checkpoint_budget_init(&budget, 1000, 100, 0, 0);
    assert_true(checkpoint_budget_allows(&budget, 0));
    checkpoint_budget_spend(&budget, 1000);
    assert_true(checkpoint_budget_allows(&budget, 0));
    checkpoint_budget_spend(&budget, 500);
    assert_false(checkpoint_budget_allows(&budget, 10));
    assert_int_equal(checkpoint_budget_wait_us(&budget, 10), 4991);
    assert_false(checkpoint_budget_allows(&budget, 4990));
    assert_int_equal(checkpoint_budget_wait_us(&budget, 5001), 0);
    assert_true(checkpoint_budget_allows(&budget, 1000000)); /* and saves no more than it may */
    checkpoint_budget_spend(&budget, 1001);
    assert_false(checkpoint_budget_allows(&budget, 1000000));
}

static void test_the_smallest_steps_add_up(void **state)
{
    struct checkpoint_budget budget;
    (void)state;
    checkpoint_budget_init(&budget, 1000, 1, 0, 0);
    checkpoint_budget_spend(&budget, 1010);
    for (int64_t now = 0; now < 10000; now++)
        assert_false(checkpoint_budget_allows(&budget, now));
    assert_true(checkpoint_budget_allows(&budget, 10000));
}

static void test_time_that_others_had_does_not_count(void **state)
{
    struct checkpoint_budget budget;
    int64_t                  now = 0;
    (void)state;
    checkpoint_budget_init(&budget, 0, 100, 30, now);
    checkpoint_budget_spend(&budget, 300);
    for (int i = 0; i < 99; i++)
        assert_false(checkpoint_budget_allows(&budget, now += 200)); /* 30 of each */
    assert_true(checkpoint_budget_allows(&budget, now += 200));
    checkpoint_budget_spend(&budget, 600);
    assert_true(checkpoint_budget_allows(&budget, now += 6000)); /* a pause counts whole */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* ---- the line ---- */

enum { PLACES = 30, COST_US = 4000 };

static struct checkpoint_line  line;
static struct checkpoint_place places[PLACES];
static int                     turns[PLACES], turn_count, most_at_once, at_once;

/* What has its turn pays at once, so that only the line holds the others back. */
static void on_turn(void *arg)
{
    struct checkpoint_place *place = arg;
    turns[turn_count++]            = (int)(place - places);
    at_once++;
    most_at_once = at_once > most_at_once ? at_once : most_at_once;
    assert_true(checkpoint_line_ask(&line, place));
    checkpoint_line_pay(&line, place, COST_US);
}

static bool all_had_theirs(void *arg)
{
    at_once = 0; /* another pass of the loop */
    return turn_count == *(int *)arg;
}

static void test_the_line_lets_one_after_the_other_in(void **state)
{
    struct event_base *base = fake_base();
    int                wanted;
    (void)state;
    checkpoint_line_init(&line, base, PLACES * COST_US, 1000); /* all could be paid for at once */
    turn_count = most_at_once = 0;
    for (int i = 0; i < PLACES; i++) {
        places[i] = (struct checkpoint_place){.on_turn = on_turn, .arg = &places[i]};
        if (checkpoint_line_ask(&line, &places[i])) {
            assert_int_equal(i, 0);
            checkpoint_line_pay(&line, &places[i], COST_US);
        }
    }
    assert_false(checkpoint_line_ask(&line, &places[5])); /* it waits already */
    checkpoint_line_leave(&line, &places[3]);
    checkpoint_line_leave(&line, &places[3]);
    wanted = PLACES - 2;
    fake_run_until(base, all_had_theirs, &wanted);
    assert_int_equal(most_at_once, 1);
    for (int i = 1, n = 0; i < PLACES; i++) {
        if (i != 3)
            assert_int_equal(turns[n++], i);
    }
    checkpoint_line_done(&line);
    event_base_free(base);
}

static void test_what_is_not_used_is_given_back(void **state)
{
    struct event_base *base = fake_base();
    int64_t            before;
    (void)state;
    checkpoint_line_init(&line, base, COST_US, 1);
    places[0] = (struct checkpoint_place){.on_turn = on_turn, .arg = &places[0]};
    before    = line.budget.left;
    assert_true(checkpoint_line_ask(&line, &places[0]));
    assert_true(checkpoint_line_ask(&line, &places[0])); /* once */
    assert_int_equal(line.budget.left, before - line.usual_us * 1000);
    checkpoint_line_leave(&line, &places[0]);
    assert_int_equal(line.budget.left, before);
    checkpoint_line_pay(&line, &places[0], COST_US); /* out of turn */
    assert_int_equal(line.budget.left, before - COST_US * 1000);
    assert_true(line.usual_us > 2000 && line.usual_us < COST_US);
    checkpoint_line_done(&line);
    event_base_free(base);
}

/* A worker may say that its copy took as long as we have waited for it. */
static void test_what_one_costs_does_not_keep_the_others_out(void **state)
{
    struct event_base *base   = fake_base();
    int                wanted = 1;
    (void)state;
    checkpoint_line_init(&line, base, COST_US, 100); /* a tenth of the time */
    turn_count = 0;
    for (int i = 0; i < 2; i++)
        places[i] = (struct checkpoint_place){.on_turn = on_turn, .arg = &places[i]};
    assert_true(checkpoint_line_ask(&line, &places[0]));
    checkpoint_line_pay(&line, &places[0], 50 * 1000 * 1000);
    assert_true(line.usual_us <= CHECKPOINT_COST_MOST_US);
    assert_false(checkpoint_line_ask(&line, &places[1]));
    fake_run_until(base, all_had_theirs, &wanted); /* a second, and not eight minutes */
    checkpoint_line_done(&line);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_death_leads_to_the_newest),
        TEST(test_one_that_is_awake_or_lost_leads_to_what_was_before),
        TEST(test_removing_one_from_the_middle),
        TEST(test_a_branch_that_was_left_is_not_gone_back_to),
        TEST(test_two_of_one_state),
        TEST(test_finding),
        TEST(test_only_so_many_lost_ones_are_remembered),
        TEST(test_names_come_and_go),
        TEST(test_the_budget),
        TEST(test_the_smallest_steps_add_up),
        TEST(test_time_that_others_had_does_not_count),
        TEST(test_the_line_lets_one_after_the_other_in),
        TEST(test_what_is_not_used_is_given_back),
        TEST(test_what_one_costs_does_not_keep_the_others_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
