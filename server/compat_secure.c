#define _GNU_SOURCE
#include "compat_secure.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api_network.h"
#include "base64.h"
#include "compat.h"
#include "compat_form.h"
#include "compat_text.h"
#include "config.h"
#include "file_path.h"
#include "files_given.h"

enum { LINE_MAX = 9000, MESSAGE_MAX = 240, MIB = 1024 * 1024 };

/* ---- the answer ---- */

static const char *reason(const struct compat_answer *answer, char line[LINE_MAX])
{
    const json_t *result = answer->result;

    if (compat_text_has_status(result, "rejected"))
        (void)snprintf(line, LINE_MAX, "Security Error: %s", compat_text_error(result, "message"));
    else if (compat_text_has_status(result, "timeout"))
        (void)snprintf(line, LINE_MAX, "Execution timed out after %g seconds", answer->job->execution.timeout_ms / 1000.0);
    else if (*compat_text_error(result, "traceback") != '\0')
        return compat_text_error(result, "traceback");
    else
        return compat_text_error(result, "message");
    return line;
}

static bool add_omitted(struct bytes *text, const json_t *omitted)
{
    const json_t *path;
    size_t        i;
    bool          fine = true;

    json_array_foreach((json_t *)omitted, i, path)
    {
        fine = fine && compat_text_line(text, "This file could not be returned: ") &&
               bytes_append(text, json_string_value(path), json_string_length(path));
    }
    return fine;
}

/* Without white space at either end, as there. */
static json_t *stripped(struct bytes *text)
{
    size_t  start = 0, end = text->length;
    json_t *string;

    while (start < end && isspace((unsigned char)text->data[start]))
        start++;
    while (end > start && isspace((unsigned char)text->data[end - 1]))
        end--;
    string = json_stringn(end > start ? text->data + start : "", end - start);
    bytes_done(text);
    return string;
}

static json_t *standard_output(const struct compat_answer *answer)
{
    struct bytes text = {0};
    size_t       length;
    const char  *out  = compat_text_output(answer->result, "stdout", &length);
    bool         fine = bytes_append(&text, out, length);

    if (fine && json_is_true(json_object_get(answer->result, "truncated")))
        fine = compat_text_line(&text, "... (output truncated)");
    return fine ? stripped(&text) : NULL;
}

static json_t *standard_error(const struct compat_answer *answer)
{
    struct bytes text = {0};
    char         line[LINE_MAX];
    size_t       length;
    const char  *err  = compat_text_output(answer->result, "stderr", &length);
    bool         fine = bytes_append(&text, err, length);

    if (fine && !json_is_true(json_object_get(answer->result, "success")))
        fine = compat_text_line(&text, reason(answer, line));
    return fine && add_omitted(&text, answer->omitted) ? stripped(&text) : NULL;
}

static json_t *output_files(const struct compat_answer *answer)
{
    json_t *files = json_object(), *file;
    size_t  i;

    json_array_foreach((json_t *)answer->files, i, file)
    {
        (void)json_object_set(files, json_string_value(json_object_get(file, "path")), json_object_get(file, "content"));
    }
    return files;
}

static json_t *body_of(const struct compat_answer *answer)
{
    int code = compat_text_has_status(answer->result, "timeout") ? -1 : compat_text_exit_code(answer->result);
    return json_pack("{s:o, s:o, s:i, s:o}", "stdout", standard_output(answer), "stderr", standard_error(answer), "return_code", code,
                     "output_files", output_files(answer));
}

static void on_result(const struct compat_answer *answer)
{
    http_reply_json(answer->request, 200, body_of(answer));
}

static void on_form_result(const struct compat_answer *answer)
{
    json_t *body = body_of(answer), *ms = json_object_get(json_object_get(answer->result, "metrics"), "executionTime");
    (void)json_object_set_new(body, "execution_time", json_real(json_number_value(ms) / 1000));
    http_reply_json(answer->request, 200, body);
}

/* ---- the question ---- */

/* files {name: base64}. Returns false when one is not base64: the request has been answered. */
static bool read_files(struct http_request *request, struct json_check *check, const struct policies *policies, struct compat_job *job)
{
    json_t     *files = NULL, *value;
    const char *name;
    char        message[MESSAGE_MAX];

    if (!json_field_object(check, http_request_json(request), "files", &files) || json_object_size(files) == 0)
        return true;
    job->execution.files = files_given_new(json_object_size(files) < FILES_GIVEN_MAX ? json_object_size(files) : FILES_GIVEN_MAX);
    if (job->execution.files == NULL) {
        json_check_fail(check, "files", "are too many for the memory at hand");
        return true;
    }
    json_object_foreach(files, name, value)
    {
        struct bytes content = {0};
        if (!json_is_string(value)) {
            json_check_fail(check, "files", "must have strings as values");
            continue;
        }
        if (!base64_decode(json_string_value(value), json_string_length(value), &content)) {
            bytes_done(&content);
            (void)snprintf(message, sizeof message, "Invalid base64 encoding for file %.120s: not base64", name);
            http_reply_error(request, 400, "INVALID_FILE", message, NULL, 0);
            return false;
        }
        files_given_add(job->execution.files, check, "files", file_path_name(name), &content, policies);
    }
    return true;
}

static void read_rest(struct json_check *check, const json_t *json, const struct server *server, struct compat_job *job)
{
    const struct config   *config   = server_config(server);
    const struct policies *policies = server_policies(server);
    int64_t                seconds  = config->secure_timeout_s;

    compat_job_read_code(job, check, json, 0, policies);
    (void)json_field_integer(check, json, "timeout", 1, policies->execution_time_limit_ms / 1000, &seconds);
    (void)json_field_bool(check, json, "allow_network", &job->execution.use.network);
    if (seconds > 0)
        job->execution.timeout_ms = (uint32_t)seconds * 1000;
    if (job->execution.timeout_ms > policies->execution_time_limit_ms)
        job->execution.timeout_ms = policies->execution_time_limit_ms;
    compat_job_limit(job, policies, (double)config->secure_memory_mb * MIB, 0, 0);
    job->with_files = true;
}

/* As far as the operator lets programs out; else the request is refused rather than run without. */
static void start(struct http_request *request, struct server *server, struct compat_job *job, compat_on_result on_end)
{
    if (!job->execution.use.network || api_network_check(request, server))
        compat_run(server, request, job, on_end);
    else
        compat_job_done(job);
}

void compat_secure_execute(struct http_request *request, void *context)
{
    struct json_check check = JSON_CHECK_INIT;
    struct compat_job job   = compat_job_init(server_policies(context), false);

    read_rest(&check, http_request_json(request), context, &job);
    if (!read_files(request, &check, server_policies(context), &job)) {
        json_check_done(&check);
        compat_job_done(&job);
    } else if (json_check_reply(&check, request)) {
        compat_job_done(&job);
    } else {
        start(request, context, &job, on_result);
    }
}

static const char *path_of(const struct http_request *request, const char *filename)
{
    (void)request;
    return file_path_name(filename);
}

void compat_secure_execute_form(struct http_request *request, void *context)
{
    struct json_check   check = JSON_CHECK_INIT;
    struct files_given *files;
    struct compat_job   job;

    if (!compat_form_read(request, server_policies(context), "files", path_of, &files))
        return;
    job                 = compat_job_init(server_policies(context), false);
    job.execution.files = files;
    read_rest(&check, http_request_json(request), context, &job);
    if (json_check_reply(&check, request))
        compat_job_done(&job);
    else
        start(request, context, &job, on_form_result);
}
