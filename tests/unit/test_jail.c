/* Several workers in one jail, over a fake zygote. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bytes.h"
#include "ear.h"
#include "fake_loop.h"
#include "fake_zygote.h"
#include "fdio.h"
#include "wire.h"
#include "fold.h"
#include "workers.h"

static void begin_fork(struct ear *ear, struct ear *parent, int32_t copy)
{
    struct err err = {0};
    *ear           = (struct ear){0};
    ear->worker    = worker_fork(parent->worker, copy, true, &ear_events, ear, &err);
    assert_non_null(ear->worker);
}

static void fork_ready(struct ear *ear, struct ear *parent)
{
    begin_fork(ear, parent, 5);
    fake_run_until(ear_base, ear_is_ready, ear);
}

static bool is_alone(void *arg)
{
    return worker_family(((struct ear *)arg)->worker) == 1;
}

static void test_a_fork_has_pipes_of_its_own(void **state)
{
    struct ear parent, child, grandchild;
    (void)state;
    ear_spawn_ready(&parent);
    fork_ready(&child, &parent);
    fork_ready(&grandchild, &child);
    assert_int_equal(worker_family(parent.worker), 3);
    assert_true(worker_is_relative(parent.worker, grandchild.worker));
    assert_int_equal(workers_count(ear_workers), 1);
    ear_expect_print(&child, 1, "child");
    ear_expect_print(&grandchild, 1, "grandchild");
    ear_expect_print(&parent, 1, "parent");
    assert_int_equal(child.done + grandchild.done + parent.done, 3);
}

static void test_members_end_one_by_one_in_any_order(void **state)
{
    struct ear ears[3];
    (void)state;
    for (int first = 0; first < 3; first++) {
        ear_spawn_ready(&ears[0]);
        fork_ready(&ears[1], &ears[0]);
        fork_ready(&ears[2], &ears[0]);
        worker_end(ears[first].worker, "enough");
        fake_run_until(ear_base, ear_is_gone, &ears[first]);
        assert_string_equal(ears[first].death.reason, "enough");
        ear_expect_print(&ears[(first + 1) % 3], 7, "still");
        worker_release(ears[(first + 1) % 3].worker);
        fake_run_until(ear_base, is_alone, &ears[(first + 2) % 3]);
        ear_expect_print(&ears[(first + 2) % 3], 8, "here");
        worker_release(ears[(first + 2) % 3].worker);
        fake_run_until(ear_base, ear_is_empty, NULL);
    }
}

static void test_all_members_go_with_the_jail(void **state)
{
    struct ear parent, child;
    (void)state;
    ear_spawn_ready(&parent);
    fork_ready(&child, &parent);
    ear_execute(&parent, 1, "gone");
    fake_run_until(ear_base, ear_is_gone, &parent);
    fake_run_until(ear_base, ear_is_gone, &child);
    fake_run_until(ear_base, ear_is_empty, NULL);
}

static void test_a_hostile_member_ends_alone(void **state)
{
    struct ear parent, child;
    (void)state;
    ear_spawn_ready(&parent);
    fork_ready(&child, &parent);
    ear_execute(&child, 1, "junk");
    fake_run_until(ear_base, ear_is_gone, &child);
    ear_expect_print(&parent, 1, "unharmed");
}

static void test_a_fork_that_fails(void **state)
{
    struct ear parent, child;
    (void)state;
    ear_spawn_ready(&parent);
    begin_fork(&child, &parent, 13);
    fake_run_until(ear_base, ear_is_gone, &child);
    assert_true(child.death.spawn_failed);
    assert_non_null(strstr(child.death.reason, "no fork could be made"));
    assert_int_equal(worker_family(parent.worker), 1);
    ear_expect_print(&parent, 1, "unharmed");
}

static void test_a_fork_that_is_not_wanted_any_more(void **state)
{
    struct ear parent, child;
    (void)state;
    ear_spawn_ready(&parent);
    begin_fork(&child, &parent, 14);
    worker_release(child.worker);
    fork_ready(&child, &parent);
    begin_fork(&child, &parent, 14);
    worker_release(parent.worker); /* the fork that never becomes ready keeps the jail */
    worker_release(child.worker);
    fake_run_for(ear_base, 50);
    assert_int_equal(workers_count(ear_workers), 1); /* and the one that is forgotten here */
}

static void test_a_jail_holds_so_many(void **state)
{
    struct ear parent, children[FAMILY_MAX];
    struct err err = {0};
    (void)state;
    ear_spawn_ready(&parent);
    for (int i = 1; i < FAMILY_MAX; i++)
        fork_ready(&children[i], &parent);
    assert_null(worker_fork(parent.worker, 5, true, &ear_events, &children[0], &err));
    assert_int_equal(err.code, EAGAIN);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, ear_set_up, ear_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_fork_has_pipes_of_its_own),
        TEST(test_members_end_one_by_one_in_any_order),
        TEST(test_all_members_go_with_the_jail),
        TEST(test_a_hostile_member_ends_alone),
        TEST(test_a_fork_that_fails),
        TEST(test_a_fork_that_is_not_wanted_any_more),
        TEST(test_a_jail_holds_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
