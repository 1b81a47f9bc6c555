#define _GNU_SOURCE
#include "compat_aevatar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api_error.h"
#include "compat_text.h"
#include "json_said.h"
#include "result_read.h"

enum { LINES_DEFAULT = 1000, LINES_MAX = 100000 };

/* Their ExecutionStatus, which is a number on the wire. */
enum { PENDING, RUNNING, COMPLETED, FAILED, TIMED_OUT, CANCELLED };

static int number_of(enum execution_status status)
{
    switch (status) {
    case EXECUTION_QUEUED: return PENDING;
    case EXECUTION_RUNNING:
    case EXECUTION_INPUT_REQUIRED: return RUNNING;
    case EXECUTION_OK: return COMPLETED;
    case EXECUTION_TIMEOUT: return TIMED_OUT;
    case EXECUTION_INTERRUPTED: return CANCELLED;
    default: return FAILED;
    }
}

static json_t *time_or_null(int64_t ms)
{
    return ms > 0 ? json_time(ms) : json_null();
}

static json_t *usage_of(const json_t *result)
{
    const json_t *metrics = json_object_get(result, "metrics");
    return json_pack("{s:f, s:I, s:i, s:i, s:i, s:i}", "cpuUsageCores",
                     round(json_number_value(json_object_get(metrics, "cpuUsage"))) / 100, "memoryUsageBytes",
                     (json_int_t)json_number_value(json_object_get(metrics, "memoryPeak")), "networkInBytes", 0, "networkOutBytes", 0,
                     "diskReadBytes", 0, "diskWriteBytes", 0);
}

static void add_result(json_t *body, const json_t *result)
{
    const json_t *metrics = json_object_get(result, "metrics");
    size_t        out_length, err_length;
    const char   *out = compat_text_output(result, "stdout", &out_length), *err = compat_text_output(result, "stderr", &err_length);
    json_t *more = json_pack("{s:i, s:s%, s:o, s:o, s:b, s:s%, s:s%, s:b, s:f, s:f}", "exitCode", compat_text_exit_code(result), "output",
                             out, out_length, "error", compat_text_what_failed(result, !compat_text_has_status(result, "timeout")),
                             "resourceUsage", usage_of(result), "success", json_is_true(json_object_get(result, "success")), "stdout", out,
                             out_length, "stderr", err, err_length, "timedOut", compat_text_has_status(result, "timeout"), "execTimeSec",
                             json_number_value(json_object_get(metrics, "executionTime")) / 1000, "memoryUsedMB",
                             json_number_value(json_object_get(metrics, "memoryPeak")) / (1024 * 1024));
    (void)json_object_update(body, more);
    json_decref(more);
}

/* The result object of both generations. `result` is NULL until it has ended. */
static json_t *describe(const struct execution *execution, const char *id, const json_t *result)
{
    const char *session = execution_session_text(execution);
    int64_t     started_ms, ended_ms;
    json_t     *body;

    execution_times(execution, &started_ms, &ended_ms);
    body = json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:s, s:s, s:i, s:s, s:s, s:o}", "executionId", id, "sandboxExecutionId",
                     id, "workloadName", session, "status", number_of(execution_status(execution)), "isCompleted",
                     execution_has_ended(execution), "startTime", time_or_null(started_ms), "endTime", time_or_null(ended_ms),
                     "startedAtUtc", time_or_null(started_ms), "finishedAtUtc", time_or_null(ended_ms), "language", "python", "podName",
                     session, "exitCode", 0, "output", "", "error", "", "resourceUsage", json_null());
    if (body != NULL && execution_label(execution) != NULL)
        (void)json_object_update(body, (json_t *)execution_label(execution));
    if (body != NULL && result != NULL)
        add_result(body, result);
    return body;
}

static void on_result(const struct compat_answer *answer)
{
    http_reply_json(answer->request, 200, describe(answer->execution, execution_id_text(answer->execution), answer->result));
}

/* The handle of the earlier generation, and what execute-async of the later one answers. The id is the caller's own, if it gave one. */
static void on_start(struct http_request *request, struct execution *execution)
{
    const char *given = json_string_value(json_object_get(http_request_json(request), "sandboxExecutionId"));
    const char *id    = given != NULL && *given != '\0' ? given : execution_id_text(execution);

    http_reply_json(request, 200,
                    json_pack("{s:s, s:s, s:s, s:o, s:i, s:b}", "executionId", id, "sandboxExecutionId", id, "workloadName",
                              execution_session_text(execution), "startedAtUtc", json_time(json_time_now()), "status",
                              number_of(execution_status(execution)), "isCompleted", execution_has_ended(execution)));
}

void compat_aevatar_execute(struct http_request *request, void *context)
{
    struct compat_job job;
    struct id         id;
    bool              is_early;

    if (!compat_aevatar_read(request, context, &job, &id, &is_early))
        return;
    if (is_early)
        compat_start(context, request, &job, on_start);
    else
        compat_run(context, request, &job, on_result);
}

void compat_aevatar_execute_async(struct http_request *request, void *context)
{
    struct compat_job job;
    struct id         id;
    bool              is_early;

    if (compat_aevatar_read(request, context, &job, &id, &is_early))
        compat_start(context, request, &job, on_start);
}

/* ---- what became of it ---- */

static struct execution *execution_of(struct http_request *request, const struct server *server)
{
    const char       *given     = http_request_parameter(request, 0);
    struct id         id        = compat_aevatar_id(request, given);
    struct execution *execution = sessions_find_execution(server_sessions((struct server *)server), &id);

    if (execution != NULL && execution_owner(execution) == api_caller(request))
        return execution;
    api_error_no_execution(request, given);
    return NULL;
}

/* Of one that has ended. An execution that the service lost has an error instead: then it is made to look like a result. */
static json_t *read_result(struct execution *execution, struct err *err)
{
    struct bytes text   = {0};
    bool         failed = false;
    json_t      *result = NULL;
    json_error_t error;

    if (result_read(execution_track(execution), &text, &failed, err) == 0) {
        if (json_said_is_too_much(text.data, text.length))
            (void)err_set(err, E2BIG, "the result has too many values");
        else
            result = json_loadb(text.data, text.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    }
    bytes_done(&text);
    if (result != NULL && failed)
        result = json_pack("{s:s, s:b, s:{s:o}}", "status", "lost", "success", 0, "error", "message", result);
    return result;
}

static void reply_described(struct http_request *request, struct execution *execution)
{
    struct err err    = {.message = "No memory for the result"};
    json_t    *result = execution_has_ended(execution) ? read_result(execution, &err) : NULL;

    if (execution_has_ended(execution) && result == NULL)
        api_error_unavailable(request, "RESULT_UNREADABLE", err.message);
    else
        http_reply_json(request, 200, describe(execution, http_request_parameter(request, 0), result));
    json_decref(result);
}

void compat_aevatar_status(struct http_request *request, void *context)
{
    struct execution *execution = execution_of(request, context);
    if (execution != NULL)
        reply_described(request, execution);
}

void compat_aevatar_result(struct http_request *request, void *context)
{
    struct execution *execution = execution_of(request, context);
    if (execution == NULL)
        return;
    if (execution_has_ended(execution))
        reply_described(request, execution);
    else
        http_reply_error(request, 404, "EXECUTION_NOT_ENDED", "The execution has not ended yet: ask again", NULL, 0);
}

void compat_aevatar_cancel(struct http_request *request, void *context)
{
    struct execution *execution = execution_of(request, context);
    if (execution == NULL)
        return;
    execution_interrupt(execution);
    http_reply_bytes(request, 200, "application/json; charset=utf-8", "", 0);
}

/* ---- logs ---- */

static size_t count_lines(const struct bytes *text)
{
    size_t count = text->length > 0 && text->data[text->length - 1] != '\n';
    for (size_t i = 0; i < text->length; i++)
        count += text->data[i] == '\n';
    return count;
}

/* The last `most` lines as an array, or the first; *ret_more when these are not all. */
static json_t *lines_of(const struct bytes *text, size_t most, bool tail, bool *ret_more)
{
    const char *at = text->length > 0 ? text->data : "", *end = at + text->length;
    size_t      count = count_lines(text), skipped = tail && count > most ? count - most : 0;
    json_t     *lines = json_array();

    *ret_more = count > most;
    for (size_t i = 0; at < end && i < skipped + most; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t      n    = (size_t)((stop != NULL ? stop : end) - at);
        if (i >= skipped)
            (void)json_array_append_new(lines, json_stringn(at, n));
        at += n + 1;
    }
    return lines;
}

struct log_wish {
    int64_t most;
    bool    tail, with_err;
};

/* Returns false when it is not right: the request has been answered. */
static bool read_wish(struct http_request *request, struct log_wish *wish)
{
    static const char *const choices[] = {"false", "true", "False", "True", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    size_t                   tail = 1, with_err = 1, follow = 0;

    check.where = "query";
    *wish       = (struct log_wish){.most = LINES_DEFAULT};
    (void)json_text_integer(&check, "maxLines", http_request_query(request, "maxLines"), 1, LINES_MAX, &wish->most);
    (void)json_text_choice(&check, "tail", http_request_query(request, "tail"), choices, &tail);
    (void)json_text_choice(&check, "includeStderr", http_request_query(request, "includeStderr"), choices, &with_err);
    (void)json_text_choice(&check, "follow", http_request_query(request, "follow"), choices, &follow);
    if (follow % 2 != 0)
        json_check_fail(&check, "follow", "must be false: GET /api/v1/executions/{id}/events is the live stream");
    if (http_request_query(request, "since") != NULL || http_request_query(request, "until") != NULL)
        json_check_fail(&check, "since", "must be absent, and until as well: lines are not kept by time");
    wish->tail     = tail % 2 != 0;
    wish->with_err = with_err % 2 != 0;
    return !json_check_reply(&check, request);
}

static json_t *text_of(const struct execution *execution, unsigned streams, struct err *err)
{
    struct bytes text = {0};
    if (result_read_text(execution_track(execution), streams, &text, err) < 0) {
        bytes_done(&text);
        return NULL;
    }
    return compat_text_take(&text);
}

/* NULL: err says why. */
static json_t *write_logs(const struct execution *execution, const char *id, const struct log_wish *wish, struct err *err)
{
    json_t *out       = text_of(execution, RESULT_TEXT_OUT, err),
           *errs      = wish->with_err ? text_of(execution, RESULT_TEXT_ERR, err) : json_string("");
    struct bytes all  = {0};
    bool         more = false;
    json_t      *logs = NULL, *lines;

    if (out != NULL && errs != NULL &&
        result_read_text(execution_track(execution), RESULT_TEXT_OUT | (wish->with_err ? RESULT_TEXT_ERR : 0), &all, err) == 0) {
        lines = lines_of(&all, (size_t)wish->most, wish->tail, &more);
        logs  = json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:s, s:O, s:O, s:b}", "executionId", id, "sandboxExecutionId", id, "podName",
                          execution_session_text(execution), "namespace", "", "lines", lines, "hasMore", more, "error", "", "stdout", out,
                          "stderr", errs, "truncated", event_track_is_truncated(execution_track(execution)));
    }
    bytes_done(&all);
    json_decref(out);
    json_decref(errs);
    return logs;
}

void compat_aevatar_logs(struct http_request *request, void *context)
{
    struct execution *execution = execution_of(request, context);
    struct err        err       = {.message = "No memory for the logs"};
    struct log_wish   wish;
    json_t           *logs;

    if (execution == NULL || !read_wish(request, &wish))
        return;
    execution_flush(execution);
    logs = write_logs(execution, http_request_parameter(request, 0), &wish, &err);
    if (logs != NULL)
        http_reply_json(request, 200, logs);
    else
        api_error_unavailable(request, "LOGS_UNREADABLE", err.message);
}
