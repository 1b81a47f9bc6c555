#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "ear.h"
#include "fake_loop.h"
#include "wire.h"
#include "worker_inner.h"

struct event_base *ear_base;
struct workers    *ear_workers;
struct fake_zygote ear_fake;
int                ear_ups, ear_downs;

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

const struct worker_events ear_events = {on_ready, on_frame, on_raw, on_turn, on_interpreter_exit, on_stats, on_gone, NULL};

static void on_zygote(bool up, void *arg)
{
    (void)arg;
    *(up ? &ear_ups : &ear_downs) += 1;
}

bool ear_is_up(void *arg)
{
    (void)arg;
    return workers_zygote_is_up(ear_workers);
}

int ear_set_up(void **state)
{
    struct err err = {0};
    (void)state;
    ear_base    = fake_base();
    ear_workers = workers_new(ear_base, on_zygote, NULL, &err);
    assert_non_null(ear_workers);
    fake_zygote_start(&ear_fake, true);
    assert_int_equal(workers_attach_zygote(ear_workers, ear_fake.socket_fd, &err), 0);
    fake_run_until(ear_base, ear_is_up, NULL);
    return 0;
}

int ear_tear_down(void **state)
{
    (void)state;
    workers_free(ear_workers);
    fake_zygote_stop(&ear_fake);
    event_base_free(ear_base);
    return 0;
}

void ear_spawn(struct ear *ear)
{
    static const struct worker_limits none = {0};
    struct err                        err  = {0};
    *ear                                   = (struct ear){0};
    ear->worker                            = worker_spawn(ear_workers, &none, &ear_events, ear, &err);
    assert_non_null(ear->worker);
}

bool ear_is_ready(void *arg)
{
    return ((struct ear *)arg)->ready > 0;
}

bool ear_is_ready_again(void *arg)
{
    return ((struct ear *)arg)->ready > 1;
}

bool ear_is_done(void *arg)
{
    return ((struct ear *)arg)->done > 0;
}

/* Its request has been read: what is told to its init comes after it. */
bool ear_has_begun(void *arg)
{
    int left = 0;
    assert_int_equal(ioctl(((struct ear *)arg)->worker->pipes.request_fd, FIONREAD, &left), 0);
    return left == 0;
}

bool ear_is_gone(void *arg)
{
    return ((struct ear *)arg)->gone > 0;
}

bool ear_has_exited(void *arg)
{
    return ((struct ear *)arg)->exits > 0;
}

bool ear_has_stats(void *arg)
{
    return ((struct ear *)arg)->stats > 0;
}

bool ear_is_empty(void *arg)
{
    (void)arg;
    return workers_count(ear_workers) == 0;
}

void ear_spawn_ready(struct ear *ear)
{
    ear_spawn(ear);
    fake_run_until(ear_base, ear_is_ready, ear);
    assert_int_equal(worker_state(ear->worker), WORKER_IDLE);
}

void ear_execute(struct ear *ear, uint64_t number, const char *code)
{
    struct err err = {0};
    assert_int_equal(worker_execute(ear->worker, number, NULL, 0, code, strlen(code), &err), 0);
    assert_int_equal(worker_state(ear->worker), WORKER_BUSY);
}

void ear_expect_text(struct ear *ear, const char *text)
{
    assert_int_equal(ear->text.length, strlen(text));
    assert_memory_equal(ear->text.data, text, ear->text.length);
    bytes_done(&ear->text);
}

void ear_end(struct ear *ear)
{
    bytes_done(&ear->text);
    worker_release(ear->worker);
    fake_run_until(ear_base, ear_is_empty, NULL);
}

void ear_expect_print(struct ear *ear, uint64_t number, const char *what)
{
    char code[64], text[64];
    (void)snprintf(code, sizeof code, "print %s", what);
    (void)snprintf(text, sizeof text, "%s\n", what);
    ear->done = 0;
    ear_execute(ear, number, code);
    fake_run_until(ear_base, ear_is_done, ear);
    ear_expect_text(ear, text);
}
