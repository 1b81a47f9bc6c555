#define _GNU_SOURCE
#include "execution.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "options.h"
#include "wire.h"

enum {
    STATS_LIMIT_MS = 500, /* how long the end waits for the word on why the kernel killed */
};

/* What the timer is for. */
enum phase { PHASE_RUN, PHASE_GRACE, PHASE_KILL, PHASE_STATS };

struct execution {
    struct execution_node  node;
    struct event_base     *base;
    struct event_log      *log;
    struct worker         *worker; /* while running */
    execution_on_finished  on_finished;
    void                  *arg;
    execution_on_result    on_result;
    void                  *result_arg;
    struct id              id, session;
    char                   id_text[ID_TEXT_BYTES], session_text[ID_TEXT_BYTES];
    uint64_t               serial, execution_count;
    enum execution_status  status;
    struct bytes           code;
    json_t                *options;
    uint32_t               timeout_ms, grace_ms;
    struct event           timer;
    enum phase             phase;
    bool                   timed_out;
    int64_t                made_us, started_us, ended_us;
    int64_t                deadline_us, left_us; /* of the time limit; what was left of it when a wait for input() began */
    struct output          output;
    struct outcome         outcome;
    struct execution_state state;
    struct outcome_death   death;
    const char            *notice;
    const char            *failure_code;
    char                   failure[256];
};

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void set_status(struct execution *execution, enum execution_status status)
{
    log_debug("execution %s: %s -> %s", execution->id_text, execution_status_name(execution->status), execution_status_name(status));
    execution->status = status;
}

static void set_timer(struct execution *execution, enum phase phase, int64_t after_us)
{
    struct timeval after = {.tv_sec = after_us / 1000000, .tv_usec = after_us % 1000000};
    execution->phase     = phase;
    (void)evtimer_add(&execution->timer, &after);
}

static void fill_summary(const struct execution *execution, struct result_summary *summary)
{
    static const char *const states[] = {"kept", "rolledBack", "lost"};
    const struct outcome    *outcome  = &execution->outcome;

    *summary = (struct result_summary){
        .status          = execution_status_name(execution->status),
        .state           = states[execution->state.kind],
        .session_id      = execution->session_text,
        .execution_id    = execution->id_text,
        .success         = execution->status == EXECUTION_OK,
        .restored_to     = execution->state.kind == STATE_ROLLED_BACK ? (int64_t)execution->state.restored_to : -1,
        .execution_count = execution->execution_count,
        .error           = outcome->error,
        .notice          = execution->notice,
        .truncated       = event_track_is_truncated(execution->output.track),
        .metrics         = {.execution_ms = execution_ms(execution),
                            .queued_ms =
                                (double)((execution->started_us != 0 ? execution->started_us : execution->ended_us) - execution->made_us) / 1000.0,
                            .cpu_user_us       = outcome->cpu_user_us,
                            .cpu_system_us     = outcome->cpu_system_us,
                            .cpu_is_split      = outcome->cpu_is_split,
                            .memory_bytes      = outcome->memory_bytes,
                            .memory_peak_bytes = outcome->memory_peak_bytes,
                            .bytes_out         = event_track_output_bytes(execution->output.track)},
    };
}

static int append_complete(struct execution *execution, const struct result_summary *summary, const struct bytes *whole, struct err *err)
{
    struct bytes brief = {0};
    int          result;
    if (whole->length <= RESULT_BRIEF_BYTES && execution->output.result.plots_brief.length == 0)
        return event_track_json(execution->output.track, EVENT_KIND_COMPLETE, whole->data, whole->length, err);
    if (!result_write_brief(&execution->output.result, summary, &brief))
        result = err_set(err, ENOMEM, "no memory for a result");
    else
        result = event_track_json(execution->output.track, EVENT_KIND_COMPLETE, brief.data, brief.length, err);
    bytes_done(&brief);
    return result;
}

/* Writes the terminal event, tells who waits, and lets go of what only a running one needs. */
static void conclude(struct execution *execution, const struct bytes *whole)
{
    event_log_flush(execution->log);
    if (execution->on_result != NULL)
        execution->on_result(execution, whole, execution->result_arg);
    execution->on_result = NULL;
    output_done(&execution->output);
    outcome_done(&execution->outcome);
    bytes_done(&execution->code);
    json_decref(execution->options);
    execution->options = NULL;
    execution->on_finished(execution, execution->arg);
}

static void stop_clock(struct execution *execution)
{
    (void)evtimer_del(&execution->timer);
    execution->ended_us = now_us();
    execution->worker   = NULL;
}

/* The service could not do it, or could not say what came of it. */
static void conclude_failed(struct execution *execution, const char *code, const char *message)
{
    struct err err   = {0};
    json_t    *value = json_pack("{s:s, s:s}", "error", code, "message", message);

    execution->failure_code = code;
    (void)snprintf(execution->failure, sizeof execution->failure, "%s", message);
    set_status(execution, EXECUTION_LOST);
    if (value == NULL || event_track_value(execution->output.track, EVENT_KIND_ERROR, value, &err) < 0)
        log_error("execution %s: its end could not be written: %s", execution->id_text, err.message);
    json_decref(value);
    conclude(execution, NULL);
}

static void finish(struct execution *execution, const struct execution_state *state)
{
    struct result_summary summary;
    struct bytes          whole = {0};
    struct err            err   = {0};

    stop_clock(execution);
    execution->state = *state;
    set_status(execution, execution->outcome.status);
    output_end(&execution->output);
    fill_summary(execution, &summary);
    if (!result_write(&execution->output.result, &summary, &whole))
        (void)err_set(&err, ENOMEM, "no memory for a result");
    if (err.message[0] == '\0' && append_complete(execution, &summary, &whole, &err) == 0)
        conclude(execution, &whole);
    else
        conclude_failed(execution, "RESULT_LOST", err.message);
    bytes_done(&whole);
}

static void finish_dead(struct execution *execution)
{
    if (outcome_from_death(&execution->outcome, &execution->death) < 0)
        log_warn("execution %s: no memory to describe its end", execution->id_text);
    finish(execution, &execution->state);
}

static void run_clock(struct execution *execution)
{
    execution->deadline_us = now_us() + execution->left_us;
    set_timer(execution, PHASE_RUN, execution->left_us);
}

/* While the program waits for input() its time limit rests. */
static void rest_clock(struct execution *execution)
{
    if (execution->phase != PHASE_RUN)
        return;
    (void)evtimer_del(&execution->timer);
    execution->left_us = execution->deadline_us - now_us();
    if (execution->left_us < 0)
        execution->left_us = 0;
}

static void on_run_limit(struct execution *execution)
{
    execution->timed_out = true;
    set_timer(execution, PHASE_GRACE, (int64_t)execution->grace_ms * 1000);
    worker_interrupt(execution->worker);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct execution *execution = arg;
    (void)fd;
    (void)what;
    switch (execution->phase) {
    case PHASE_RUN: on_run_limit(execution); break;
    case PHASE_GRACE:
        execution->phase = PHASE_KILL; /* worker.c sees to it that it ends now, one way or the other */
        worker_kill_interpreter(execution->worker);
        break;
    case PHASE_KILL: break;
    case PHASE_STATS: finish_dead(execution); break;
    }
}

static int make_track(struct execution *execution, struct err *err)
{
    execution->output.track = event_track_new(execution->log, execution->serial, execution->id_text, execution->session_text, NULL, 0, err);
    return execution->output.track != NULL ? 0 : -1;
}

struct execution *execution_new(struct event_base *base, struct event_log *log, uint64_t serial, const struct id *session,
                                const struct output_limits *limits, const struct execution_request *request,
                                execution_on_finished on_finished, void *arg, struct err *err)
{
    struct execution *execution = calloc(1, sizeof *execution);
    if (execution == NULL || !bytes_append(&execution->code, request->code, request->code_length)) {
        free(execution);
        (void)err_set(err, ENOMEM, "no memory for an execution");
        return NULL;
    }
    id_make(&execution->id);
    id_format(&execution->id, execution->id_text);
    id_format(session, execution->session_text);
    execution->node.execution           = execution;
    execution->session                  = *session;
    execution->base                     = base;
    execution->log                      = log;
    execution->serial                   = serial;
    execution->on_finished              = on_finished;
    execution->arg                      = arg;
    execution->options                  = json_incref(request->options);
    execution->timeout_ms               = request->timeout_ms;
    execution->grace_ms                 = request->grace_ms;
    execution->output.limits            = *limits;
    execution->output.include_variables = request->include_variables;
    execution->made_us                  = now_us();
    (void)evtimer_assign(&execution->timer, base, on_timer, execution);
    if (make_track(execution, err) < 0) {
        execution_free(execution);
        return NULL;
    }
    return execution;
}

void execution_free(struct execution *execution)
{
    if (execution == NULL)
        return;
    (void)evtimer_del(&execution->timer);
    output_done(&execution->output);
    outcome_done(&execution->outcome);
    bytes_done(&execution->code);
    json_decref(execution->options);
    event_track_free(execution->output.track);
    free(execution);
}

void execution_set_waiter(struct execution *execution, execution_on_result on_result, void *arg)
{
    execution->on_result           = on_result;
    execution->result_arg          = arg;
    execution->output.result.whole = on_result != NULL;
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
    int        n = snprintf(text, sizeof text, "{\"executionCount\":%llu}", (unsigned long long)execution_count);

    execution->worker          = worker;
    execution->execution_count = execution_count;
    execution->started_us      = now_us();
    set_status(execution, EXECUTION_RUNNING);
    if (event_track_json(execution->output.track, EVENT_KIND_START, text, (size_t)n, &err) < 0)
        log_warn("execution %s: its start could not be written: %s", execution->id_text, err.message);
    if (send_to_worker(execution, extra, &err) < 0) {
        stop_clock(execution);
        worker_end(worker, err.message);
        conclude_failed(execution, "WORKER_UNREACHABLE", err.message);
        return;
    }
    bytes_done(&execution->code);
    execution->left_us = (int64_t)execution->timeout_ms * 1000;
    run_clock(execution);
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
    set_status(execution, EXECUTION_INPUT_REQUIRED);
    if (value == NULL || event_track_value(execution->output.track, EVENT_KIND_INPUT_REQUEST, value, &err) < 0)
        log_warn("execution %s: a prompt is lost: %s", execution->id_text, err.message);
    json_decref(value);
    json_decref(sent);
}

static void on_done(struct execution *execution, const struct frame *frame)
{
    static const struct execution_state kept = {.kind = STATE_KEPT};
    struct err                          err  = {0};
    if (outcome_from_done(&execution->outcome, frame->payload, frame->length, execution->timed_out ? execution->timeout_ms : 0, &err) < 0)
        worker_end(execution->worker, err.message); /* its end will be ours */
    else
        finish(execution, &kept);
}

void execution_on_frame(struct execution *execution, const struct frame *frame)
{
    switch (frame->type) {
    case EVENT_STDOUT: output_text(&execution->output, PIPES_STDOUT, OUTPUT_FRAME, frame->payload, frame->length); break;
    case EVENT_STDERR: output_text(&execution->output, PIPES_STDERR, OUTPUT_FRAME, frame->payload, frame->length); break;
    case EVENT_INPUT_REQUEST: on_input_request(execution, frame); break;
    case EVENT_DONE: on_done(execution, frame); break;
    default: output_value(&execution->output, frame); break;
    }
}

void execution_on_raw(struct execution *execution, enum pipes_stream stream, const char *data, size_t length)
{
    output_text(&execution->output, stream, OUTPUT_RAW, data, length);
}

static bool was_ended_for_time(const struct execution *execution, int status)
{
    return execution->timed_out && WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGINT);
}

void execution_on_exit(struct execution *execution, int status, const struct execution_state *after)
{
    execution->state        = *after;
    execution->death.status = status;
    if (was_ended_for_time(execution, status))
        execution->death.timed_out_ms = execution->timeout_ms;
    if (worker_ask_stats(execution->worker))
        set_timer(execution, PHASE_STATS, (int64_t)STATS_LIMIT_MS * 1000);
    else
        finish_dead(execution);
}

void execution_on_stats(struct execution *execution, const struct session_stats *stats, bool oom, uint64_t cpu_us)
{
    if (!execution_is_dying(execution))
        return;
    execution->death.oom                 = oom && WIFSIGNALED(execution->death.status) && WTERMSIG(execution->death.status) == SIGKILL;
    execution->outcome.memory_bytes      = stats->memory_bytes;
    execution->outcome.memory_peak_bytes = stats->memory_peak_bytes;
    execution->outcome.cpu_user_us       = cpu_us;
    finish_dead(execution);
}

void execution_on_gone(struct execution *execution, const struct worker_death *death)
{
    execution->state        = (struct execution_state){.kind = STATE_LOST};
    execution->death.status = death->status;
    execution->death.oom    = death->oom;
    execution->death.reason = death->reason;
    if (was_ended_for_time(execution, death->status) || (execution->timed_out && execution->phase == PHASE_KILL))
        execution->death.timed_out_ms = execution->timeout_ms;
    finish_dead(execution);
}

static void cancel_queued(struct execution *execution)
{
    static const struct execution_state kept = {.kind = STATE_KEPT};
    execution->outcome.status                = EXECUTION_INTERRUPTED;
    execution->outcome.error =
        json_pack("{s:s, s:s, s:s}", "type", "KeyboardInterrupt", "message", "cancelled before it started", "traceback", "");
    finish(execution, &kept);
}

void execution_interrupt(struct execution *execution)
{
    if (execution->status == EXECUTION_QUEUED)
        cancel_queued(execution);
    else if (!execution_has_ended(execution) && !execution_is_dying(execution))
        worker_interrupt(execution->worker);
}

void execution_kill(struct execution *execution, const char *reason, const struct execution_state *after)
{
    if (execution_has_ended(execution))
        return;
    execution->state        = *after;
    execution->death.reason = reason;
    finish_dead(execution);
}

void execution_fail(struct execution *execution, const char *code, const char *message)
{
    if (execution_has_ended(execution))
        return;
    stop_clock(execution);
    conclude_failed(execution, code, message);
}

int execution_input(struct execution *execution, const char *text, size_t length, struct err *err)
{
    if (execution->status != EXECUTION_INPUT_REQUIRED)
        return err_set(err, EBUSY, "the execution does not wait for input");
    if (worker_input(execution->worker, text, length, err) < 0)
        return -1;
    set_status(execution, EXECUTION_RUNNING);
    if (execution->phase == PHASE_RUN)
        run_clock(execution);
    return 0;
}

void execution_set_notice(struct execution *execution, const char *notice)
{
    execution->notice = notice;
}

void execution_flush(struct execution *execution)
{
    event_log_flush(execution->log);
}

struct execution_node *execution_node(struct execution *execution)
{
    return &execution->node;
}

const struct id *execution_id(const struct execution *execution)
{
    return &execution->id;
}

const char *execution_id_text(const struct execution *execution)
{
    return execution->id_text;
}

const struct id *execution_session(const struct execution *execution)
{
    return &execution->session;
}

const char *execution_session_text(const struct execution *execution)
{
    return execution->session_text;
}

enum execution_status execution_status(const struct execution *execution)
{
    return execution->status;
}

bool execution_has_ended(const struct execution *execution)
{
    return execution->status >= EXECUTION_OK;
}

bool execution_is_dying(const struct execution *execution)
{
    return !execution_has_ended(execution) && execution->status != EXECUTION_QUEUED && execution->phase == PHASE_STATS;
}

const struct outcome *execution_outcome(const struct execution *execution)
{
    return &execution->outcome;
}

struct event_track *execution_track(const struct execution *execution)
{
    return execution->output.track;
}

const char *execution_failure(const struct execution *execution, const char **ret_code)
{
    *ret_code = execution->failure_code;
    return execution->failure_code != NULL ? execution->failure : NULL;
}

double execution_ms(const struct execution *execution)
{
    int64_t end = execution->ended_us != 0 ? execution->ended_us : now_us();
    return execution->started_us != 0 ? (double)(end - execution->started_us) / 1000.0 : 0.0;
}
