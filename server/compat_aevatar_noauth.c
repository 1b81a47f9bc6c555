#define _GNU_SOURCE
#include <string.h>

#include "compat_aevatar.h"
#include "compat_text.h"
#include "route.h"

static bool is_on(struct http_request *request, const struct server *server)
{
    if (server_config(server)->noauth)
        return true;
    route_not_found(request);
    return false;
}

void compat_aevatar_noauth_hello(struct http_request *request, void *context)
{
    if (is_on(request, context))
        http_reply_json(request, 200, json_pack("{s:s}", "message", "Hello: POST .../execute runs Python"));
}

/* What was printed; what went wrong in its place, as there, but after it. */
static json_t *output_of(const json_t *result)
{
    struct bytes text = {0};
    size_t       length;
    const char  *out = compat_text_output(result, "stdout", &length), *traceback = compat_text_error(result, "traceback");
    bool         fine = bytes_append(&text, out, length);
    const char  *err  = compat_text_output(result, "stderr", &length);

    fine = fine && bytes_append(&text, err, length);
    if (fine && !json_is_true(json_object_get(result, "success")))
        fine = compat_text_line(&text, *traceback != '\0' ? traceback : compat_text_error(result, "message"));
    return compat_text_take(&text);
}

static void on_result(const struct compat_answer *answer)
{
    const json_t *json = http_request_json(answer->request), *language = json_object_get(json, "language");
    bool          success = json_is_true(json_object_get(answer->result, "success"));
    double        ms      = json_number_value(json_object_get(json_object_get(answer->result, "metrics"), "executionTime"));

    http_reply_json(answer->request, 200,
                    json_pack("{s:s, s:O, s:s, s:o, s:i, s:f}", "message", success ? "Code execution successful" : "Code execution failed",
                              "code", json_object_get(json, "code"), "language",
                              json_is_string(language) ? json_string_value(language) : "python", "output", output_of(answer->result),
                              "exitCode", compat_text_exit_code(answer->result), "executionTime", ms / 1000));
}

void compat_aevatar_noauth_execute(struct http_request *request, void *context)
{
    struct compat_job job;
    struct id         id;
    bool              is_early;

    if (!is_on(request, context) || !compat_aevatar_read(request, context, &job, &id, &is_early))
        return;
    job.is_kept = false;
    compat_run(context, request, &job, on_result);
}
