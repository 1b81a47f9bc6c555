/* execution_run.c: an execution while it runs: its start, its clock, what the worker says. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "execution_private.h"
#include "log.h"
#include "options.h"
#include "wire.h"

enum { AHEAD_MAX = 1000, AHEAD_BYTES = 4 * 1024 * 1024 /* answers to input() that nobody has asked for yet */ };

void execution_run_clock(struct execution *execution)
{
    execution->deadline_us = execution_now_us() + execution->left_us;
    execution_set_timer(execution, PHASE_RUN, execution->left_us);
}

/* While the program waits for input() its time limit rests. */
static void rest_clock(struct execution *execution)
{
    if (execution->phase != PHASE_RUN)
        return;
    (void)evtimer_del(&execution->timer);
    execution->left_us = execution->deadline_us - execution_now_us();
    if (execution->left_us < 0)
        execution->left_us = 0;
    if (execution->run != NULL)
        execution->run->left_us = execution->left_us;
}

static void begin_grace(struct execution *execution)
{
    int64_t grace_us       = (int64_t)execution->grace_ms * 1000;
    execution->deadline_us = execution_now_us() + grace_us;
    execution_set_timer(execution, PHASE_GRACE, grace_us);
}

/* The loop's timers go by a coarse clock and may ring some ms early; a program is never cut short for that. */
static void on_run_limit(struct execution *execution)
{
    int64_t left_us = execution->deadline_us - execution_now_us();
    if (left_us > 0) {
        execution_set_timer(execution, PHASE_RUN, left_us);
        return;
    }
    execution->timed_out = true;
    begin_grace(execution);
    worker_interrupt(execution->worker);
}

/* Where this process itself stood still, the whole machine perhaps, the program had no time to end either: it is given the grace anew, once. */
static bool is_given_another_grace(struct execution *execution)
{
    if (execution->spared || execution_now_us() - execution->deadline_us <= (int64_t)execution->grace_ms * 500)
        return false;
    execution->spared = true;
    begin_grace(execution);
    return true;
}

void execution_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct execution *execution = arg;
    (void)fd;
    (void)what;
    switch (execution->phase) {
    case PHASE_RUN: on_run_limit(execution); break;
    case PHASE_GRACE:
        if (is_given_another_grace(execution))
            break;
        execution->phase = PHASE_KILL; /* worker.c sees to it that it ends now, one way or the other */
        if (execution->run != NULL)
            execution->run->phase = PHASE_KILL;
        worker_kill_interpreter(execution->worker);
        break;
    case PHASE_STATS: execution_know_stats(execution); break;
    case PHASE_KILL:
    case PHASE_DEAD:
    case PHASE_UNDO: break;
    }
}

static int send_to_worker(struct execution *execution, const json_t *extra, struct err *err)
{
    json_t *options = options_merge(extra, execution->options);
    char   *setup   = options != NULL ? json_dumps(options, JSON_COMPACT) : NULL;
    int     result;
    if (options != NULL && setup == NULL)
        result = err_set(err, ENOMEM, "no memory for the options of an execution");
    else
        result = worker_execute(execution->worker, execution->serial, setup, setup != NULL ? strlen(setup) : 0, execution->code.data,
                                execution->code.length, err);
    free(setup);
    json_decref(options);
    return result;
}

void execution_start(struct execution *execution, struct worker *worker, uint64_t execution_count, const json_t *extra)
{
    struct err err = {0};
    char       text[64];
    size_t     n = (size_t)(stpcpy(decimal_whole(stpcpy(text, "{\"executionCount\":"), execution_count), "}") - text);

    execution->worker          = worker;
    execution->execution_count = execution_count;
    execution->started_us      = execution_now_us();
    execution_set_status(execution, EXECUTION_RUNNING);
    execution_begin_run(execution);
    if (event_track_last_seq(execution->output.track) > 0)
        n = 0; /* it was said by a process that died before it could send the code */
    if (n > 0 && event_track_json(execution->output.track, EVENT_KIND_START, text, n, &err) < 0)
        log_warn("execution %s: its start could not be written: %s", execution->id_text, err.message);
    if (send_to_worker(execution, extra, &err) < 0) {
        worker_end(worker, err.message);
        execution_fail(execution, "WORKER_UNREACHABLE", err.message);
        return;
    }
    bytes_done(&execution->code);
    execution->left_us = (int64_t)execution->timeout_ms * 1000;
    execution_run_clock(execution);
}

/* Nobody can answer: the program sees the end of its input. */
void execution_end_input(struct execution *execution)
{
    struct err err = {0};
    if (worker_input(execution->worker, "\x04", 1, &err) < 0)
        worker_end(execution->worker, err.message);
}

/* Without it the clock runs on, and nobody else is asked. */
static void answer_from_ahead(struct execution *execution)
{
    struct err    err  = {0};
    const json_t *text = json_array_get(execution->ahead, 0);

    if (text == NULL)
        return;
    execution->ahead_bytes -= json_string_length(text);
    if (execution_input(execution, json_string_value(text), json_string_length(text), &err) < 0)
        log_warn("execution %s: input is lost: %s", execution->id_text, err.message);
    (void)json_array_remove(execution->ahead, 0);
}

static void on_input_request(struct execution *execution, const struct frame *frame)
{
    struct err   err = {0};
    json_error_t error;
    json_t      *sent = json_loadb(frame->payload, frame->length, JSON_ALLOW_NUL, &error), *prompt = json_object_get(sent, "prompt");
    json_t      *value = json_pack("{s:O, s:b}", "prompt", json_is_string(prompt) ? prompt : NULL, "password",
                                   json_is_true(json_object_get(sent, "password")));

    if (value == NULL)
        value = json_pack("{s:s, s:b}", "prompt", "", "password", 0);
    rest_clock(execution);
    execution_set_status(execution, EXECUTION_INPUT_REQUIRED);
    if (value == NULL || event_track_value(execution->output.track, EVENT_KIND_INPUT_REQUEST, value, &err) < 0)
        log_warn("execution %s: a prompt is lost: %s", execution->id_text, err.message);
    json_decref(value);
    json_decref(sent);
    answer_from_ahead(execution);
}

static void on_done(struct execution *execution, const struct frame *frame)
{
    struct execution_state state = {.kind = STATE_KEPT};
    struct err             err   = {0};
    if (outcome_from_done(&execution->outcome, frame->payload, frame->length, execution->timed_out ? execution->timeout_ms : 0, &err) < 0)
        worker_end(execution->worker, err.message); /* its end will be ours */
    else if (execution->transactional && execution->outcome.status != EXECUTION_OK) {
        execution_keep_done(execution, frame->payload, frame->length);
        execution_undo(execution);
    } else {
        if (execution->is_kept != NULL && !execution->is_kept(execution->outcome.status, execution->judge_arg))
            state = (struct execution_state){.kind = STATE_ROLLED_BACK, .restored_to = execution->before};
        execution_finish(execution, &state);
    }
}

void execution_on_frame(struct execution *execution, const struct frame *frame)
{
    switch (frame->type) {
    case EVENT_STDOUT: output_text(&execution->output, PIPES_STDOUT, OUTPUT_FRAME, frame->payload, frame->length); break;
    case EVENT_STDERR: output_text(&execution->output, PIPES_STDERR, OUTPUT_FRAME, frame->payload, frame->length); break;
    case EVENT_INPUT_REQUEST:
        if (execution->interactive)
            on_input_request(execution, frame);
        else
            execution_end_input(execution);
        break;
    case EVENT_DONE: on_done(execution, frame); break;
    default: output_value(&execution->output, frame); break;
    }
}

void execution_on_raw(struct execution *execution, enum pipes_stream stream, const char *data, size_t length)
{
    output_text(&execution->output, stream, OUTPUT_RAW, data, length);
}

int execution_input(struct execution *execution, const char *text, size_t length, struct err *err)
{
    if (execution->status != EXECUTION_INPUT_REQUIRED)
        return err_set(err, EBUSY, "the execution does not wait for input");
    if (worker_input(execution->worker, text, length, err) < 0)
        return -1;
    execution_set_status(execution, EXECUTION_RUNNING);
    if (execution->phase == PHASE_RUN)
        execution_run_clock(execution);
    return 0;
}

int execution_input_ahead(struct execution *execution, const char *text, size_t length, struct err *err)
{
    json_t *kept;

    if (execution->status == EXECUTION_INPUT_REQUIRED)
        return execution_input(execution, text, length, err);
    if (!execution->interactive || execution_has_ended(execution))
        return err_set(err, EBUSY, "the execution reads no input");
    if (execution->ahead_bytes + length > AHEAD_BYTES || json_array_size(execution->ahead) >= AHEAD_MAX)
        return err_set(err, ENOBUFS, "more input waits than is kept");
    if (execution->ahead == NULL && (execution->ahead = json_array()) == NULL)
        return err_set(err, ENOMEM, "no memory for input");
    kept = json_stringn(text, length);
    if (kept == NULL || json_array_append_new(execution->ahead, kept) < 0)
        return err_set(err, ENOMEM, "no memory for input");
    execution->ahead_bytes += length;
    return 0;
}
