#define _GNU_SOURCE
#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "artifacts.h"

const char *execution_status_name(enum execution_status status)
{
    static const char *const names[EXECUTION_STATUS_COUNT] = {"queued", "running",     "inputRequired", "ok",       "error", "timeout",
                                                              "memory", "interrupted", "killed",        "rejected", "lost"};
    return names[status];
}

void outcome_done(struct outcome *outcome)
{
    json_decref(outcome->error);
    json_decref(outcome->artifacts);
    outcome->error = outcome->artifacts = NULL;
}

static int read_status(const json_t *done, enum execution_status *ret_status)
{
    static const enum execution_status possible[] = {EXECUTION_OK, EXECUTION_ERROR, EXECUTION_MEMORY, EXECUTION_INTERRUPTED,
                                                     EXECUTION_REJECTED};
    const char                        *text       = json_string_value(json_object_get(done, "status"));
    for (size_t i = 0; text != NULL && i < sizeof possible / sizeof *possible; i++) {
        if (strcmp(text, execution_status_name(possible[i])) == 0) {
            *ret_status = possible[i];
            return 0;
        }
    }
    return -1;
}

static uint64_t read_number(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n > 0 ? (uint64_t)n : 0;
}

/* Only the known members, and only of the right type: the worker may send anything. */
static json_t *read_error(const json_t *sent)
{
    static const char *const texts[] = {"type", "message", "traceback"};
    json_t                  *error, *line = json_object_get(sent, "line");
    if (!json_is_object(sent))
        return NULL;
    error = json_object();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *text = json_object_get(sent, texts[i]);
        (void)json_object_set_new(error, texts[i], json_is_string(text) ? json_incref(text) : json_string(""));
    }
    if (json_is_integer(line))
        (void)json_object_set(error, "line", line);
    return error;
}

static json_t *make_error(const char *type, const char *message, const json_t *former)
{
    json_t *traceback = json_object_get(former, "traceback"), *line = json_object_get(former, "line");
    json_t *error = json_pack("{s:s, s:s, s:O}", "type", type, "message", message, "traceback", traceback);
    if (error == NULL)
        error = json_pack("{s:s, s:s, s:s}", "type", type, "message", message, "traceback", "");
    if (error != NULL && line != NULL)
        (void)json_object_set(error, "line", line);
    return error;
}

static int set_timeout(struct outcome *outcome, uint32_t limit_ms)
{
    char    message[64];
    json_t *former = outcome->error;
    (void)snprintf(message, sizeof message, "Execution timeout after %ums", limit_ms);
    outcome->status = EXECUTION_TIMEOUT;
    outcome->error  = make_error("TimeoutError", message, former);
    json_decref(former);
    return outcome->error != NULL ? 0 : -1;
}

int outcome_from_done(struct outcome *outcome, const char *payload, size_t length, uint32_t timed_out_ms, struct err *err)
{
    json_error_t error;
    json_t      *done = json_loadb(payload, length, JSON_ALLOW_NUL, &error);

    if (!json_is_object(done) || read_status(done, &outcome->status) < 0) {
        json_decref(done);
        return err_set(err, 0, "the worker's last word of a cell was not understood");
    }
    outcome->error     = read_error(json_object_get(done, "error"));
    outcome->artifacts = artifacts_read(json_object_get(done, "artifacts"), &outcome->artifacts_omitted);
    outcome->artifacts_omitted += read_number(done, "artifactsOmitted");
    outcome->cpu_user_us       = read_number(done, "cpuUser");
    outcome->cpu_system_us     = read_number(done, "cpuSystem");
    outcome->cpu_is_split      = true;
    outcome->memory_bytes      = read_number(done, "memory");
    outcome->memory_peak_bytes = read_number(done, "memoryPeak");
    outcome->threads           = read_number(done, "threads");
    json_decref(done);
    if (timed_out_ms > 0)
        (void)set_timeout(outcome, timed_out_ms);
    return 0;
}

static void describe(const struct outcome_death *death, char *ret_text, size_t room)
{
    if (death->reason != NULL && death->reason[0] != '\0')
        (void)snprintf(ret_text, room, "The session's process was ended: %s", death->reason);
    else if (WIFSIGNALED(death->status))
        (void)snprintf(ret_text, room, "The interpreter was ended by signal %d (SIG%s)", WTERMSIG(death->status),
                       sigabbrev_np(WTERMSIG(death->status)));
    else
        (void)snprintf(ret_text, room, "The interpreter exited with status %d", WEXITSTATUS(death->status));
}

int outcome_from_death(struct outcome *outcome, const struct outcome_death *death)
{
    char message[384];
    if (death->timed_out_ms > 0)
        return set_timeout(outcome, death->timed_out_ms);
    json_decref(outcome->error);
    if (death->oom) {
        outcome->status = EXECUTION_MEMORY;
        outcome->error  = make_error("MemoryError", "The session went over its memory limit and the kernel ended its process", NULL);
    } else {
        describe(death, message, sizeof message);
        outcome->status = EXECUTION_KILLED;
        outcome->error  = make_error("WorkerDied", message, NULL);
    }
    return outcome->error != NULL ? 0 : -1;
}
