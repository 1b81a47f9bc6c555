#define _GNU_SOURCE
#include "api_executions.h"

#include <stdio.h>
#include <string.h>

#include "api_error.h"
#include "json.h"
#include "result_read.h"
#include "run.h"
#include "watcher_http.h"

enum { INPUT_MAX = 1024 * 1024 };

void api_executions_create(struct http_request *request, void *context)
{
    run_start(context, request, RUN_ANSWER_ID);
}

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

static bool write_head(const struct execution *execution, struct bytes *out)
{
    char text[256];
    int  n = snprintf(text, sizeof text, "{\"executionId\":\"%s\",\"sessionId\":\"%s\",\"status\":\"%s\"", execution_id_text(execution),
                      execution_session_text(execution), execution_status_name(execution_status(execution)));
    return bytes_append(out, text, (size_t)n);
}

static bool write_result(struct execution *execution, struct bytes *out, struct err *err)
{
    struct bytes result = {0};
    bool         failed = false, fine;
    fine = result_read(execution_track(execution), &result, &failed, err) == 0 && literal(out, failed ? ",\"error\":" : ",\"result\":") &&
           bytes_append(out, result.data, result.length);
    bytes_done(&result);
    return fine;
}

void api_executions_get(struct http_request *request, void *context)
{
    struct execution *execution = api_execution_of(request, server_sessions(context));
    struct bytes      out       = {0};
    struct err        err       = {.message = "no memory for the answer"};

    if (execution == NULL)
        return;
    if (write_head(execution, &out) && (!execution_has_ended(execution) || write_result(execution, &out, &err)) && literal(&out, "}"))
        http_reply_bytes(request, 200, "application/json; charset=utf-8", out.data, out.length);
    else
        api_error_unavailable(request, "RESULT_UNREADABLE", err.message);
    bytes_done(&out);
}

void api_executions_events(struct http_request *request, void *context)
{
    struct sessions  *sessions  = server_sessions(context);
    struct execution *execution = api_execution_of(request, sessions);
    struct err        err       = {0};

    if (execution == NULL)
        return;
    execution_flush(execution);
    if (watcher_http_start(server_watchers(context), execution_track(execution), request, NULL, NULL, &err) < 0)
        api_error_unavailable(request, "STREAM_FAILED", err.message);
}

static json_t *success(bool success)
{
    return json_pack("{s:b}", "success", success);
}

void api_executions_cancel(struct http_request *request, void *context)
{
    struct execution *execution = api_execution_of(request, server_sessions(context));
    bool              runs;
    if (execution == NULL)
        return;
    runs = !execution_has_ended(execution);
    execution_interrupt(execution);
    http_reply_json(request, 202, success(runs));
}

void api_executions_input(struct http_request *request, void *context)
{
    struct execution *execution = api_execution_of(request, server_sessions(context));
    struct json_check check     = JSON_CHECK_INIT;
    const json_t     *json      = http_request_json(request);
    const char       *text      = NULL;
    struct err        err       = {0};

    if (execution == NULL)
        return;
    json_check_require(&check, json, "text");
    (void)json_field_string(&check, json, "text", 0, INPUT_MAX, &text);
    if (json_check_reply(&check, request))
        return;
    if (execution_input(execution, text, json_string_length(json_object_get(json, "text")), &err) < 0)
        http_reply_error(request, 409, "NO_INPUT_WANTED", err.message, NULL, 0);
    else
        http_reply_json(request, 202, success(true));
}
