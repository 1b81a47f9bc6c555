/* Frames: fed whole, byte by byte and cut at every point they must come out the same; what breaks the wire's rules must be refused. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "frame.h"

static struct frame_rule rules[256] = {
    [EVENT_STDOUT]  = {FRAME_PAYLOAD_MAX, true},
    [EVENT_DISPLAY] = {200000, false},
    [EVENT_DONE]    = {1000, false},
};

struct seen {
    struct bytes log; /* type, flags, raw counts, execution, length and payload of each frame */
    int          count, stop_after;
};

static bool on_frame(const struct frame *frame, void *arg)
{
    struct seen *seen = arg;
    assert_non_null(frame->payload);
    assert_true(bytes_append(&seen->log, &frame->type, 1));
    assert_true(bytes_append(&seen->log, &frame->flags, 1));
    assert_true(bytes_append(&seen->log, frame->raw, sizeof frame->raw));
    assert_true(bytes_append(&seen->log, &frame->execution, sizeof frame->execution));
    assert_true(bytes_append(&seen->log, &frame->length, sizeof frame->length));
    assert_true(bytes_append(&seen->log, frame->payload, frame->length));
    seen->count++;
    return seen->count != seen->stop_after;
}

static void add_with_raw(struct bytes *wire, uint8_t type, uint8_t flags, uint16_t raw, const char *payload, size_t length)
{
    struct frame_head head = {(uint16_t)length, type, flags, {raw, (uint16_t)(raw / 2)}, 1};
    assert_true(bytes_append(wire, &head, sizeof head));
    assert_true(bytes_append(wire, payload, length));
}

static void add(struct bytes *wire, uint8_t type, uint8_t flags, uint64_t execution, const char *payload, size_t length)
{
    struct frame_head head = {(uint16_t)length, type, flags, {0, 0}, execution};
    assert_true(bytes_append(wire, &head, sizeof head));
    assert_true(bytes_append(wire, payload, length));
}

static struct bytes sample(void)
{
    struct bytes wire = {0};
    add(&wire, EVENT_STDOUT, 0, 1, "hello\n", 6);
    add(&wire, EVENT_STDOUT, FRAME_MORE, 1, "a", 1);
    add_with_raw(&wire, EVENT_STDOUT, 0, 7, "", 0);
    add(&wire, EVENT_DISPLAY, FRAME_MORE, 1, "{\"a\":", 5);
    add_with_raw(&wire, EVENT_DISPLAY, FRAME_MORE, 9, "", 0);
    add_with_raw(&wire, EVENT_DISPLAY, 0, 11, "1}", 2);
    add(&wire, EVENT_DONE, 0, UINT64_MAX, "{}", 2);
    return wire;
}

static void same(const struct seen *a, const struct seen *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->log.length, b->log.length);
    assert_memory_equal(a->log.data, b->log.data, a->log.length);
}

static struct seen feed_whole(const struct bytes *wire)
{
    struct frame_reader reader;
    struct seen         seen = {0};
    frame_reader_init(&reader, rules);
    assert_int_equal(frame_reader_feed(&reader, wire->data, wire->length, on_frame, &seen, NULL), FRAME_READ_EMPTY);
    assert_false(frame_reader_is_inside(&reader));
    assert_null(reader.rest.data);
    assert_null(reader.joined.data);
    frame_reader_done(&reader);
    return seen;
}

static void whole_frames_come_out(void **state)
{
    struct bytes wire = sample();
    struct seen  seen = feed_whole(&wire);
    (void)state;
    assert_int_equal(seen.count, 5);
    /* the joined one: without MORE, and what its last part says of the raw pipes */
    assert_non_null(memmem(seen.log.data, seen.log.length, "{\"a\":1}", 7));
    bytes_done(&seen.log);
    bytes_done(&wire);
}

static void any_cut_gives_the_same(void **state)
{
    struct bytes wire  = sample();
    struct seen  whole = feed_whole(&wire);
    (void)state;
    for (size_t cut = 0; cut <= wire.length; cut++) {
        struct frame_reader reader;
        struct seen         seen = {0};
        frame_reader_init(&reader, rules);
        assert_int_equal(frame_reader_feed(&reader, wire.data, cut, on_frame, &seen, NULL), FRAME_READ_EMPTY);
        assert_int_equal(frame_reader_feed(&reader, wire.data + cut, wire.length - cut, on_frame, &seen, NULL), FRAME_READ_EMPTY);
        same(&whole, &seen);
        frame_reader_done(&reader);
        bytes_done(&seen.log);
    }
    bytes_done(&whole.log);
    bytes_done(&wire);
}

static void a_pipe_byte_by_byte_gives_the_same(void **state)
{
    struct bytes        wire  = sample();
    struct seen         whole = feed_whole(&wire), seen = {0};
    struct frame_reader reader;
    struct err          err;
    int                 fd[2];
    (void)state;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    frame_reader_init(&reader, rules);
    assert_int_equal(frame_reader_read(&reader, fd[0], 1000, on_frame, &seen, &err), FRAME_READ_EMPTY);
    for (size_t i = 0; i < wire.length; i++) {
        assert_int_equal(write(fd[1], wire.data + i, 1), 1);
        assert_int_equal(frame_reader_read(&reader, fd[0], 1000, on_frame, &seen, &err), FRAME_READ_EMPTY);
    }
    same(&whole, &seen);
    close(fd[1]);
    assert_int_equal(frame_reader_read(&reader, fd[0], 1000, on_frame, &seen, &err), FRAME_READ_END);
    close(fd[0]);
    frame_reader_done(&reader);
    bytes_done(&seen.log);
    bytes_done(&whole.log);
    bytes_done(&wire);
}

static void an_end_inside_a_frame_is_a_cut(void **state)
{
    struct bytes wire = sample();
    (void)state;
    for (size_t cut = 1; cut < wire.length; cut += 3) {
        struct frame_reader reader;
        struct seen         seen = {0};
        struct err          err  = {0};
        enum frame_read     end;
        bool                inside;
        int                 fd[2];
        assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
        frame_reader_init(&reader, rules);
        assert_int_equal(write(fd[1], wire.data, cut), cut);
        close(fd[1]);
        assert_int_equal(frame_reader_read(&reader, fd[0], 100000, on_frame, &seen, &err), FRAME_READ_EMPTY);
        inside = frame_reader_is_inside(&reader);
        end    = frame_reader_read(&reader, fd[0], 100000, on_frame, &seen, &err);
        assert_int_equal(end, inside ? FRAME_READ_BAD : FRAME_READ_END);
        if (inside)
            assert_int_equal(err.code, EPIPE);
        close(fd[0]);
        frame_reader_done(&reader);
        bytes_done(&seen.log);
    }
    bytes_done(&wire);
}

static void refuse(const struct bytes *wire, int code)
{
    struct frame_reader reader;
    struct seen         seen = {0};
    struct err          err  = {0};
    frame_reader_init(&reader, rules);
    assert_int_equal(frame_reader_feed(&reader, wire->data, wire->length, on_frame, &seen, &err), FRAME_READ_BAD);
    assert_int_equal(err.code, code);
    assert_int_equal(seen.count, 0);
    frame_reader_done(&reader);
    bytes_done(&seen.log);
}

static void heads_out_of_the_rules_are_refused(void **state)
{
    static const struct frame_head BAD[] = {
        {.length = 1, .type = EVENT_STDOUT, .flags = 2},
        {.length = 1, .type = EVENT_STDOUT, .flags = 128},
        {.length = FRAME_PAYLOAD_MAX + 1, .type = EVENT_STDOUT},
        {.length = 0, .type = 0},
        {.length = 0, .type = EVENT_PARKED},
        {.length = UINT16_MAX, .type = EVENT_DONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct bytes wire = {0};
        assert_true(bytes_append(&wire, &BAD[i], sizeof BAD[i]));
        assert_true(bytes_append(&wire, "x", 1));
        refuse(&wire, EPROTO);
        bytes_done(&wire);
    }
}

static void parts_must_belong_together(void **state)
{
    struct bytes other_type = {0}, other_execution = {0};
    (void)state;
    add(&other_type, EVENT_DISPLAY, FRAME_MORE, 1, "a", 1);
    add(&other_type, EVENT_DONE, 0, 1, "b", 1);
    refuse(&other_type, EPROTO);
    add(&other_execution, EVENT_DISPLAY, FRAME_MORE, 1, "a", 1);
    add(&other_execution, EVENT_DISPLAY, 0, 2, "b", 1);
    refuse(&other_execution, EPROTO);
    bytes_done(&other_type);
    bytes_done(&other_execution);
}

static void a_payload_has_a_limit(void **state)
{
    static char  part[FRAME_PAYLOAD_MAX];
    struct bytes small = {0}, joined = {0};
    (void)state;
    add(&small, EVENT_DONE, 0, 1, part, 1001);
    refuse(&small, EMSGSIZE);
    for (int i = 0; i < 4; i++)
        add(&joined, EVENT_DISPLAY, FRAME_MORE, 1, part, 50001);
    refuse(&joined, EMSGSIZE);
    bytes_done(&small);
    bytes_done(&joined);
}

static struct frame_reader *freed_by_handler;

static bool free_reader(const struct frame *frame, void *arg)
{
    (void)frame;
    (void)arg;
    frame_reader_done(freed_by_handler);
    free(freed_by_handler);
    return false;
}

static void a_handler_may_end_the_reader(void **state)
{
    struct bytes wire = {0};
    (void)state;
    add(&wire, EVENT_DISPLAY, FRAME_MORE, 1, "a", 1);
    add(&wire, EVENT_DISPLAY, 0, 1, "b", 1);
    add(&wire, EVENT_DONE, 0, 1, "c", 1);
    freed_by_handler = malloc(sizeof *freed_by_handler);
    frame_reader_init(freed_by_handler, rules);
    assert_int_equal(frame_reader_feed(freed_by_handler, wire.data, wire.length, free_reader, NULL, NULL), FRAME_READ_STOPPED);
    bytes_done(&wire);
}

static bool read_again(const struct frame *frame, void *arg)
{
    struct frame_reader other;
    struct err          err;
    (void)frame;
    frame_reader_init(&other, rules);
    assert_int_equal(frame_reader_read(&other, *(int *)arg, 100, read_again, arg, &err), FRAME_READ_BAD);
    assert_int_equal(err.code, EDEADLK);
    return true;
}

static void reading_inside_a_handler_is_refused(void **state)
{
    struct bytes        wire = sample();
    struct frame_reader reader;
    int                 fd[2];
    (void)state;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    assert_int_equal(write(fd[1], wire.data, wire.length), wire.length);
    frame_reader_init(&reader, rules);
    assert_int_equal(frame_reader_read(&reader, fd[0], 100000, read_again, &fd[0], NULL), FRAME_READ_EMPTY);
    frame_reader_done(&reader);
    close(fd[0]);
    close(fd[1]);
    bytes_done(&wire);
}

static void a_budget_bounds_one_turn(void **state)
{
    static char         payload[8000];
    struct bytes        wire = {0};
    struct frame_reader reader;
    struct seen         seen = {0};
    int                 fd[2];
    (void)state;
    for (int i = 0; i < 8; i++)
        add(&wire, EVENT_STDOUT, 0, 1, payload, sizeof payload);
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    assert_int_equal(write(fd[1], wire.data, wire.length), wire.length);
    frame_reader_init(&reader, rules);
    assert_int_equal(frame_reader_read(&reader, fd[0], 20000, on_frame, &seen, NULL), FRAME_READ_MORE);
    assert_int_equal(seen.count, 2);
    assert_int_equal(frame_reader_read(&reader, fd[0], 1000000, on_frame, &seen, NULL), FRAME_READ_EMPTY);
    assert_int_equal(seen.count, 8);
    frame_reader_done(&reader);
    close(fd[0]);
    close(fd[1]);
    bytes_done(&seen.log);
    bytes_done(&wire);
}

/* The writer, checked with the reader. */
static void what_a_full_pipe_leaves_is_sent_later(void **state)
{
    static struct frame_rule request_rules[256] = {
        [REQUEST_SETUP] = {10, false}, [REQUEST_EXECUTE] = {5000000, false}, [REQUEST_INPUT] = {10, false}};
    size_t              length = 3000001;
    char               *code   = malloc(length);
    struct frame_writer writer;
    struct frame_reader reader;
    struct seen         seen = {0};
    enum frame_write    write_state;
    int                 fd[2];
    (void)state;
    for (size_t i = 0; i < length; i++)
        code[i] = (char)(i * 7 + i / 65536);
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    frame_writer_init(&writer);
    frame_reader_init(&reader, request_rules);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_SETUP, 9, "{}", 2, NULL), FRAME_WRITE_ALL);
    assert_null(writer.queue.data);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_EXECUTE, 9, code, length, NULL), FRAME_WRITE_QUEUED);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_INPUT, 9, "", 0, NULL), FRAME_WRITE_QUEUED);
    assert_true(frame_writer_pending(&writer) > 2900000);
    do {
        assert_int_equal(frame_reader_read(&reader, fd[0], 1 << 20, on_frame, &seen, NULL), FRAME_READ_EMPTY);
        write_state = frame_writer_flush(&writer, fd[1], NULL);
    } while (write_state == FRAME_WRITE_QUEUED);
    assert_int_equal(write_state, FRAME_WRITE_ALL);
    assert_int_equal(frame_reader_read(&reader, fd[0], 1 << 20, on_frame, &seen, NULL), FRAME_READ_EMPTY);
    assert_int_equal(seen.count, 3);
    assert_non_null(memmem(seen.log.data, seen.log.length, code, length));
    assert_null(writer.queue.data);
    frame_writer_done(&writer);
    frame_reader_done(&reader);
    close(fd[0]);
    close(fd[1]);
    bytes_done(&seen.log);
    free(code);
}

static void a_gone_reader_and_an_endless_queue_are_errors(void **state)
{
    struct frame_writer writer;
    struct err          err;
    char               *big = calloc(1, FRAME_WRITER_MAX);
    int                 fd[2];
    (void)state;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    frame_writer_init(&writer);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_EXECUTE, 1, big, FRAME_WRITER_MAX, &err), FRAME_WRITE_QUEUED);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_EXECUTE, 1, big, FRAME_WRITER_MAX, &err), FRAME_WRITE_FAILED);
    assert_int_equal(err.code, ENOBUFS);
    close(fd[0]);
    assert_int_equal(frame_writer_flush(&writer, fd[1], &err), FRAME_WRITE_FAILED);
    assert_int_equal(err.code, EPIPE);
    frame_writer_done(&writer);
    assert_int_equal(frame_writer_send(&writer, fd[1], REQUEST_EXECUTE, 1, "x", 1, &err), FRAME_WRITE_FAILED);
    assert_int_equal(err.code, EPIPE);
    close(fd[1]);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_frames_come_out),
        cmocka_unit_test(any_cut_gives_the_same),
        cmocka_unit_test(a_pipe_byte_by_byte_gives_the_same),
        cmocka_unit_test(an_end_inside_a_frame_is_a_cut),
        cmocka_unit_test(heads_out_of_the_rules_are_refused),
        cmocka_unit_test(parts_must_belong_together),
        cmocka_unit_test(a_payload_has_a_limit),
        cmocka_unit_test(a_handler_may_end_the_reader),
        cmocka_unit_test(reading_inside_a_handler_is_refused),
        cmocka_unit_test(a_budget_bounds_one_turn),
        cmocka_unit_test(what_a_full_pipe_leaves_is_sent_later),
        cmocka_unit_test(a_gone_reader_and_an_endless_queue_are_errors),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
