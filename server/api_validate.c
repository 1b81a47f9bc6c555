#define _GNU_SOURCE
#include "api_validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_body.h"
#include "tenant.h"

struct asking {
    struct server       *server;
    struct http_request *request;
};

static void on_asker_gone(void *arg)
{
    struct asking *asking = arg;
    analysis_forget(server_analysis(asking->server), asking);
    free(asking);
}

static void on_result(enum analysis_end end, const char *text, size_t length, void *arg)
{
    struct asking *asking = arg;
    switch (end) {
    case ANALYSIS_DONE: http_reply_bytes(asking->request, 200, "application/json; charset=utf-8", text, length); break;
    case ANALYSIS_FAILED: http_reply_error(asking->request, 422, "ANALYSIS_FAILED", text, NULL, 0); break;
    case ANALYSIS_UNAVAILABLE: api_error_unavailable(asking->request, "ANALYSIS_UNAVAILABLE", text); break;
    }
    free(asking);
}

static void read_code(struct json_check *check, const json_t *json, const struct policies *policies)
{
    const char *code = NULL;
    json_check_require(check, json, "code");
    if (json_field_string(check, json, "code", 1, policies->code_chars, &code) &&
        strlen(code) != json_string_length(json_object_get(json, "code")))
        json_check_fail(check, "code", "must not contain NUL characters");
}

static void ask(struct http_request *request, struct server *server, json_t *question)
{
    struct asking *asking = calloc(1, sizeof *asking);
    struct err     err    = {0};
    if (asking == NULL) {
        json_decref(question);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the analysis");
        return;
    }
    *asking = (struct asking){server, request};
    if (tenant_check_cpu(api_caller(request), json_time_monotonic(), &err) < 0) {
        json_decref(question);
        free(asking);
        api_error_refused(request, &err);
        return;
    }
    http_request_on_gone(request, on_asker_gone, asking);
    if (analysis_ask(server_analysis(server), question, api_caller(request), on_result, asking, &err) < 0) {
        api_error_refused(request, &err);
        free(asking);
    }
}

/* Without a choice it is what a session of the caller's would get. */
static void settle_profile(const struct http_request *request, const struct server *server, char profile[16])
{
    const struct tenant *caller = api_caller(request);
    if (profile[0] == '\0')
        (void)snprintf(profile, 16, "%s", caller != NULL && caller->profile[0] != '\0' ? caller->profile : server_config(server)->profile);
}

static void validate(struct http_request *request, struct server *server, const char *kind)
{
    struct json_check check  = JSON_CHECK_INIT;
    const json_t     *json   = http_request_json(request);
    bool              strict = false, with_warnings = true;
    char              profile[16] = "";

    read_code(&check, json, server_policies(server));
    (void)json_field_bool(&check, json, "strict", &strict);
    (void)json_field_bool(&check, json, "includeWarnings", &with_warnings);
    session_body_read_profile(&check, json, profile);
    if (json_check_reply(&check, request))
        return;
    settle_profile(request, server, profile);
    ask(request, server,
        json_pack("{s:s, s:s, s:O, s:s, s:b, s:b}", "op", "analyze", "kind", kind, "code", json_object_get(json, "code"), "profile",
                  profile, "strict", strict, "includeWarnings", with_warnings));
}

void api_validate(struct http_request *request, void *context)
{
    validate(request, context, "all");
}

void api_validate_security(struct http_request *request, void *context)
{
    validate(request, context, "security");
}

void api_validate_syntax(struct http_request *request, void *context)
{
    validate(request, context, "syntax");
}
