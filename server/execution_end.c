/* execution_end.c: how an execution ends: exactly once, whatever happens. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "execution_account.h"
#include "execution_private.h"
#include "files_given.h"
#include "log.h"

enum { STATS_LIMIT_MS = 3000 }; /* how long the end waits for the word on why the kernel killed, of a zygote that may have much to do */

static void fill_summary(const struct execution *execution, struct result_summary *summary)
{
    static const char *const states[] = {"kept", "rolledBack", "lost"};
    const struct outcome    *outcome  = &execution->outcome;

    *summary = (struct result_summary){
        .status            = execution_status_name(execution->status),
        .state             = states[execution->state.kind],
        .session_id        = execution->session_text,
        .execution_id      = execution->id_text,
        .success           = execution->status == EXECUTION_OK,
        .restored_to       = execution->state.kind == STATE_ROLLED_BACK ? (int64_t)execution->state.restored_to : -1,
        .execution_count   = execution->execution_count,
        .error             = outcome->error,
        .artifacts         = outcome->artifacts,
        .artifacts_omitted = outcome->artifacts_omitted,
        .threads           = outcome->threads,
        .notice            = execution->notice,
        .truncated         = event_track_is_truncated(execution->output.track),
        .metrics           = {.execution_ms = execution_ms(execution),
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
    if (execution->on_end != NULL)
        execution->on_end(execution, execution->arg);
    event_log_flush(execution->log);
    execution_account(execution);
    if (execution->on_result != NULL)
        execution->on_result(execution, whole, execution->result_arg);
    execution->on_result = NULL;
    output_done(&execution->output);
    outcome_done(&execution->outcome);
    bytes_done(&execution->code);
    audit_run_free(execution->audit);
    execution->audit = NULL;
    json_decref(execution->options);
    execution->options = NULL;
    files_given_free(execution_take_files(execution));
    execution_forget_files_kept(execution);
    json_decref(execution_take_packages(execution));
    execution->on_finished(execution, execution->arg);
}

static void stop_clock(struct execution *execution)
{
    (void)evtimer_del(&execution->timer);
    execution->ended_us = execution_now_us();
    execution->worker   = NULL;
}

/* The service could not do it, or could not say what came of it. */
static void conclude_failed(struct execution *execution, const char *code, const char *message)
{
    struct err err   = {0};
    json_t    *value = json_pack("{s:s, s:s}", "error", code, "message", message);

    execution->failure_code = code;
    (void)snprintf(execution->failure, sizeof execution->failure, "%s", message);
    execution_set_status(execution, EXECUTION_LOST);
    if (value == NULL || event_track_value(execution->output.track, EVENT_KIND_ERROR, value, &err) < 0)
        log_error("execution %s: its end could not be written: %s", execution->id_text, err.message);
    json_decref(value);
    conclude(execution, NULL);
}

void execution_finish(struct execution *execution, const struct execution_state *state)
{
    struct result_summary summary;
    struct bytes          whole = {0};
    struct err            err   = {0};

    stop_clock(execution);
    execution->state = *state;
    execution_set_status(execution, execution->outcome.status);
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

void execution_finish_dead(struct execution *execution)
{
    if (outcome_from_death(&execution->outcome, &execution->death) < 0)
        log_warn("execution %s: no memory to describe its end", execution->id_text);
    execution_finish(execution, &execution->state);
}

/* By SIGINT, or by our SIGKILL: one that came before ours was somebody else's. */
static bool was_ended_for_time(const struct execution *execution, int status)
{
    return execution->timed_out && WIFSIGNALED(status) &&
           (WTERMSIG(status) == SIGINT || (WTERMSIG(status) == SIGKILL && execution->phase == PHASE_KILL));
}

void execution_undo(struct execution *execution)
{
    (void)evtimer_del(&execution->timer);
    execution->phase = PHASE_UNDO;
}

void execution_know_stats(struct execution *execution)
{
    (void)evtimer_del(&execution->timer);
    execution->phase = PHASE_DEAD;
    if (execution->knows_state)
        execution_finish_dead(execution);
}

void execution_on_state(struct execution *execution, const struct execution_state *after)
{
    execution->state       = *after;
    execution->knows_state = true;
    if (execution->phase == PHASE_UNDO)
        execution_finish(execution, after);
    else if (execution->phase == PHASE_DEAD)
        execution_finish_dead(execution);
}

void execution_on_exit(struct execution *execution, int status)
{
    execution->death.status = status;
    if (was_ended_for_time(execution, status))
        execution->death.timed_out_ms = execution->timeout_ms;
    if (worker_ask_stats(execution->worker))
        execution_set_timer(execution, PHASE_STATS, (int64_t)STATS_LIMIT_MS * 1000);
    else
        execution_know_stats(execution);
}

void execution_on_stats(struct execution *execution, const struct session_stats *stats, bool oom, uint64_t cpu_us)
{
    if (!execution_is_dying(execution) || execution->phase != PHASE_STATS)
        return;
    execution->death.oom =
        oom && execution->death.timed_out_ms == 0 && WIFSIGNALED(execution->death.status) && WTERMSIG(execution->death.status) == SIGKILL;
    execution->outcome.memory_bytes      = stats->memory_bytes;
    execution->outcome.memory_peak_bytes = stats->memory_peak_bytes;
    execution->outcome.cpu_user_us       = cpu_us;
    execution_know_stats(execution);
}

void execution_on_gone(struct execution *execution, const struct worker_death *death)
{
    const struct execution_state lost = {.kind = STATE_LOST};
    if (execution->phase == PHASE_UNDO) {
        execution_finish(execution, &lost);
        return;
    }
    execution->state        = lost;
    execution->death.status = death->status;
    execution->death.oom    = death->oom;
    execution->death.reason = death->reason;
    if (was_ended_for_time(execution, death->status) || (execution->timed_out && execution->phase == PHASE_KILL))
        execution->death.timed_out_ms = execution->timeout_ms;
    execution_finish_dead(execution);
}

static void cancel_queued(struct execution *execution)
{
    static const struct execution_state kept = {.kind = STATE_KEPT};
    execution->outcome.status                = EXECUTION_INTERRUPTED;
    execution->outcome.error =
        json_pack("{s:s, s:s, s:s}", "type", "KeyboardInterrupt", "message", "cancelled before it started", "traceback", "");
    execution_finish(execution, &kept);
}

void execution_reject(struct execution *execution, const char *type, const char *message)
{
    static const struct execution_state kept = {.kind = STATE_KEPT};
    execution->outcome.status                = EXECUTION_REJECTED;
    execution->outcome.error                 = json_pack("{s:s, s:s, s:s}", "type", type, "message", message, "traceback", "");
    execution_finish(execution, &kept);
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
    if (execution->phase == PHASE_UNDO) { /* how it ended is known already */
        execution_finish(execution, after);
        return;
    }
    execution->state        = *after;
    execution->death.reason = reason;
    execution_finish_dead(execution);
}

void execution_fail(struct execution *execution, const char *code, const char *message)
{
    if (execution_has_ended(execution))
        return;
    stop_clock(execution);
    conclude_failed(execution, code, message);
}
