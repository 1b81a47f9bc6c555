/* Workers over a fake zygote: their life, their death, and that what a hostile one says ends its jail and nothing else. */
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
#include "fake_zygote.h"
#include "fdio.h"
#include "wire.h"
#include "fold.h"
#include "workers.h"

static struct event_base *base;
static struct workers    *workers;
static struct fake_zygote fake;
static int                ups, downs;

/* What was heard of one worker. */
struct ear {
    struct worker      *worker;
    struct bytes        text;
    int                 ready, done, exits, gone, stats;
    int                 exit_status;
    struct worker_death death;
    char                order[64]; /* F: a frame with text, R: raw text, D: done, X: exit, G: gone */
    bool                release_on_frame, respawn_on_exit;
    uint8_t             last_type;
};

static void note(struct ear *ear, char what)
{
    size_t n = strlen(ear->order);
    if (n + 1 < sizeof ear->order)
        ear->order[n] = what;
}

static void on_ready(void *arg)
{
    ((struct ear *)arg)->ready++;
}

static void on_frame(const struct frame *frame, void *arg)
{
    struct ear *ear = arg;
    ear->last_type  = frame->type;
    note(ear, frame->type == EVENT_DONE ? 'D' : 'F');
    if (frame->type == EVENT_STDOUT)
        assert_true(bytes_append(&ear->text, frame->payload, frame->length));
    ear->done += frame->type == EVENT_DONE;
    if (ear->release_on_frame)
        worker_release(ear->worker);
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct ear *ear = arg;
    (void)stream;
    note(ear, 'R');
    assert_true(bytes_append(&ear->text, data, length));
}

static void on_turn(void *arg)
{
    (void)arg;
}

static void on_interpreter_exit(int status, void *arg)
{
    struct ear *ear  = arg;
    ear->exit_status = status;
    ear->exits++;
    note(ear, 'X');
    if (ear->respawn_on_exit)
        worker_respawn(ear->worker);
}

static void on_stats(const struct session_stats *stats, void *arg)
{
    assert_int_equal(stats->memory_bytes, 4096);
    ((struct ear *)arg)->stats++;
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct ear *ear = arg;
    ear->death      = *death;
    ear->gone++;
    ear->worker = NULL;
    note(ear, 'G');
}

static const struct worker_events events = {on_ready, on_frame, on_raw, on_turn, on_interpreter_exit, on_stats, on_gone, NULL};

static void on_zygote(bool up, void *arg)
{
    (void)arg;
    *(up ? &ups : &downs) += 1;
}

static bool is_up(void *arg)
{
    (void)arg;
    return workers_zygote_is_up(workers);
}

static int set_up(void **state)
{
    struct err err = {0};
    (void)state;
    base    = fake_base();
    workers = workers_new(base, on_zygote, NULL, &err);
    assert_non_null(workers);
    fake_zygote_start(&fake, true);
    assert_int_equal(workers_attach_zygote(workers, fake.socket_fd, &err), 0);
    fake_run_until(base, is_up, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    workers_free(workers);
    fake_zygote_stop(&fake);
    event_base_free(base);
    return 0;
}

static void spawn(struct ear *ear)
{
    static const struct worker_limits none = {0};
    struct err                        err  = {0};
    *ear                                   = (struct ear){0};
    ear->worker                            = worker_spawn(workers, &none, &events, ear, &err);
    assert_non_null(ear->worker);
}

static bool is_ready(void *arg)
{
    return ((struct ear *)arg)->ready > 0;
}

static bool is_ready_again(void *arg)
{
    return ((struct ear *)arg)->ready > 1;
}

static bool is_done(void *arg)
{
    return ((struct ear *)arg)->done > 0;
}

static bool is_gone(void *arg)
{
    return ((struct ear *)arg)->gone > 0;
}

static bool has_exited(void *arg)
{
    return ((struct ear *)arg)->exits > 0;
}

static bool has_stats(void *arg)
{
    return ((struct ear *)arg)->stats > 0;
}

static bool is_empty(void *arg)
{
    (void)arg;
    return workers_count(workers) == 0;
}

static void spawn_ready(struct ear *ear)
{
    spawn(ear);
    fake_run_until(base, is_ready, ear);
    assert_int_equal(worker_state(ear->worker), WORKER_IDLE);
}

static void execute(struct ear *ear, uint64_t number, const char *code)
{
    struct err err = {0};
    assert_int_equal(worker_execute(ear->worker, number, NULL, 0, code, strlen(code), &err), 0);
    assert_int_equal(worker_state(ear->worker), WORKER_BUSY);
}

static void expect_text(struct ear *ear, const char *text)
{
    assert_int_equal(ear->text.length, strlen(text));
    assert_memory_equal(ear->text.data, text, ear->text.length);
    bytes_done(&ear->text);
}

static void end(struct ear *ear)
{
    bytes_done(&ear->text);
    worker_release(ear->worker);
    fake_run_until(base, is_empty, NULL);
}

static void test_a_cell(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 5, "print hello");
    fake_run_until(base, is_done, &ear);
    expect_text(&ear, "hello\n");
    assert_string_equal(ear.order, "FD");
    assert_int_equal(worker_state(ear.worker), WORKER_IDLE);
    end(&ear);
    assert_int_equal(ear.gone, 0); /* released: nobody is told */
}

static void test_two_at_once_are_refused(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "wait");
    assert_int_equal(worker_execute(ear.worker, 2, NULL, 0, "ok", 2, &err), -1);
    assert_int_equal(worker_input(ear.worker, "x", 1, &err), -1);
    end(&ear);
}

static void test_interrupt(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "wait");
    fake_run_for(base, 30); /* until it runs */
    worker_interrupt(ear.worker);
    fake_run_until(base, is_done, &ear);
    end(&ear);
}

static void test_a_long_cell_goes_in_parts(void **state)
{
    static char code[300000];
    struct ear  ear;
    (void)state;
    memset(code, 'z', sizeof code - 1);
    memcpy(code, "print ", 6);
    spawn_ready(&ear);
    execute(&ear, 1, code);
    fake_run_until(base, is_done, &ear);
    assert_true(ear.text.length > 60000);
    end(&ear);
}

static void test_raw_text_keeps_its_order(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    for (uint64_t i = 1; i < 50; i++) {
        ear.done = 0;
        memset(ear.order, 0, sizeof ear.order);
        execute(&ear, i, "raw before");
        fake_run_until(base, is_done, &ear);
        expect_text(&ear, "beforeafter");
        assert_string_equal(ear.order, "RFD");
    }
    end(&ear);
}

static void test_a_flood_is_taken_in_turns(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "flood 5000");
    fake_run_until(base, is_done, &ear);
    assert_int_equal(ear.text.length, 5000000);
    end(&ear);
}

static void expect_death(const char *code, int status)
{
    struct ear ear;
    spawn_ready(&ear);
    ear.respawn_on_exit = true;
    execute(&ear, 1, code);
    fake_run_until(base, is_ready_again, &ear);
    assert_int_equal(ear.exits, 1);
    assert_int_equal(ear.exit_status, status);
    assert_int_equal(ear.gone, 0);
    execute(&ear, 2, "print again"); /* the same jail, a fresh interpreter */
    fake_run_until(base, is_done, &ear);
    expect_text(&ear, "again\n");
    end(&ear);
}

static void test_an_interpreter_that_dies_is_replaced(void **state)
{
    (void)state;
    expect_death("exit 3", 3 << 8);
    expect_death("signal 11", SIGSEGV);
}

static void test_half_a_frame_does_not_spoil_the_next_interpreter(void **state)
{
    (void)state;
    expect_death("half", SIGSEGV);
}

static void test_killing_the_interpreter(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "stubborn");
    fake_run_for(base, 30);
    worker_interrupt(ear.worker);
    fake_run_for(base, 30);
    assert_int_equal(ear.done + ear.exits, 0);
    worker_kill_interpreter(ear.worker);
    fake_run_until(base, has_exited, &ear);
    assert_int_equal(worker_state(ear.worker), WORKER_ABSENT);
    end(&ear);
}

static void test_an_interpreter_that_cannot_be_killed_costs_its_jail(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "mute");
    fake_run_for(base, 30);
    worker_kill_interpreter(ear.worker);
    fake_run_until(base, is_gone, &ear);
    assert_non_null(strstr(ear.death.reason, "did not end"));
    fake_run_until(base, is_empty, NULL);
}

static void test_hostile_frames_end_the_jail_with_a_reason(void **state)
{
    static const char *const codes[] = {"junk", "giant", "unknown", "flags", "early", "other", "twice"};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct ear ear, neighbour;
        spawn_ready(&neighbour);
        spawn_ready(&ear);
        execute(&ear, 1, codes[i]);
        fake_run_until(base, is_gone, &ear);
        assert_true(ear.death.reason[0] != '\0');
        assert_int_equal(ear.exits, 0);
        bytes_done(&ear.text);
        execute(&neighbour, 1, "print fine");
        fake_run_until(base, is_done, &neighbour);
        expect_text(&neighbour, "fine\n");
        end(&neighbour);
    }
}

static void test_a_jail_that_ends_says_its_last_words_first(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "gone");
    fake_run_until(base, is_gone, &ear);
    assert_true(WIFEXITED(ear.death.status) && WEXITSTATUS(ear.death.status) == 7);
    assert_string_equal(ear.death.reason, "");
    assert_string_equal(ear.order, "G");
    fake_run_until(base, is_empty, NULL);
}

static void test_a_spawn_that_fails(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&fake, 'F', 1);
    fake_run_for(base, 20);
    spawn(&ear);
    fake_run_until(base, is_gone, &ear);
    assert_true(ear.death.spawn_failed);
    assert_string_equal(ear.death.reason, "told to fail");
}

static void test_a_spawn_without_its_descriptors(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&fake, 'N', 1);
    fake_run_for(base, 20);
    spawn(&ear);
    fake_run_until(base, is_gone, &ear);
    assert_true(ear.death.spawn_failed);
    assert_non_null(strstr(ear.death.reason, "open files"));
}

static void test_a_session_that_dies_before_it_is_ready(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&fake, 'D', 1);
    fake_run_for(base, 20);
    spawn(&ear);
    fake_run_until(base, is_gone, &ear);
    assert_int_equal(ear.ready, 0);
    fake_run_until(base, is_empty, NULL);
}

static void test_release_at_every_moment(void **state)
{
    struct ear ear;
    (void)state;
    spawn(&ear);
    worker_release(ear.worker); /* before it is made */
    fake_run_until(base, is_empty, NULL);
    spawn_ready(&ear);
    execute(&ear, 1, "flood 100");
    ear.release_on_frame = true; /* inside a callback */
    fake_run_until(base, is_empty, NULL);
    assert_int_equal(ear.gone, 0);
    bytes_done(&ear.text);
    spawn_ready(&ear);
    execute(&ear, 1, "exit 0");
    fake_run_until(base, has_exited, &ear);
    end(&ear); /* while the interpreter is absent */
}

static void test_ending_tells_the_reason(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    worker_end(ear.worker, "because");
    assert_int_equal(ear.gone, 0); /* not before its processes are gone */
    fake_run_until(base, is_gone, &ear);
    assert_string_equal(ear.death.reason, "because");
}

static void test_a_zygote_that_does_not_kill(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    fake_zygote_command(&fake, 'K', 1);
    fake_run_for(base, 20);
    worker_end(ear.worker, "because");
    fake_run_until(base, is_gone, &ear); /* the owner is not kept waiting for ever */
}

static void test_stats(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    assert_true(worker_ask_stats(ear.worker));
    fake_run_until(base, has_stats, &ear);
    end(&ear);
}

static void test_the_zygote_may_die(void **state)
{
    struct ear living, unborn;
    struct err err = {0};
    (void)state;
    spawn_ready(&living);
    ups = downs = 0;
    assert_int_equal(kill(fake.pid, SIGSTOP), 0);
    spawn(&unborn);
    fake_zygote_crash(&fake);
    fake_run_until(base, is_gone, &unborn);
    assert_true(unborn.death.spawn_failed);
    assert_int_equal(downs, 1);
    assert_false(worker_ask_stats(living.worker));
    execute(&living, 1, "print alive");
    fake_run_until(base, is_done, &living);
    expect_text(&living, "alive\n");

    fake_zygote_start(&fake, true);
    assert_int_equal(workers_attach_zygote(workers, fake.socket_fd, &err), 0);
    fake_run_until(base, is_up, NULL);
    worker_end(living.worker, "adopted"); /* by the new one, which can end it */
    fake_run_until(base, is_gone, &living);
    assert_string_equal(living.death.reason, "adopted");
}

static void test_sessions_can_be_ended_while_the_zygote_is_away(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    fake_zygote_crash(&fake);
    fake_run_for(base, 30);
    worker_end(ear.worker, "alone");
    fake_run_until(base, is_gone, &ear);
}

static void test_what_the_zygote_should_not_say(void **state)
{
    struct ear ear;
    (void)state;
    fake_zygote_command(&fake, 'U', 0); /* logged, and ignored */
    spawn_ready(&ear);
    downs = 0;
    fake_zygote_command(&fake, 'B', 0); /* the connection can't be trusted any more */
    fake_run_for(base, 50);
    assert_int_equal(downs, 1);
    assert_false(workers_zygote_is_up(workers));
    end(&ear);
}

static void test_input(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "input");
    while (worker_state(ear.worker) != WORKER_INPUT)
        fake_run_for(base, 5);
    assert_int_equal(worker_input(ear.worker, "Ada", 3, &err), 0);
    fake_run_until(base, is_done, &ear);
    expect_text(&ear, "Ada");
    end(&ear);
}

static void test_late_text_is_heard_and_can_be_held_back(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "late there");
    fake_run_until(base, is_done, &ear);
    fake_run_for(base, 20);
    expect_text(&ear, "there");
    ear.done = 0;
    worker_pause(ear.worker);
    execute(&ear, 2, "ok"); /* a new cell reads again */
    fake_run_until(base, is_done, &ear);
    end(&ear);
}

/* ---- while descriptors are scarce ---- */

static void expect_print(struct ear *ear, uint64_t number, const char *what)
{
    char code[64], text[64];
    (void)snprintf(code, sizeof code, "print %s", what);
    (void)snprintf(text, sizeof text, "%s\n", what);
    ear->done = 0;
    execute(ear, number, code);
    fake_run_until(base, is_done, ear);
    expect_text(ear, text);
}

static size_t open_count(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static bool fold(size_t count)
{
    return folds_make_room(workers_folds(workers), count * FOLD_DESCRIPTORS);
}

static bool is_said(void *arg)
{
    return ((struct ear *)arg)->text.length > 0;
}

static void test_an_idle_worker_gives_its_pipes_away_and_gets_them_back(void **state)
{
    struct ear ear;
    size_t     before;
    (void)state;
    spawn_ready(&ear);
    before = open_count();
    assert_true(fold(1));
    assert_int_equal(open_count(), before - FOLD_DESCRIPTORS);
    assert_false(fold(1)); /* it rests no more */
    for (uint64_t n = 1; n <= 3; n++) {
        ear.done = 0;
        execute(&ear, n, "raw between ");
        assert_false(fold(1)); /* nor while it is used */
        fake_run_until(base, is_done, &ear);
        expect_text(&ear, "between after");
        assert_int_equal(open_count(), before);
        assert_true(fold(1));
    }
    assert_string_equal(ear.order, "RFDRFDRFD");
    end(&ear);
}

static void test_what_is_said_while_folded_is_heard(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "folded there");
    fake_run_until(base, is_done, &ear);
    assert_true(fold(1));
    fake_run_until(base, is_said, &ear);
    expect_text(&ear, "therethere");
    assert_string_equal(ear.order, "DRF");
    assert_true(fold(1));
    end(&ear);
}

static void test_one_that_is_paused_is_not_woken_by_what_it_says(void **state)
{
    struct ear ear;
    (void)state;
    spawn_ready(&ear);
    execute(&ear, 1, "folded unread ");
    fake_run_until(base, is_done, &ear);
    worker_pause(ear.worker);
    assert_true(fold(1));
    fake_run_for(base, 30);
    assert_int_equal(ear.text.length, 0);
    ear.done = 0;
    execute(&ear, 2, "print until now"); /* reads again, and asks */
    fake_run_until(base, is_done, &ear);
    expect_text(&ear, "unread unread until now\n");
    end(&ear);
}

static void test_an_interpreter_that_dies_folded_is_mourned_when_its_last_words_are_read(void **state)
{
    struct ear ear;
    struct err err = {0};
    (void)state;
    spawn_ready(&ear);
    assert_true(fold(1));
    worker_kill_interpreter(ear.worker);
    fake_run_until(base, has_exited, &ear);
    assert_int_equal(ear.exit_status, SIGKILL);
    assert_int_equal(worker_state(ear.worker), WORKER_ABSENT);
    assert_int_equal(worker_execute(ear.worker, 1, NULL, 0, "ok", 2, &err), -1);
    worker_respawn(ear.worker);
    fake_run_until(base, is_ready_again, &ear);
    assert_true(fold(1));
    execute(&ear, 2, "exit 3"); /* asked for, and dead before the answer */
    ear.exits = 0;
    fake_run_until(base, has_exited, &ear);
    assert_int_equal(ear.exit_status, 3 << 8);
    assert_false(fold(1));
    end(&ear);
}

static void test_descriptors_that_find_no_room_are_asked_for_again(void **state)
{
    struct ear ear, other;
    (void)state;
    spawn_ready(&other);
    spawn_ready(&ear);
    execute(&ear, 1, "lose 2");
    fake_run_until(base, is_done, &ear);
    assert_true(fold(2));
    execute(&other, 1, "ok");
    fake_run_until(base, is_done, &other);
    expect_print(&ear, 2, "at last");
    assert_false(fold(2)); /* the other has made room */
    worker_release(other.worker);
    end(&ear);
}

static void test_a_folded_worker_can_be_released(void **state)
{
    struct ear ears[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        spawn_ready(&ears[i]);
    assert_true(fold(3));
    worker_release(ears[0].worker);
    execute(&ears[1], 1, "wait");
    worker_release(ears[1].worker); /* asked for */
    worker_end(ears[2].worker, "enough");
    fake_run_until(base, is_gone, &ears[2]);
    fake_run_until(base, is_empty, NULL);
}

static void test_the_least_recently_used_goes_first(void **state)
{
    struct ear ears[4];
    struct err err = {0};
    (void)state;
    for (int i = 0; i < 4; i++)
        spawn_ready(&ears[i]);
    for (int i = 3; i >= 0; i--) {
        execute(&ears[i], 1, "ok");
        fake_run_until(base, is_done, &ears[i]);
        ears[i].done = 0;
    }
    assert_true(fold(2)); /* 3 and 2 */
    assert_int_equal(folds_resting(workers_folds(workers)), 2);
    execute(&ears[0], 2, "ok"); /* has its pipes */
    execute(&ears[1], 2, "ok");
    assert_int_equal(folds_resting(workers_folds(workers)), 0);
    fake_run_until(base, is_done, &ears[0]);
    fake_run_until(base, is_done, &ears[1]);
    assert_int_equal(folds_resting(workers_folds(workers)), 2);
    assert_int_equal(worker_execute(ears[3].worker, 2, NULL, 0, "ok", 2, &err), 0);
    for (int i = 0; i < 3; i++)
        worker_release(ears[i].worker);
    end(&ears[3]);
}

/* ---- several in one jail ---- */

static void begin_fork(struct ear *ear, struct ear *parent, int32_t copy)
{
    struct err err = {0};
    *ear           = (struct ear){0};
    ear->worker    = worker_fork(parent->worker, copy, true, &events, ear, &err);
    assert_non_null(ear->worker);
}

static void fork_ready(struct ear *ear, struct ear *parent)
{
    begin_fork(ear, parent, 5);
    fake_run_until(base, is_ready, ear);
}

static bool is_alone(void *arg)
{
    return worker_family(((struct ear *)arg)->worker) == 1;
}

static void test_a_fork_has_pipes_of_its_own(void **state)
{
    struct ear parent, child, grandchild;
    (void)state;
    spawn_ready(&parent);
    fork_ready(&child, &parent);
    fork_ready(&grandchild, &child);
    assert_int_equal(worker_family(parent.worker), 3);
    assert_true(worker_is_relative(parent.worker, grandchild.worker));
    assert_int_equal(workers_count(workers), 1);
    expect_print(&child, 1, "child");
    expect_print(&grandchild, 1, "grandchild");
    expect_print(&parent, 1, "parent");
    assert_int_equal(child.done + grandchild.done + parent.done, 3);
}

static void test_members_end_one_by_one_in_any_order(void **state)
{
    struct ear ears[3];
    (void)state;
    for (int first = 0; first < 3; first++) {
        spawn_ready(&ears[0]);
        fork_ready(&ears[1], &ears[0]);
        fork_ready(&ears[2], &ears[0]);
        worker_end(ears[first].worker, "enough");
        fake_run_until(base, is_gone, &ears[first]);
        assert_string_equal(ears[first].death.reason, "enough");
        expect_print(&ears[(first + 1) % 3], 7, "still");
        worker_release(ears[(first + 1) % 3].worker);
        fake_run_until(base, is_alone, &ears[(first + 2) % 3]);
        expect_print(&ears[(first + 2) % 3], 8, "here");
        worker_release(ears[(first + 2) % 3].worker);
        fake_run_until(base, is_empty, NULL);
    }
}

static void test_all_members_go_with_the_jail(void **state)
{
    struct ear parent, child;
    (void)state;
    spawn_ready(&parent);
    fork_ready(&child, &parent);
    execute(&parent, 1, "gone");
    fake_run_until(base, is_gone, &parent);
    fake_run_until(base, is_gone, &child);
    fake_run_until(base, is_empty, NULL);
}

static void test_a_hostile_member_ends_alone(void **state)
{
    struct ear parent, child;
    (void)state;
    spawn_ready(&parent);
    fork_ready(&child, &parent);
    execute(&child, 1, "junk");
    fake_run_until(base, is_gone, &child);
    expect_print(&parent, 1, "unharmed");
}

static void test_a_fork_that_fails(void **state)
{
    struct ear parent, child;
    (void)state;
    spawn_ready(&parent);
    begin_fork(&child, &parent, 13);
    fake_run_until(base, is_gone, &child);
    assert_true(child.death.spawn_failed);
    assert_non_null(strstr(child.death.reason, "no fork could be made"));
    assert_int_equal(worker_family(parent.worker), 1);
    expect_print(&parent, 1, "unharmed");
}

static void test_a_fork_that_is_not_wanted_any_more(void **state)
{
    struct ear parent, child;
    (void)state;
    spawn_ready(&parent);
    begin_fork(&child, &parent, 14);
    worker_release(child.worker);
    fork_ready(&child, &parent);
    begin_fork(&child, &parent, 14);
    worker_release(parent.worker); /* the fork that never becomes ready keeps the jail */
    worker_release(child.worker);
    fake_run_for(base, 50);
    assert_int_equal(workers_count(workers), 1); /* and the one that is forgotten here */
}

static void test_a_jail_holds_so_many(void **state)
{
    struct ear parent, children[FAMILY_MAX];
    struct err err = {0};
    (void)state;
    spawn_ready(&parent);
    for (int i = 1; i < FAMILY_MAX; i++)
        fork_ready(&children[i], &parent);
    assert_null(worker_fork(parent.worker, 5, true, &events, &children[0], &err));
    assert_int_equal(err.code, EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_cell, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_at_once_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_long_cell_goes_in_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_raw_text_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_is_taken_in_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interpreter_that_dies_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_frame_does_not_spoil_the_next_interpreter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killing_the_interpreter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interpreter_that_cannot_be_killed_costs_its_jail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_frames_end_the_jail_with_a_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_jail_that_ends_says_its_last_words_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_spawn_that_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_spawn_without_its_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_session_that_dies_before_it_is_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_release_at_every_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ending_tells_the_reason, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_zygote_that_does_not_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_zygote_may_die, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sessions_can_be_ended_while_the_zygote_is_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_the_zygote_should_not_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_text_is_heard_and_can_be_held_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_idle_worker_gives_its_pipes_away_and_gets_them_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_said_while_folded_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_paused_is_not_woken_by_what_it_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interpreter_that_dies_folded_is_mourned_when_its_last_words_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors_that_find_no_room_are_asked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_folded_worker_can_be_released, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_least_recently_used_goes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_fork_has_pipes_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_members_end_one_by_one_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_members_go_with_the_jail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_hostile_member_ends_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_fork_that_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_fork_that_is_not_wanted_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_jail_holds_so_many, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
