/* execution_keep.c: an execution for the server process that comes after this one, and from the one before. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "execution_private.h"
#include "files_given.h"
#include "json.h"
#include "log.h"
#include "result_read.h"

static const char DIED_BEFORE_START[] = "The server process died before the code had reached the session; none of it has run.";

void execution_keep(struct execution *execution, struct keep_run *run)
{
    execution->run = run;
}

void execution_begin_run(struct execution *execution)
{
    struct keep_run *run = execution->run;
    if (run == NULL)
        return;
    run->serial = 0;
    keep_order();
    run->id                = execution->id;
    run->execution_count   = execution->execution_count;
    run->epoch             = event_track_epoch(execution->output.track);
    run->timeout_ms        = execution->timeout_ms;
    run->grace_ms          = execution->grace_ms;
    run->phase             = PHASE_RUN;
    run->timed_out         = 0;
    run->interactive       = execution->interactive;
    run->transactional     = execution->transactional;
    run->include_variables = execution->output.include_variables;
    run->made_us           = execution->made_us;
    run->started_us        = execution->started_us;
    run->left_us           = (int64_t)execution->timeout_ms * 1000;
    run->deadline_us       = run->started_us + run->left_us;
    keep_order();
    run->serial = execution->serial;
}

void execution_kept(const struct execution *execution, struct execution_kept *ret)
{
    const struct output *output = &execution->output;
    ret->serial                 = execution->serial;
    ret->output_bytes           = event_track_output_bytes(output->track);
    ret->dropped_bytes          = event_track_dropped_bytes(output->track);
    ret->plots                  = output->plots;
    ret->variables              = output->variables;
    ret->dropped                = output->dropped;
    ret->is_undone              = execution->phase == PHASE_UNDO;
    ret->is_dying               = execution_is_dying(execution) && ret->is_undone == 0;
    ret->knows_state            = execution->knows_state;
    ret->state                  = execution->state;
    memcpy(ret->carry, output->carry, sizeof ret->carry);
}

json_t *execution_note(const struct execution *execution)
{
    json_t *note = json_pack(
        "{s:O*, s:O*, s:O*, s:O*, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:I, s:I}", "options", execution->options, "label", execution->label,
        "packages", execution->packages, "filesKept", execution->files_kept, "timeout", (json_int_t)execution->timeout_ms, "grace",
        (json_int_t)execution->grace_ms, "memory", (json_int_t)execution->use.memory_bytes, "cpu", (json_int_t)execution->use.cpu_percent,
        "includeVariables", (int)execution->output.include_variables, "interactive", (int)execution->interactive, "transactional",
        (int)execution->transactional, "made", (json_int_t)execution->made_us, "madeAt", (json_int_t)execution->made_at_ms);
    if (note != NULL && execution->use.network)
        (void)json_object_set_new(note, "network", json_true());
    if (note != NULL && execution->status == EXECUTION_QUEUED)
        (void)json_object_set_new(note, "code",
                                  json_stringn(execution->code.data != NULL ? execution->code.data : "", execution->code.length));
    return note;
}

/* ---- afterwards ---- */

static enum execution_status status_named(const char *name)
{
    for (int status = EXECUTION_OK; status < EXECUTION_STATUS_COUNT; status++)
        if (name != NULL && strcmp(execution_status_name((enum execution_status)status), name) == 0)
            return (enum execution_status)status;
    return EXECUTION_LOST;
}

/* Its last event says how it ended. */
static void restore_end(struct execution *execution)
{
    struct result_end end;
    if (result_read_end(execution->output.track, &end) < 0) {
        execution->status = EXECUTION_LOST;
        return;
    }
    execution->status = end.failed ? EXECUTION_LOST : status_named(end.status);
    if (end.failed) {
        execution->failure_code = "EXECUTION_FAILED";
        (void)snprintf(execution->failure, sizeof execution->failure, "%s", end.message);
    }
    /* Against now: only how long it took and when it ended by the wall clock is known. */
    execution->ended_us   = execution->made_us + 1;
    execution->started_us = execution->ended_us - (int64_t)(end.execution_ms * 1000);
    execution->made_at_ms = end.ended_ms;
}

static json_t *read_note(const struct execution *execution)
{
    struct bytes text = {0};
    struct err   err  = {0};
    json_error_t error;
    json_t      *note = NULL;
    if (event_track_kept(execution->output.track, &text, &err) == 0)
        note = json_loadb(text.data, text.length, JSON_ALLOW_NUL, &error);
    bytes_done(&text);
    return note;
}

static void restore_label(struct execution *execution)
{
    json_t *note     = read_note(execution);
    execution->label = json_incref(json_object_get(note, "label"));
    if (!event_track_has_ended(execution->output.track))
        execution_restore_files_kept(execution, note);
    json_decref(note);
}

struct execution *execution_restore(const struct execution_place *place, struct event_track *track, struct err *err)
{
    struct id         id;
    struct execution *execution =
        id_parse(event_track_execution_id(track), &id) ? execution_make(place, &id, event_track_serial(track)) : NULL;
    if (execution == NULL) {
        (void)err_set(err, ENOMEM, "an execution can't be restored");
        return NULL;
    }
    execution->output.track = track;
    if (event_track_has_ended(track))
        restore_end(execution);
    restore_label(execution);
    return execution;
}

static void take_note(struct execution *execution, const json_t *note)
{
    json_decref(execution->options);
    json_decref(execution->packages);
    execution->options                  = json_incref(json_object_get(note, "options"));
    execution->packages                 = json_incref(json_object_get(note, "packages"));
    execution->use.memory_bytes         = (uint64_t)json_integer_value(json_object_get(note, "memory"));
    execution->use.cpu_percent          = (uint32_t)json_integer_value(json_object_get(note, "cpu"));
    execution->use.network              = json_is_true(json_object_get(note, "network"));
    execution->made_at_ms               = (int64_t)json_integer_value(json_object_get(note, "madeAt"));
    execution->timeout_ms               = (uint32_t)json_integer_value(json_object_get(note, "timeout"));
    execution->grace_ms                 = (uint32_t)json_integer_value(json_object_get(note, "grace"));
    execution->output.include_variables = json_is_true(json_object_get(note, "includeVariables"));
    execution->interactive              = json_is_true(json_object_get(note, "interactive"));
    execution->transactional            = json_is_true(json_object_get(note, "transactional"));
    execution->made_us                  = (int64_t)json_integer_value(json_object_get(note, "made"));
}

bool execution_restore_waiting(struct execution *execution)
{
    json_t *note = read_note(execution), *code = json_object_get(note, "code");
    bool    fine = json_is_string(code);

    execution->code.length = 0;
    fine                   = fine && bytes_append(&execution->code, json_string_value(code), json_string_length(code));
    fine                   = fine && execution_restore_files(execution);
    if (fine)
        take_note(execution, note);
    json_decref(note);
    return fine;
}

static void restore_clock(struct execution *execution, const struct keep_run *run)
{
    int64_t left = run->deadline_us - execution_now_us();

    execution->left_us     = run->left_us;
    execution->deadline_us = run->deadline_us;
    execution->phase       = (enum phase)run->phase;
    if (execution->phase > PHASE_KILL)
        return; /* it does not run any more */
    if (execution->phase == PHASE_KILL) {
        worker_kill_interpreter(execution->worker); /* again: it may not have been asked yet */
        return;
    }
    if (execution->status == EXECUTION_INPUT_REQUIRED && execution->phase == PHASE_RUN)
        return; /* it rests */
    execution_set_timer(execution, execution->phase, left > 0 ? left : 0);
}

void execution_keep_done(struct execution *execution, const char *payload, size_t length)
{
    struct err err = {0};
    if (execution->run != NULL && event_track_keep(execution->output.track, payload, length, &err) < 0)
        log_warn("execution %s: how it ended is not kept: %s", execution->id_text, err.message);
}

void execution_restore_undone(struct execution *execution)
{
    struct bytes payload = {0};
    struct err   err     = {0};
    if (event_track_kept(execution->output.track, &payload, &err) < 0 ||
        outcome_from_done(&execution->outcome, payload.data, payload.length, execution->timed_out ? execution->timeout_ms : 0, &err) < 0)
        execution->outcome.status = EXECUTION_ERROR; /* it has failed, that much is known */
    bytes_done(&payload);
    execution_undo(execution);
}

void execution_restore_running(struct execution *execution, struct worker *worker, struct keep_run *run, const struct execution_kept *kept,
                               bool waits_for_input)
{
    struct output *output = &execution->output;

    execution->run             = run;
    execution->worker          = worker;
    execution->execution_count = run->execution_count;
    execution->timeout_ms      = run->timeout_ms;
    execution->grace_ms        = run->grace_ms;
    execution->timed_out       = run->timed_out != 0;
    execution->interactive     = run->interactive != 0;
    execution->transactional   = run->transactional != 0;
    execution->made_us         = run->made_us;
    execution->started_us      = run->started_us;
    output->include_variables  = run->include_variables != 0;
    if (kept->serial == execution->serial) {
        output->plots     = kept->plots;
        output->variables = kept->variables;
        output->dropped   = kept->dropped;
        memcpy(output->carry, kept->carry, sizeof output->carry);
        event_track_set_counts(output->track, kept->output_bytes, kept->dropped_bytes);
    }
    if (result_read_so_far(output->track, &output->result) < 0)
        output->result.cut = true;
    execution_set_status(execution, waits_for_input ? EXECUTION_INPUT_REQUIRED : EXECUTION_RUNNING);
    restore_clock(execution, run);
}

bool execution_on_unsent(struct execution *execution, bool input)
{
    if (input && !execution->interactive) {
        execution_end_input(execution);
        return false;
    }
    if (input) {
        (void)evtimer_del(&execution->timer);
        execution_set_status(execution, EXECUTION_INPUT_REQUIRED);
        return false;
    }
    (void)evtimer_del(&execution->timer);
    if (execution_restore_waiting(execution)) {
        result_done(&execution->output.result);
        execution->output.result = (struct result){0};
        execution->worker        = NULL;
        execution_set_status(execution, EXECUTION_QUEUED);
        return true;
    }
    execution_fail(execution, "SERVER_DIED", DIED_BEFORE_START);
    return false;
}
