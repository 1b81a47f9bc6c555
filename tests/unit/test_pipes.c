/* pipes.c: text of frames and raw text in the order in which it was written, also when nobody read for a while. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "bytes.h"
#include "pipes.h"
#include "wire.h"

enum { REQUEST, EVENT, OUT, ERROR, PIPE_COUNT };

static struct event_base      *base;
static struct pipes            pipes;
static int                     ends[PIPE_COUNT][2];
static struct bytes            heard; /* what came, in order */
static const struct frame_rule RULES[256] = {[EVENT_STDOUT] = {FRAME_PAYLOAD_MAX, true}, [EVENT_DISPLAY] = {FRAME_PAYLOAD_MAX, false}};
static void (*after_frame)(void);
static unsigned raw_pieces;

static bool on_frame(const struct frame *frame, void *arg)
{
    (void)arg;
    assert_true(bytes_append(&heard, frame->payload, frame->length));
    if (after_frame != NULL)
        after_frame();
    return true;
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    (void)arg;
    raw_pieces++;
    assert_true(bytes_append(&heard, stream == PIPES_STDERR ? "!" : "", stream == PIPES_STDERR ? 1 : 0));
    assert_true(bytes_append(&heard, data, length));
}

static void on_turn(void *arg)
{
    (void)arg;
}

static void on_broken(const struct err *err, void *arg)
{
    (void)arg;
    fail_msg("%s", err->message);
}

static const struct pipes_events EVENTS = {on_frame, on_raw, on_turn, on_broken};

static void start(void)
{
    assert_int_equal(pipes_init(&pipes, base, ends[REQUEST][1], ends[EVENT][0], ends[OUT][0], ends[ERROR][0], RULES, &EVENTS, NULL, NULL),
                     0);
}

static int set_up(void **state)
{
    (void)state;
    base = event_base_new();
    for (int i = 0; i < PIPE_COUNT; i++)
        assert_int_equal(pipe2(ends[i], O_NONBLOCK | O_CLOEXEC), 0);
    heard       = (struct bytes){0};
    after_frame = NULL;
    raw_pieces  = 0;
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pipes_done(&pipes);
    for (int i = 0; i < PIPE_COUNT; i++) {
        (void)close(ends[i][0]);
        (void)close(ends[i][1]);
    }
    bytes_done(&heard);
    event_base_free(base);
    return 0;
}

static uint16_t waiting_in(int fd)
{
    int n = 0;
    assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
    return n < FRAME_RAW_MANY ? (uint16_t)n : FRAME_RAW_MANY;
}

/* As a worker does it that has waited in vain for its raw pipes to be read. */
static void frame(uint8_t type, uint8_t flags, const char *text)
{
    struct frame_head head = {.length = (uint16_t)strlen(text), .type = type, .flags = flags, .execution = 1};
    head.raw[0]            = waiting_in(ends[OUT][0]);
    head.raw[1]            = waiting_in(ends[ERROR][0]);
    assert_int_equal(write(ends[EVENT][1], &head, sizeof head), sizeof head);
    assert_int_equal(write(ends[EVENT][1], text, strlen(text)), strlen(text));
}

static void text(const char *text)
{
    frame(EVENT_STDOUT, 0, text);
}

static void raw(int which, const char *text)
{
    assert_int_equal(write(ends[which][1], text, strlen(text)), strlen(text));
}

static void expect(const char *all)
{
    while (heard.length < strlen(all))
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    assert_int_equal(heard.length, strlen(all));
    assert_memory_equal(heard.data, all, heard.length);
}

static void what_was_written_while_nobody_read_keeps_its_order(void **state)
{
    (void)state;
    text("line 1\nli");
    raw(OUT, "raw 1\n");
    text("ne 2\nline 3");
    text("\nline 4\n");
    raw(OUT, "raw 2\n");
    raw(ERROR, "error 1\n");
    text("line 5\n");
    raw(OUT, "raw 3\n");
    expect("line 1\nliraw 1\nne 2\nline 3\nline 4\nraw 2\n!error 1\nline 5\nraw 3\n");
}

static void write_late(void)
{
    after_frame = NULL;
    raw(OUT, "raw 1\n");
}

/* We are woken for bytes that a frame has made us read since: what is written just then must not be torn. */
static void a_late_wake_up_takes_no_single_byte(void **state)
{
    (void)state;
    after_frame = write_late;
    text("line 1\n");
    event_active(&pipes.raw_readable[PIPES_STDOUT], EV_READ, 0);
    expect("line 1\nraw 1\n");
    assert_int_equal(raw_pieces, 1);
}

static void speak_again(void)
{
    after_frame = NULL;
    raw(OUT, "later ");
    text("last");
}

/* A frame that was sent before the raw bytes that are there by now. */
static void raw_bytes_that_come_meanwhile_wait_for_their_frame(void **state)
{
    (void)state;
    raw(OUT, "early ");
    text("first ");
    text("second ");
    after_frame = speak_again;
    expect("early first second later last");
}

static void a_frame_in_parts_comes_after_what_its_last_part_names(void **state)
{
    (void)state;
    raw(OUT, "a");
    frame(EVENT_DISPLAY, FRAME_MORE, "1");
    raw(OUT, "b");
    frame(EVENT_DISPLAY, 0, "2");
    raw(OUT, "c");
    expect("ab12c");
}

static void more_than_can_be_counted_is_read_whole(void **state)
{
    static char  much[100000];
    struct bytes all = {0};
    (void)state;
    assert_true(fcntl(ends[OUT][1], F_SETPIPE_SZ, 1 << 20) > 0);
    memset(much, 'x', sizeof much - 1);
    raw(OUT, much);
    text("end");
    assert_true(bytes_append(&all, much, sizeof much - 1) && bytes_append(&all, "end", 4));
    expect(all.data);
    bytes_done(&all);
}

static void the_process_that_follows_counts_on(void **state)
{
    struct pipes_position position = {0};
    (void)state;
    raw(OUT, "one ");
    text("two ");
    expect("one two ");
    for (int i = 0; i < PIPES_STREAM_COUNT; i++)
        position.raw_ahead[i] = pipes.raw_read[i] - pipes.raw_base[i];
    pipes_done(&pipes);
    raw(OUT, "three ");
    text("four ");
    raw(OUT, "five ");
    text("six ");
    raw(OUT, "seven");
    start();
    assert_int_equal(pipes_resume(&pipes, &position, &(struct bytes){0}, NULL, 0, NULL), 0);
    expect("one two three four five six seven");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_while_nobody_read_keeps_its_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_wake_up_takes_no_single_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(raw_bytes_that_come_meanwhile_wait_for_their_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_frame_in_parts_comes_after_what_its_last_part_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_can_be_counted_is_read_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_process_that_follows_counts_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
