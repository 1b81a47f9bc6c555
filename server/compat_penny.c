#define _GNU_SOURCE
#include "compat_penny.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "compat.h"
#include "compat_text.h"
#include "files_given.h"
#include "session_body.h"
#include "session_packages.h"

enum { PLOTS_HEAD = 64, MIB = 1024 * 1024 };

static const json_t *option(const struct http_request *request, const char *name)
{
    return json_object_get(json_object_get(http_request_json(request), "options"), name);
}

/* ---- the answer ---- */

static json_t *errors_of(const json_t *result)
{
    json_t *text = compat_text_what_failed(result, true);
    if (json_string_length(text) > 0)
        return text;
    json_decref(text);
    return json_null();
}

/* The value of the last expression in the form that was asked for, else as text. */
static json_t *return_value(const struct http_request *request, const json_t *result)
{
    static const char *const types[][2] = {{"json", "application/json"}, {"html", "text/html"}, {"markdown", "text/markdown"}};
    const char              *format     = json_string_value(option(request, "returnFormat"));
    json_t                  *results = json_object_get(json_object_get(result, "output"), "results"), *one, *found = NULL;
    size_t                   i;

    json_array_foreach(results, i, one)
    {
        json_t *data = json_object_get(one, "data");
        if (!json_is_true(json_object_get(one, "isMainResult")))
            continue;
        found = json_object_get(data, "text/plain");
        for (size_t k = 0; format != NULL && k < sizeof types / sizeof *types; k++) {
            if (strcmp(format, types[k][0]) == 0 && json_object_get(data, types[k][1]) != NULL)
                found = json_object_get(data, types[k][1]);
        }
    }
    return found != NULL ? json_incref(found) : json_null();
}

/* The values themselves; of what is too large or has none, its description. */
static json_t *variables_of(const json_t *result)
{
    json_t     *all = json_object(), *variables = json_object_get(json_object_get(result, "output"), "variables"), *one;
    const char *name;

    json_object_foreach(variables, name, one)
    {
        json_t *value = json_object_get(one, "value");
        (void)json_object_set(all, name, value != NULL ? value : one);
    }
    return all;
}

static json_t *plot_of(const json_t *plot)
{
    const char  *format = json_string_value(json_object_get(plot, "format")), *data = json_string_value(json_object_get(plot, "data"));
    json_t      *title = json_object_get(json_object_get(plot, "metadata"), "title"), *json, *text;
    const char  *mime  = format != NULL && strcmp(format, "svg") == 0    ? "image/svg+xml"
                         : format != NULL && strcmp(format, "html") == 0 ? "text/html"
                                                                         : "image/png";
    char         head[PLOTS_HEAD];
    struct bytes url = {0};

    (void)snprintf(head, sizeof head, "data:%s;base64,", mime);
    if (data == NULL || !bytes_append(&url, head, strlen(head)) || !bytes_append(&url, data, strlen(data))) {
        bytes_done(&url);
        return NULL;
    }
    text = compat_text_take(&url);
    json = json_pack("{s:s, s:o, s:s}", "title", json_is_string(title) ? json_string_value(title) : "", "data", text, "mimeType", mime);
    return json;
}

static json_t *plots_of(const struct http_request *request, const json_t *result)
{
    json_t *all = json_array(), *plot;
    size_t  i;

    if (json_is_false(option(request, "showPlots")))
        return all;
    json_array_foreach(json_object_get(json_object_get(result, "output"), "plots"), i, plot)
    {
        (void)json_array_append_new(all, plot_of(plot));
    }
    return all;
}

/* Text where it is text, else base64. */
static json_t *file_of(const json_t *file)
{
    json_t      *content = json_object_get(file, "content"), *text = NULL;
    struct bytes data = {0};

    if (base64_decode(json_string_value(content), json_string_length(content), &data))
        text = json_stringn(data.length > 0 ? data.data : "", data.length);
    bytes_done(&data);
    if (text != NULL)
        return json_pack("{s:O, s:o, s:s, s:O}", "name", json_object_get(file, "path"), "content", text, "encoding", "utf-8", "mimeType",
                         json_object_get(file, "mime"));
    return json_pack("{s:O, s:O, s:s, s:O}", "name", json_object_get(file, "path"), "content", content, "encoding", "base64", "mimeType",
                     json_object_get(file, "mime"));
}

static json_t *files_of(const struct compat_answer *answer)
{
    json_t *all = json_array(), *file;
    size_t  i;

    json_array_foreach((json_t *)answer->files, i, file)
    {
        (void)json_array_append_new(all, file_of(file));
    }
    return all;
}

static double megabytes(double bytes)
{
    return round(bytes / MIB * 1000) / 1000;
}

static json_t *usage_of(const json_t *result)
{
    json_t *metrics = json_object_get(result, "metrics"), *artifact;
    double  disk    = 0;
    size_t  i;

    json_array_foreach(json_object_get(result, "artifacts"), i, artifact)
    {
        disk += json_number_value(json_object_get(artifact, "size"));
    }
    return json_pack("{s:f, s:f, s:f}", "cpu", json_number_value(json_object_get(metrics, "cpuUsage")), "memory",
                     megabytes(json_number_value(json_object_get(metrics, "memoryUsage"))), "disk", megabytes(disk));
}

static void on_result(const struct compat_answer *answer)
{
    const json_t *result = answer->result;
    size_t        length;
    const char   *out = compat_text_output(result, "stdout", &length);

    if (json_is_false(option(answer->request, "captureOutput")))
        length = 0;
    http_reply_json(answer->request, 200,
                    json_pack("{s:O, s:s%, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:o, s:O}", "executionId",
                              json_object_get(result, "executionId"), "output", out, length, "errors", errors_of(result), "returnValue",
                              return_value(answer->request, result), "variables", variables_of(result), "plots",
                              plots_of(answer->request, result), "files", files_of(answer), "executionTime",
                              json_object_get(json_object_get(result, "metrics"), "executionTime"), "resourceUsage", usage_of(result),
                              "packagesInstalled", answer->session != NULL ? session_packages_names(answer->session) : json_array(),
                              "status", json_object_get(result, "status")));
}

/* ---- the question ---- */

static void read_file(struct json_check *check, const json_t *file, const struct policies *policies, struct files_given *files)
{
    static const char *const encodings[] = {"utf-8", "base64", NULL};
    json_t                  *content     = json_object_get(file, "content");
    const char              *name        = json_string_value(json_object_get(file, "name"));
    struct bytes             data        = {0};
    size_t                   encoding    = 0;

    if (name == NULL || !json_is_string(content)) {
        json_check_fail(check, "files", "must each have a name and a content that are strings");
        return;
    }
    (void)json_field_choice(check, file, "encoding", encodings, &encoding);
    if (encoding == 0 ? bytes_append(&data, json_string_value(content), json_string_length(content))
                      : base64_decode(json_string_value(content), json_string_length(content), &data))
        files_given_add(files, check, "files", name, &data, policies);
    else
        json_check_fail(check, "files", "must have base64 as content, which that of '%.80s' is not", name);
    bytes_done(&data);
}

static void read_files(struct json_check *check, const json_t *json, const struct policies *policies, struct compat_job *job)
{
    json_t *files = NULL, *file;
    size_t  i;

    if (!json_field_array(check, json, "files", FILES_GIVEN_MAX, &files) || json_array_size(files) == 0)
        return;
    job->execution.files = files_given_new(json_array_size(files));
    if (job->execution.files == NULL) {
        json_check_fail(check, "files", "are too many for the memory at hand");
        return;
    }
    json_array_foreach(files, i, file)
    {
        read_file(check, file, policies, job->execution.files);
    }
}

static void read_variables(struct json_check *check, const json_t *json, struct compat_job *job)
{
    json_t *variables = NULL;
    if (!json_field_object(check, json, "variables", &variables) || json_object_size(variables) == 0)
        return;
    session_body_check_variables(check, variables);
    job->execution.options = json_pack("{s:O}", "variables", variables);
}

void compat_penny_execute(struct http_request *request, void *context)
{
    static const char *const environments[] = {"basic", "data_science", "ml", "web", NULL};
    const struct policies   *policies       = server_policies(context);
    const json_t            *json           = http_request_json(request);
    struct json_check        check          = JSON_CHECK_INIT;
    struct compat_job        job            = compat_job_init(policies, true);
    json_t                  *ignored        = NULL;
    size_t                   environment    = 0; /* all of them are the one that is here */

    compat_job_read_code(&job, &check, json, 1, policies);
    compat_job_read_seconds(&job, &check, json, "timeout", policies);
    (void)json_field_choice(&check, json, "environment", environments, &environment);
    job.execution.packages = session_packages_read(&check, json);
    (void)json_field_object(&check, json, "options", &ignored);
    read_variables(&check, json, &job);
    read_files(&check, json, policies, &job);
    job.with_files = true;
    if (json_check_reply(&check, request))
        compat_job_done(&job);
    else
        compat_run(context, request, &job, on_result);
}
