#define _GNU_SOURCE
#include "execution.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "execution_private.h"
#include "files_given.h"
#include "json.h"
#include "log.h"
#include "notebook.h"

int64_t execution_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void execution_set_status(struct execution *execution, enum execution_status status)
{
    log_debug("execution %s: %s -> %s", execution->id_text, execution_status_name(execution->status), execution_status_name(status));
    execution->status = status;
}

void execution_set_timer(struct execution *execution, enum phase phase, int64_t after_us)
{
    struct timeval after = {.tv_sec = after_us / 1000000, .tv_usec = after_us % 1000000};
    execution->phase     = phase;
    if (execution->run != NULL) {
        execution->run->phase       = (uint32_t)phase;
        execution->run->timed_out   = execution->timed_out;
        execution->run->deadline_us = execution_now_us() + after_us;
    }
    (void)evtimer_add(&execution->timer, &after);
}

static int make_track(struct execution *execution, struct err *err)
{
    struct bytes note = {0};
    if (!notebook_note(&note, execution->code.data, execution->code.length)) {
        bytes_done(&note);
        return err_set(err, ENOMEM, "no memory for an execution");
    }
    execution->output.track =
        event_track_new(execution->log, execution->serial, execution->id_text, execution->session_text, note.data, note.length, err);
    bytes_done(&note);
    return execution->output.track != NULL ? 0 : -1;
}

struct execution *execution_make(const struct execution_place *place, const struct id *id, uint64_t serial)
{
    struct execution *execution = calloc(1, sizeof *execution);
    if (execution == NULL)
        return NULL;
    execution->id             = *id;
    execution->node.execution = execution;
    execution->session        = *place->session;
    execution->base           = place->base;
    execution->log            = place->log;
    execution->owner          = place->owner;
    execution->serial         = serial;
    execution->on_finished    = place->on_finished;
    execution->arg            = place->arg;
    execution->output.limits  = *place->limits;
    execution->made_us        = execution_now_us();
    execution->made_at_ms     = json_time_now();
    id_format(&execution->id, execution->id_text);
    id_format(&execution->session, execution->session_text);
    (void)evtimer_assign(&execution->timer, place->base, execution_on_timer, execution);
    return execution;
}

struct execution *execution_new(const struct execution_place *place, uint64_t serial, const struct execution_request *request,
                                struct err *err)
{
    struct execution *execution;
    struct id         id;

    if (request->id != NULL)
        id = *request->id;
    else
        id_make(&id);
    execution = execution_make(place, &id, serial);
    if (execution == NULL || !bytes_append(&execution->code, request->code, request->code_length)) {
        free(execution);
        (void)err_set(err, ENOMEM, "no memory for an execution");
        return NULL;
    }
    execution->options                  = json_incref(request->options);
    execution->label                    = json_incref(request->label);
    execution->timeout_ms               = request->timeout_ms;
    execution->grace_ms                 = request->grace_ms;
    execution->use                      = request->use;
    execution->interactive              = request->interactive;
    execution->transactional            = request->transactional;
    execution->files                    = request->files;
    execution->packages                 = json_incref(request->packages);
    execution->audit                    = audit_run_new(tenant_name(place->owner), request->origin, request->code, request->code_length);
    execution->output.include_variables = request->include_variables;
    if (make_track(execution, err) < 0) {
        execution->files = NULL;
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
    audit_run_free(execution->audit);
    json_decref(execution->options);
    json_decref(execution->ahead);
    json_decref(execution->label);
    free(execution->notice);
    files_given_free(execution->files);
    json_decref(execution->files_kept);
    json_decref(execution->packages);
    event_track_free(execution->output.track);
    free(execution);
}

void execution_set_waiter(struct execution *execution, execution_on_result on_result, void *arg)
{
    execution->on_result           = on_result;
    execution->result_arg          = arg;
    execution->output.result.whole = on_result != NULL;
}

void execution_set_judge(struct execution *execution, bool (*is_kept)(enum execution_status status, void *arg), void *arg,
                         uint64_t restored_to)
{
    execution->is_kept   = is_kept;
    execution->judge_arg = arg;
    execution->before    = restored_to;
}

void execution_set_on_end(struct execution *execution, void (*on_end)(struct execution *execution, void *arg))
{
    execution->on_end = on_end;
}

void execution_watch_values(struct execution *execution, output_on_value on_value, void *arg)
{
    execution->output.on_value     = on_value;
    execution->output.on_value_arg = arg;
}

void execution_set_notice(struct execution *execution, const char *notice)
{
    free(execution->notice);
    execution->notice = notice != NULL ? strdup(notice) : NULL; /* without memory it is not told */
}

json_t *execution_take_packages(struct execution *execution)
{
    json_t *packages    = execution->packages;
    execution->packages = NULL;
    return packages;
}

struct files_given *execution_take_files(struct execution *execution)
{
    struct files_given *files = execution->files;
    execution->files          = NULL;
    return files;
}

void execution_give_files(struct execution *execution, struct files_given *files)
{
    execution->files = files;
}

void execution_flush(struct execution *execution)
{
    event_log_flush(execution->log);
}

struct execution_node *execution_node(struct execution *execution)
{
    return &execution->node;
}

const json_t *execution_label(const struct execution *execution)
{
    return execution->label;
}

void execution_times(const struct execution *execution, int64_t *ret_started_ms, int64_t *ret_ended_ms)
{
    *ret_started_ms = execution->started_us != 0 ? execution->made_at_ms + (execution->started_us - execution->made_us) / 1000 : 0;
    *ret_ended_ms   = execution->ended_us != 0 ? execution->made_at_ms + (execution->ended_us - execution->made_us) / 1000 : 0;
}

const struct execution_use *execution_use(const struct execution *execution)
{
    return &execution->use;
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

struct tenant *execution_owner(const struct execution *execution)
{
    return execution->owner;
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
    return !execution_has_ended(execution) && execution->status != EXECUTION_QUEUED && execution->phase >= PHASE_STATS;
}

bool execution_is_to_be_undone(const struct execution *execution)
{
    return execution_is_dying(execution) && execution->phase == PHASE_UNDO;
}

bool execution_is_transactional(const struct execution *execution)
{
    return execution->transactional;
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

const struct execution_state *execution_state(const struct execution *execution)
{
    return &execution->state;
}

double execution_ms(const struct execution *execution)
{
    int64_t end = execution->ended_us != 0 ? execution->ended_us : execution_now_us();
    return execution->started_us != 0 ? (double)(end - execution->started_us) / 1000.0 : 0.0;
}
