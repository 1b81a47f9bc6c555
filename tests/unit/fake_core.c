#define _GNU_SOURCE
#include "fake_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_loop.h"
#include "policies.h"
#include "result_read.h"

enum { MINUTE_MS = 60000 };

struct fake_core core;

static struct policies core_policies;

static void on_zygote(bool up, void *arg)
{
    struct fake_core *core = arg;
    if (core->pool != NULL)
        pool_on_zygote(core->pool, up);
}

void fake_core_init(struct fake_core *core)
{
    core_policies = (struct policies){.checkpoint_mode            = CHECKPOINTS_OFF,
                                      .checkpoints                = 2,
                                      .memory_per_session_bytes   = 512 << 20,
                                      .memory_per_execution_bytes = 512 << 20,
                                      .cpu_percent                = 100};
    *core         = (struct fake_core){
                .pool_size = 2,
                .grace_ms  = MINUTE_MS,
                .settings  = {.max_sessions    = 100,
                              .max_queue       = 8,
                              .idle_timeout_ms = MINUTE_MS,
                              .sweep_ms        = 20,
                              .profile         = "standard",
                              .policies        = &core_policies,
                              .output          = {.plots = 3, .variables = 5, .plot_bytes = 100000, .variable_bytes = 1000},
                              .log             = {.output_bytes = 1000000, .log_bytes = 4000000, .retain_bytes = 4000000}},
    };
}

static bool is_full(void *arg)
{
    struct fake_core *core = arg;
    return workers_zygote_is_up(core->workers) && pool_ready_count(core->pool) >= core->pool_size;
}

void fake_core_start(struct fake_core *core)
{
    struct err err = {0};
    core->base     = fake_base();
    core->workers  = workers_new(core->base, on_zygote, core, &err);
    core->pool     = pool_new(core->base, core->workers, core->pool_size, &err);
    core->sessions = sessions_new(core->base, core->pool, &core->settings, &err);
    assert_non_null(core->sessions);
    fake_core_new_zygote(core);
    fake_run_until(core->base, is_full, core);
}

void fake_core_new_zygote(struct fake_core *core)
{
    struct err err = {0};
    fake_zygote_start(&core->zygote, true);
    assert_int_equal(workers_attach_zygote(core->workers, core->zygote.socket_fd, &err), 0);
}

void fake_core_stop(struct fake_core *core)
{
    sessions_free(core->sessions);
    pool_free(core->pool);
    workers_free(core->workers);
    fake_zygote_stop(&core->zygote);
    event_base_free(core->base);
}

int fake_core_set_up(void **state)
{
    (void)state;
    fake_core_init(&core);
    fake_core_start(&core);
    return 0;
}

int fake_core_tear_down(void **state)
{
    (void)state;
    fake_core_stop(&core);
    return 0;
}

struct answer {
    struct session *session;
    bool            told;
};

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct answer *answer = arg;
    if (session == NULL)
        print_message("no session: %s\n", reason);
    answer->session = session;
    answer->told    = true;
}

static bool is_told(void *arg)
{
    return ((struct answer *)arg)->told;
}

struct session *fake_core_session(struct fake_core *core, const struct session_request *request)
{
    static const struct session_request plain  = {0};
    struct answer                       answer = {0};
    struct err                          err    = {0};
    if (sessions_create(core->sessions, request != NULL ? request : &plain, on_session, &answer, &err) < 0)
        return NULL;
    fake_run_until(core->base, is_told, &answer);
    return answer.session;
}

static void on_result(struct execution *execution, const struct bytes *result, void *arg)
{
    struct fake_run *run = arg;
    json_error_t     error;
    (void)execution;
    run->results++;
    run->order = ++run->core->ended;
    if (result == NULL)
        return;
    run->result = json_loadb(result->data, result->length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    if (run->result == NULL) /* and no assertion here, which would jump out of the loop */
        print_error("%s in %.*s\n", error.text, (int)(result->length < 4000 ? result->length : 4000), result->data);
}

bool fake_core_submit_with(struct fake_core *core, struct session *session, const struct execution_request *request, bool may_queue,
                           struct fake_run *run)
{
    *run           = (struct fake_run){.core = core};
    run->execution = session_submit(session, request, may_queue, on_result, run, &run->err);
    if (run->execution != NULL)
        run->id = *execution_id(run->execution);
    return run->execution != NULL;
}

bool fake_core_submit(struct fake_core *core, struct session *session, const char *code, uint32_t timeout_ms, struct fake_run *run)
{
    struct execution_request request = {.code              = code,
                                        .code_length       = strlen(code),
                                        .timeout_ms        = timeout_ms != 0 ? timeout_ms : MINUTE_MS,
                                        .grace_ms          = core->grace_ms,
                                        .include_variables = true,
                                        .interactive       = true};
    return fake_core_submit_with(core, session, &request, true, run);
}

static bool has_result(void *arg)
{
    return ((struct fake_run *)arg)->results > 0;
}

struct last {
    enum event_kind kind;
    int             terminals;
    uint64_t        seq;
};

static bool note_event(const struct event_view *event, void *arg)
{
    struct last *last = arg;
    assert_true(event->seq == last->seq + 1);
    last->seq  = event->seq;
    last->kind = event->kind;
    last->terminals += event_kind_is_terminal(event->kind);
    return true;
}

/* The session, and with it the execution, may be gone by now: then there is nothing more to look at. */
static void check_log(struct fake_run *run)
{
    struct execution   *execution = sessions_find_execution(run->core->sessions, &run->id);
    struct last         last      = {0};
    struct event_cursor cursor;
    struct bytes        text   = {0};
    struct err          err    = {0};
    bool                failed = false;
    json_error_t        error;
    json_t             *again;

    if (execution == NULL)
        return;
    assert_true(event_track_seek(execution_track(execution), 0, &cursor));
    assert_int_equal(event_track_read(execution_track(execution), &cursor, SIZE_MAX, note_event, &last, &err), 0);
    assert_true(event_kind_is_terminal(last.kind));
    assert_int_equal(last.terminals, 1);
    assert_int_equal(result_read(execution_track(execution), &text, &failed, &err), 0);
    assert_int_equal(failed, run->result == NULL);
    again = json_loadb(text.data, text.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    assert_non_null(again);
    if (run->result != NULL && !json_equal(again, run->result)) {
        (void)json_dumpf(again, stderr, JSON_COMPACT);
        (void)fprintf(stderr, "\n--- instead of ---\n");
        (void)json_dumpf(run->result, stderr, JSON_COMPACT);
        fail_msg("the log gives another result than the answer");
    }
    json_decref(again);
    bytes_done(&text);
}

void fake_run_wait(struct fake_run *run)
{
    fake_run_until(run->core->base, has_result, run);
    assert_int_equal(run->results, 1);
    check_log(run);
}

void fake_run_done(struct fake_run *run)
{
    json_decref(run->result);
    run->result = NULL;
}

const char *fake_result_text(const struct fake_run *run, const char *name)
{
    return json_string_value(json_object_get(run->result, name));
}

const char *fake_result_output(const struct fake_run *run, const char *stream)
{
    return json_string_value(json_object_get(json_object_get(run->result, "output"), stream));
}

const char *fake_result_error(const struct fake_run *run, const char *name)
{
    return json_string_value(json_object_get(json_object_get(run->result, "error"), name));
}

void fake_core_expect(struct fake_core *core, struct session *session, const char *code, const char *status, const char *text,
                      struct fake_run *run)
{
    assert_true(fake_core_submit(core, session, code, 0, run));
    fake_run_wait(run);
    assert_non_null(run->result);
    assert_string_equal(fake_result_text(run, "status"), status);
    assert_int_equal(json_is_true(json_object_get(run->result, "success")), strcmp(status, "ok") == 0);
    if (text != NULL)
        assert_string_equal(fake_result_output(run, "stdout"), text);
}

void fake_core_run_ok(struct fake_core *core, struct session *session, const char *code, const char *text)
{
    struct fake_run run;
    fake_core_expect(core, session, code, "ok", text, &run);
    assert_string_equal(fake_result_text(&run, "state"), "kept");
    fake_run_done(&run);
}
