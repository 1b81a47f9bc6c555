#define _GNU_SOURCE
#include "execution_account.h"

#include "execution_private.h"
#include "metrics.h"
#include "tenant.h"

static double queued_ms(const struct execution *execution)
{
    int64_t until = execution->started_us != 0 ? execution->started_us : execution->ended_us;
    return (double)(until - execution->made_us) / 1000.0;
}

static void count_denials(const struct execution *execution)
{
    if (execution->status == EXECUTION_REJECTED)
        metrics_deny(METRICS_DENIED_IMPORTS);
    if (execution->status == EXECUTION_MEMORY)
        metrics_deny(METRICS_DENIED_MEMORY);
    if (execution->status == EXECUTION_TIMEOUT)
        metrics_deny(METRICS_DENIED_TIME);
    if (event_track_is_truncated(execution->output.track))
        metrics_deny(METRICS_DENIED_OUTPUT);
}

static void count(const struct execution *execution, uint64_t cpu_us)
{
    metrics_outcome(execution->status);
    metrics_observe(METRICS_QUEUE, (uint64_t)(queued_ms(execution) * 1000));
    if (execution->started_us != 0)
        metrics_observe(METRICS_RUN, (uint64_t)(execution->ended_us - execution->started_us));
    metrics_add(METRICS_EVENTS, event_track_last_seq(execution->output.track));
    metrics_add(METRICS_OUTPUT_BYTES, event_track_output_bytes(execution->output.track));
    metrics_add(METRICS_CPU_US, cpu_us);
    if (execution->failure_code != NULL)
        metrics_add(METRICS_RUN_FAILURES, 1);
    if (execution->status == EXECUTION_KILLED || (execution->status == EXECUTION_MEMORY && execution->state.kind != STATE_KEPT))
        metrics_add(METRICS_LOST_WORKERS, 1);
    count_denials(execution);
}

static void record(const struct execution *execution, uint64_t cpu_us)
{
    const struct audit_figures figures = {
        .execution_ms = execution_ms(execution),
        .queued_ms    = queued_ms(execution),
        .cpu_ms       = (double)cpu_us / 1000.0,
        .memory_peak_bytes =
            execution->outcome.memory_peak_bytes != 0 ? execution->outcome.memory_peak_bytes : execution->outcome.memory_bytes,
        .output_bytes = event_track_output_bytes(execution->output.track),
    };
    const json_t *error = execution->outcome.error;
    audit_run_ended(execution->audit, execution->session_text, execution->id_text, execution_status_name(execution->status),
                    execution->failure_code != NULL ? execution->failure_code : json_string_value(json_object_get(error, "type")),
                    &figures);
}

void execution_account(const struct execution *execution)
{
    const struct outcome *outcome = &execution->outcome;
    uint64_t              cpu_us  = outcome->cpu_user_us + outcome->cpu_system_us;

    count(execution, cpu_us);
    /* Nobody could say what a jail that died as a whole had used: at most what the clock says. */
    if (cpu_us == 0 && execution->started_us != 0 && execution->status != EXECUTION_OK)
        cpu_us = (uint64_t)(execution->ended_us - execution->started_us);
    tenant_charge(execution->owner, cpu_us, metrics_now_us() / 1000);
    if (execution->audit != NULL)
        record(execution, cpu_us);
}
