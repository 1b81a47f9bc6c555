#define _GNU_SOURCE
#include "compat_flask.h"

#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "compat_text.h"
#include "config.h"
#include "result_read.h"

enum { LINE_MAX = 9000 };

/* What the original says in place of the output comes after it here. */
static bool append_end(struct bytes *text, const struct compat_answer *answer)
{
    const char *type = compat_text_error(answer->result, "type"), *message = compat_text_error(answer->result, "message");
    char        line[LINE_MAX];

    if (json_is_true(json_object_get(answer->result, "success")))
        return true;
    if (compat_text_has_status(answer->result, "timeout"))
        (void)snprintf(line, sizeof line, "Timeout Error: Code execution exceeded %g seconds", answer->job->execution.timeout_ms / 1000.0);
    else
        (void)snprintf(line, sizeof line, *message != '\0' ? "%s: %s\n" : "%s%s\n", type, message);
    return compat_text_line(text, line) && compat_text_line(text, compat_text_error(answer->result, "traceback"));
}

static void on_result(const struct compat_answer *answer)
{
    bool         success = json_is_true(json_object_get(answer->result, "success"));
    struct bytes text    = {0};
    struct err   err     = {0};
    json_t      *output;

    if (result_read_text(execution_track(answer->execution), RESULT_TEXT_OUT | RESULT_TEXT_ERR, &text, &err) < 0 ||
        !append_end(&text, answer)) {
        bytes_done(&text);
        http_reply_error(answer->request, 503, "RESULT_UNREADABLE", err.message[0] != '\0' ? err.message : "No memory for the output", NULL,
                         1);
        return;
    }
    output = compat_text_take(&text);
    http_reply_json(answer->request, 200,
                    json_pack("{s:s, s:O, s:o}", "status", success ? "Success" : "Error", "output", output, "message", output));
}

void compat_flask_execute(struct http_request *request, void *context)
{
    const struct policies *policies = server_policies(context);
    struct json_check      check    = JSON_CHECK_INIT;
    struct compat_job      job      = compat_job_init(policies, false);
    uint32_t               limit_ms = server_config(context)->flask_timeout_s * 1000;

    compat_job_read_code(&job, &check, http_request_json(request), 1, policies);
    if (json_check_reply(&check, request)) {
        compat_job_done(&job);
        return;
    }
    if (limit_ms > 0)
        job.execution.timeout_ms = limit_ms < policies->execution_time_limit_ms ? limit_ms : policies->execution_time_limit_ms;
    compat_run(context, request, &job, on_result);
}
