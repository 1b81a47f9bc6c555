#define _GNU_SOURCE
#include <ctype.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api_error.h"
#include "compat_aevatar.h"
#include "quantity.h"

enum { NAME_MAX_BYTES = 128, ID_TEXT_MAX = 200 };

/* A copy in which all names of this object begin with a small letter: ASP.NET takes either. */
static json_t *with_small_names(const json_t *object)
{
    json_t     *copy = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)object, name, value)
    {
        char small[NAME_MAX_BYTES];
        (void)snprintf(small, sizeof small, "%s", name);
        small[0] = (char)tolower((unsigned char)small[0]);
        (void)json_object_set(copy, small, value);
    }
    return copy;
}

/* .NET's TimeSpan as JSON: "00:00:30" or "00:00:30.5". */
static bool read_time_span(const char *text, double *ret_seconds)
{
    unsigned hours, minutes;
    double   seconds;
    char     rest;

    if (sscanf(text, "%3u:%2u:%lf%c", &hours, &minutes, &seconds, &rest) != 3 || minutes > 59 || !(seconds >= 0 && seconds < 60))
        return false;
    *ret_seconds = hours * 3600.0 + minutes * 60 + seconds;
    return true;
}

static void read_seconds(struct json_check *check, const json_t *json, const char *field, const struct policies *policies,
                         struct compat_job *job)
{
    const char *text    = json_string_value(json_object_get(json, field));
    double      seconds = 0, most = policies->execution_time_limit_ms / 1000.0;

    if (text == NULL || !read_time_span(text, &seconds))
        compat_job_read_seconds(job, check, json, field, policies);
    else if (seconds <= 0 || seconds > most)
        json_check_fail(check, field, "must be more than 0 and at most %g s", most);
    else
        job->execution.timeout_ms = (uint32_t)(seconds * 1000);
}

/* A number, or a quantity. */
static void read_amount(struct json_check *check, const json_t *json, const char *field, double least, const char *least_text, double *ret)
{
    const json_t *value  = json_object_get(json, field);
    double        amount = json_number_value(value);

    if (value == NULL || json_is_null(value))
        return;
    if (!json_is_number(value) && (!json_is_string(value) || !quantity_read(json_string_value(value), &amount)))
        json_check_fail(check, field, "must be a number or a quantity such as 100m or 256Mi");
    else if (!(amount >= least))
        json_check_fail(check, field, "must be at least %s", least_text);
    else
        *ret = amount;
}

static void read_resources(struct json_check *check, const json_t *json, const char *field, const struct policies *policies,
                           struct compat_job *job)
{
    json_t *given = NULL, *resources;
    double  cores = 0, memory = 0, disk = 0;

    if (!json_field_object(check, json, field, &given))
        return;
    resources    = with_small_names(given);
    check->where = field;
    read_amount(check, resources, "cpu", 1e-9, "1n", &cores);
    read_amount(check, resources, "cpuLimit", 1e-9, "1n", &cores);
    read_amount(check, resources, "cpuLimitCores", 1e-9, "1n", &cores);
    read_amount(check, resources, "memory", COMPAT_MEMORY_MIN_BYTES, "64Mi", &memory);
    read_amount(check, resources, "memoryLimit", COMPAT_MEMORY_MIN_BYTES, "64Mi", &memory);
    read_amount(check, resources, "memoryLimitBytes", COMPAT_MEMORY_MIN_BYTES, "64Mi", &memory);
    read_amount(check, resources, "disk", COMPAT_STORAGE_MIN_BYTES, "1Mi", &disk);
    read_amount(check, resources, "diskLimit", COMPAT_STORAGE_MIN_BYTES, "1Mi", &disk);
    read_seconds(check, resources, "timeoutSeconds", policies, job);
    check->where = NULL;
    json_decref(resources);
    compat_job_limit(job, policies, memory, disk, cores);
}

static void read_language(struct json_check *check, const json_t *json, const char *field)
{
    const char *language = "";
    if (json_field_string(check, json, field, 0, 40, &language) && *language != '\0' && strncasecmp(language, "python", 6) != 0)
        json_check_fail(check, field, "must be python: nothing else is run here");
}

struct id compat_aevatar_id(const struct http_request *request, const char *text)
{
    const struct tenant *caller = api_caller(request);
    unsigned char        digests[2 * SHA256_DIGEST_LENGTH];
    struct id            id;

    if (id_parse(text, &id))
        return id;
    (void)SHA256((const unsigned char *)tenant_name(caller), strlen(tenant_name(caller)), digests);
    (void)SHA256((const unsigned char *)text, strlen(text), digests + SHA256_DIGEST_LENGTH);
    memcpy(id.bytes, SHA256(digests, sizeof digests, NULL), ID_BYTES);
    id.bytes[6] = (unsigned char)((id.bytes[6] & 0x0f) | 0x80); /* version 8: made by rules of our own */
    id.bytes[8] = (unsigned char)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

/* What is told again with the result. */
static json_t *label_of(const struct execution_request *execution)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char          hash[2 * SHA256_DIGEST_LENGTH + 1];

    (void)SHA256((const unsigned char *)execution->code, execution->code_length, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(hash + 2 * i, 3, "%02x", digest[i]);
    return json_pack("{s:s}", "scriptHash", hash);
}

static void read_id(struct http_request *request, struct json_check *check, const json_t *json, struct compat_job *job, struct id *ret_id)
{
    const char *text = "";
    if (!json_field_string(check, json, "sandboxExecutionId", 0, ID_TEXT_MAX, &text) || *text == '\0')
        return;
    *ret_id           = compat_aevatar_id(request, text);
    job->execution.id = ret_id;
}

bool compat_aevatar_read(struct http_request *request, struct server *server, struct compat_job *ret_job, struct id *ret_id,
                         bool *ret_is_early)
{
    const struct policies *policies = server_policies(server);
    struct json_check      check    = JSON_CHECK_INIT;
    json_t                *json     = with_small_names(http_request_json(request));
    struct compat_job      job      = compat_job_init(policies, false);

    http_request_set_json(request, json); /* the job borrows from it */
    compat_job_read_code(&job, &check, json, 1, policies);
    read_language(&check, json, "language");
    read_language(&check, json, "languageId");
    read_seconds(&check, json, "timeout", policies, &job);
    read_seconds(&check, json, "timeoutSeconds", policies, &job);
    read_resources(&check, json, "resources", policies, &job);
    read_resources(&check, json, "resourceLimits", policies, &job);
    read_id(request, &check, json, &job, ret_id);
    *ret_is_early = json_object_get(json, "languageId") != NULL || json_object_get(json, "timeoutSeconds") != NULL ||
                    json_object_get(json, "sandboxExecutionId") != NULL;
    if (json_check_reply(&check, request)) {
        compat_job_done(&job);
        return false;
    }
    job.execution.label = label_of(&job.execution);
    job.is_kept         = true;
    *ret_job            = job;
    return true;
}
