#define _GNU_SOURCE
#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "artifacts.h"
#include "json_said.h"

enum { DIGITS_MAX = 18 };

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

struct scan {
    const char *at, *end;
};

static bool scan_text(struct scan *scan, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0)
        return false;
    scan->at += length;
    return true;
}

/* A number as JSON permits it, of no more digits than surely fit. */
static bool scan_number(struct scan *scan, const char *name, uint64_t *ret)
{
    const char *begin;
    if (!scan_text(scan, name))
        return false;
    begin = scan->at;
    for (*ret = 0; scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && scan->at - begin < DIGITS_MAX; scan->at++)
        *ret = *ret * 10 + (uint64_t)(*scan->at - '0');
    return scan->at > begin && (*begin != '0' || scan->at == begin + 1);
}

/* The word of a cell that ended well and made no file, just as our interpreter writes it: most are. Anything else goes the long way. */
static bool read_plain(struct outcome *ret, const char *payload, size_t length)
{
    struct scan    scan = {payload, payload + length};
    struct outcome said = {.status = EXECUTION_OK, .cpu_is_split = true};
    uint64_t       count;
    if (!scan_text(&scan, "{\"status\":\"ok\"") || !scan_number(&scan, ",\"executionCount\":", &count) ||
        !scan_number(&scan, ",\"cpuUser\":", &said.cpu_user_us) || !scan_number(&scan, ",\"cpuSystem\":", &said.cpu_system_us) ||
        !scan_number(&scan, ",\"memoryPeak\":", &said.memory_peak_bytes) || !scan_number(&scan, ",\"memory\":", &said.memory_bytes) ||
        !scan_number(&scan, ",\"threads\":", &said.threads) || !scan_text(&scan, "}") || scan.at != scan.end)
        return false;
    *ret = said;
    return true;
}

static int read_any(struct outcome *outcome, const char *payload, size_t length, struct err *err)
{
    json_error_t error;
    json_t      *done = json_said_is_too_much(payload, length) ? NULL : json_loadb(payload, length, JSON_ALLOW_NUL, &error);

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
    return 0;
}

int outcome_from_done(struct outcome *outcome, const char *payload, size_t length, uint32_t timed_out_ms, struct err *err)
{
    if (!read_plain(outcome, payload, length) && read_any(outcome, payload, length, err) < 0)
        return -1;
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
