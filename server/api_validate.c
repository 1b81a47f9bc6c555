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
#include "session_inspect.h"
#include "tenant.h"

struct asking {
    struct server       *server;
    struct http_request *request;
    struct id            session;  /* whose names are asked for; while `question` is not NULL */
    json_t              *question; /* of the analysis, which waits for them */
};

static void asking_free(struct asking *asking)
{
    json_decref(asking->question);
    free(asking);
}

static void on_asker_gone(void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = asking->question != NULL ? sessions_find(server_sessions(asking->server), &asking->session) : NULL;
    if (session != NULL)
        session_inspect_forget(session, asking);
    analysis_forget(server_analysis(asking->server), asking);
    asking_free(asking);
}

static void on_result(enum analysis_end end, const char *text, size_t length, void *arg)
{
    struct asking *asking = arg;
    switch (end) {
    case ANALYSIS_DONE: http_reply_bytes(asking->request, 200, "application/json; charset=utf-8", text, length); break;
    case ANALYSIS_FAILED: http_reply_error(asking->request, 422, "ANALYSIS_FAILED", text, NULL, 0); break;
    case ANALYSIS_UNAVAILABLE: api_error_unavailable(asking->request, "ANALYSIS_UNAVAILABLE", text); break;
    }
    asking_free(asking);
}

static void analyze(struct asking *asking)
{
    struct err err      = {0};
    json_t    *question = asking->question;
    asking->question    = NULL;
    if (analysis_ask(server_analysis(asking->server), question, api_caller(asking->request), on_result, asking, &err) < 0) {
        http_request_on_gone(asking->request, NULL, NULL);
        api_error_refused(asking->request, &err);
        asking_free(asking);
    }
}

/* Which modules the session's names are, and what it has installed. A session that can't say is judged like a new one. */
static void on_names(const struct inspect_reply *said, void *arg)
{
    struct asking *asking = arg;
    json_t        *known  = said->end == INSPECT_ANSWERED ? (json_t *)said->json : NULL;
    if (json_is_object(json_object_get(known, "modules")))
        (void)json_object_set(asking->question, "names", json_object_get(known, "modules"));
    if (json_is_array(json_object_get(known, "installed")))
        (void)json_object_set(asking->question, "installed", json_object_get(known, "installed"));
    analyze(asking);
}

static void read_code(struct json_check *check, const json_t *json, const struct policies *policies)
{
    const char *code = NULL;
    json_check_require(check, json, "code");
    if (json_field_string(check, json, "code", 1, policies->code_chars, &code) &&
        strlen(code) != json_string_length(json_object_get(json, "code")))
        json_check_fail(check, "code", "must not contain NUL characters");
}

static void ask(struct http_request *request, struct server *server, struct session *session, json_t *question)
{
    struct asking *asking = calloc(1, sizeof *asking);
    struct err     err    = {0};
    if (asking == NULL) {
        json_decref(question);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the analysis");
        return;
    }
    *asking = (struct asking){.server = server, .request = request, .question = question};
    if (tenant_check_cpu(api_caller(request), json_time_monotonic(), &err) < 0) {
        asking_free(asking);
        api_error_refused(request, &err);
        return;
    }
    http_request_on_gone(request, on_asker_gone, asking);
    if (session != NULL)
        asking->session = *session_id(session);
    if (session == NULL || session_inspect(session, json_pack("{s:s}", "op", "modules"), INSPECT_STALE, on_names, asking, &err) < 0)
        analyze(asking);
}

/* The session that the body names, or NULL. Returns false when there is none of this id: the request has been answered. */
static bool find_session(struct http_request *request, const struct server *server, const char *given, struct session **ret)
{
    struct sessions *sessions = server_sessions((struct server *)server);
    struct id        id;

    *ret = given != NULL && id_parse(given, &id) ? sessions_find(sessions, &id) : NULL;
    if (given == NULL || (*ret != NULL && session_owner(*ret) == api_caller(request)))
        return true;
    api_error_no_session(request, sessions, given);
    return false;
}

/* Without a choice it is the session's, or what a session of the caller's would get. */
static void settle_profile(const struct http_request *request, const struct server *server, const struct session *session, char profile[16])
{
    const struct tenant *caller = api_caller(request);
    struct session_info  info;
    if (profile[0] == '\0' && session != NULL) {
        session_get_info(session, &info);
        (void)snprintf(profile, 16, "%s", info.profile);
    }
    if (profile[0] == '\0')
        (void)snprintf(profile, 16, "%s", caller != NULL && caller->profile[0] != '\0' ? caller->profile : server_config(server)->profile);
}

static void validate(struct http_request *request, struct server *server, const char *kind)
{
    struct json_check check  = JSON_CHECK_INIT;
    const json_t     *json   = http_request_json(request);
    bool              strict = false, with_warnings = true;
    const char       *given       = NULL;
    char              profile[16] = "";
    struct session   *session;
    struct id         ignored;

    read_code(&check, json, server_policies(server));
    (void)json_field_bool(&check, json, "strict", &strict);
    (void)json_field_bool(&check, json, "includeWarnings", &with_warnings);
    session_body_read_profile(&check, json, profile);
    if (json_field_string(&check, json, "sessionId", 0, 1000, &given) && !id_parse(given, &ignored))
        json_check_fail(&check, "sessionId", "must be a UUID");
    if (json_check_reply(&check, request) || !find_session(request, server, given, &session))
        return;
    settle_profile(request, server, session, profile);
    ask(request, server, strcmp(kind, "syntax") != 0 ? session : NULL,
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
