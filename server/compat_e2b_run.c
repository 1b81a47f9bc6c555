#define _GNU_SOURCE
#include "compat_e2b_run.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "api_audit.h"
#include "api_error.h"
#include "compat_e2b.h"
#include "compat_e2b_context.h"
#include "compat_e2b_network.h"
#include "compat_e2b_stream.h"
#include "json.h"
#include "session_body.h"

/* ---- the sandbox that a header names ---- */

static bool has_token(const struct http_request *request, const json_t *about, const char *header)
{
    const char *given = http_request_header(request, header), *token = json_string_value(json_object_get(about, "token"));
    return given != NULL && token != NULL && strlen(given) == strlen(token) && CRYPTO_memcmp(given, token, strlen(token)) == 0;
}

/* The SDKs send the token that they got with the sandbox, and no API key, which is good too. Without keys neither is asked for. */
static bool may_use(const struct http_request *request, const struct session *session)
{
    const json_t *about = compat_e2b_about(session);
    return about != NULL && (session_owner(session) == api_caller(request) || has_token(request, about, "X-Access-Token") ||
                             has_token(request, about, "E2B-Traffic-Access-Token"));
}

static struct session *find(const struct http_request *request, const struct server *server)
{
    const char     *given = http_request_header(request, "E2b-Sandbox-Id");
    struct id       id;
    struct session *session = id_parse(given, &id) ? sessions_find(server_sessions((struct server *)server), &id) : NULL;
    return session != NULL && may_use(request, session) ? session : NULL;
}

static bool is_running(const struct session *session)
{
    struct session_info info;
    if (session == NULL)
        return false;
    session_get_info(session, &info);
    return !info.paused;
}

struct session *compat_e2b_running_of(struct http_request *request, const struct server *server)
{
    struct session *session = find(request, server);
    if (is_running(session)) {
        http_request_set_caller(request, session_owner(session)); /* who has the sandbox's token acts for its owner */
        return session;
    }
    if (session == NULL && api_error_elsewhere(request, http_request_header(request, "E2b-Sandbox-Id")))
        return NULL;
    http_reply_error(request, 502, "SANDBOX_NOT_RUNNING", "The sandbox was not found, or is not running", NULL, 0);
    return NULL;
}

void compat_e2b_health(struct http_request *request, void *context)
{
    if (http_request_header(request, "E2b-Sandbox-Id") != NULL) {
        if (compat_e2b_running_of(request, context) != NULL)
            http_reply_bytes(request, 204, "text/plain; charset=utf-8", "", 0); /* one SDK reads whatever there is as JSON */
        return;
    }
    http_reply_bytes(request, 200, "text/plain; charset=utf-8", "OK", 2);
}

/* ---- execute ---- */

static bool add_lines(void *state, const char *json, size_t length, struct bytes *out)
{
    return compat_e2b_lines_add(state, json, length, out);
}

static void free_lines(void *state)
{
    if (state != NULL)
        compat_e2b_lines_done(state);
    free(state);
}

static const struct compat_e2b_teller teller = {"application/x-ndjson", true, add_lines, free_lines};

static bool read_run(struct http_request *request, const struct session *session, const struct policies *policies,
                     struct execution_request *run)
{
    const json_t     *json        = http_request_json(request);
    struct json_check check       = JSON_CHECK_INIT;
    json_t           *environment = NULL;

    json_check_require(&check, json, "code");
    if (json_field_string(&check, json, "code", 0, policies->code_chars, &run->code)) {
        run->code_length = json_string_length(json_object_get(json, "code"));
        if (strlen(run->code) != run->code_length)
            json_check_fail(&check, "code", "must not contain NUL characters");
    }
    if (json_field_object(&check, json, "env_vars", &environment))
        session_body_check_environment(&check, environment);
    if (json_check_reply(&check, request))
        return false;
    run->timeout_ms = policies->execution_time_limit_ms;
    run->grace_ms   = policies->interrupt_grace_ms;
    run->options    = json_pack("{s:b, s:b, s:O*, s:s*}", "includeVariables", 0, "data", 1, "envVars", environment, "directory",
                                compat_e2b_context_directory(session));
    return true;
}

void compat_e2b_execute(struct http_request *request, void *context)
{
    struct session          *sandbox = compat_e2b_running_of(request, context), *session;
    struct execution_request run     = {0};
    struct audit_origin      origin  = api_audit_origin(request);
    struct err               err     = {0};
    struct execution        *execution;

    session = sandbox != NULL ? compat_e2b_context_of_run(request, context, sandbox) : NULL;
    if (session == NULL || !read_run(request, session, server_policies(context), &run))
        return;
    run.origin      = &origin;
    run.use.network = compat_e2b_network_of(sandbox, context);
    execution       = session_submit(session, &run, true, NULL, NULL, &err);
    json_decref(run.options);
    if (execution == NULL)
        api_error_refused(request, &err);
    else
        compat_e2b_stream(request, context, sandbox, session, execution, &teller, calloc(1, sizeof(struct compat_e2b_lines)));
}
