#define _GNU_SOURCE
#include "api_variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "base64.h"
#include "json.h"
#include "json_slice.h"
#include "metrics.h"
#include "server.h"
#include "session_body.h"
#include "session_inspect.h"

enum { NAME_MAX_BYTES = 1000, PAGE_MAX = 1000, MESSAGE_MAX = 400, STALE_BYTES = 64 };

enum asked { ASKED_LIST, ASKED_SET, ASKED_CLEAR, ASKED_ONE, ASKED_EXPORT, ASKED_DELETE };

/* A request that waits for the session's answer. */
struct asking {
    struct server       *server;
    struct http_request *request;
    struct id            session;
    enum asked           asked;
    char                 name[NAME_MAX_BYTES + 1];
    const char          *suffix; /* of an export's file */
};

static struct session *session_of(const struct asking *asking)
{
    return sessions_find(server_sessions(asking->server), &asking->session);
}

static void on_asker_gone(void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = session_of(asking);
    if (session != NULL)
        session_inspect_forget(session, asking);
    free(asking);
}

/* ---- the answers ---- */

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

static void reply(struct http_request *request, struct bytes *out, bool fine)
{
    if (fine)
        http_reply_bytes(request, 200, "application/json; charset=utf-8", out->data, out->length);
    else
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
    bytes_done(out);
}

static bool append_member(struct bytes *out, const struct inspect_reply *said, const char *name)
{
    const char *text;
    size_t      length;
    return json_slice_member(said->text, said->length, name, &text, &length) && literal(out, ",\"") && literal(out, name) &&
           literal(out, "\":") && bytes_append(out, text, length);
}

/* Members that are in an answer of a copy's. */
static void write_stale(const struct inspect_reply *said, char ret_text[STALE_BYTES])
{
    ret_text[0] = '\0';
    if (said->moment != NULL)
        (void)snprintf(ret_text, STALE_BYTES, ",\"stale\":true,\"asOf\":%llu", (unsigned long long)said->moment->execution_count);
}

/* {sessionId, variables, stale?, asOf?, updated?, lastUpdated, truncated?} */
static void reply_list(const struct asking *asking, const struct inspect_reply *said)
{
    struct session_info info;
    struct bytes        out = {0};
    char                head[ID_TEXT_BYTES + 32], tail[JSON_TIME_BYTES + 128], when[JSON_TIME_BYTES], stale[STALE_BYTES];
    bool                fine;

    session_get_info(session_of(asking), &info);
    json_time_text(said->moment != NULL ? said->moment->created_ms : info.changed_ms, when);
    write_stale(said, stale);
    (void)snprintf(head, sizeof head, "{\"sessionId\":\"%s\"", info.id_text);
    (void)snprintf(tail, sizeof tail, ",\"lastUpdated\":\"%s\"%s%s}", when,
                   json_is_true(json_object_get(said->json, "truncated")) ? ",\"truncated\":true" : "", stale);
    fine = literal(&out, head) && append_member(&out, said, "variables");
    if (fine && asking->asked == ASKED_SET)
        fine = append_member(&out, said, "updated");
    reply(asking->request, &out, fine && literal(&out, tail));
}

static void reply_done(struct http_request *request, const char *message)
{
    http_reply_json(request, 200, json_pack("{s:b, s:s}", "success", 1, "message", message));
}

static void reply_deleted(const struct asking *asking)
{
    char message[NAME_MAX_BYTES + 32];
    (void)snprintf(message, sizeof message, "Variable '%s' deleted", asking->name);
    reply_done(asking->request, message);
}

static void reply_one(const struct asking *asking, const struct inspect_reply *said)
{
    struct bytes out = {0};
    const char  *text;
    size_t       length;
    char         stale[STALE_BYTES];
    bool         fine = json_slice_member(said->text, said->length, "variable", &text, &length) && length > 2 && text[length - 1] == '}' &&
                bytes_append(&out, text, length - 1);
    write_stale(said, stale);
    reply(asking->request, &out, fine && literal(&out, stale) && literal(&out, "}"));
}

/* attachment; filename="x.csv", and the same for names beyond ASCII. */
static void add_file_name(const struct asking *asking)
{
    static const char hex[] = "0123456789ABCDEF";
    char              plain[64], value[NAME_MAX_BYTES * 3 + 256], *to;
    size_t            n = 0;

    for (const char *c = asking->name; *c != '\0' && n < sizeof plain - 1; c++)
        plain[n++] = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", *c) != NULL ? *c : '_';
    plain[n] = '\0';
    to       = value + sprintf(value, "attachment; filename=\"%s.%s\"; filename*=UTF-8''", plain, asking->suffix);
    for (const char *c = asking->name; *c != '\0'; c++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", *c) != NULL) {
            *to++ = *c;
            continue;
        }
        *to++ = '%';
        *to++ = hex[(unsigned char)*c >> 4];
        *to++ = hex[(unsigned char)*c & 15];
    }
    (void)sprintf(to, ".%s", asking->suffix);
    http_request_add_header(asking->request, "Content-Disposition", value);
}

static const char *content_type_of(const char *suffix)
{
    return strcmp(suffix, "json") == 0  ? "application/json; charset=utf-8"
           : strcmp(suffix, "csv") == 0 ? "text/csv; charset=utf-8"
                                        : "application/octet-stream";
}

static void reply_export(const struct asking *asking, const struct inspect_reply *said)
{
    json_t      *data      = json_object_get(said->json, "data");
    const char  *encoding  = json_string_value(json_object_get(said->json, "encoding"));
    bool         is_base64 = encoding != NULL && strcmp(encoding, "base64") == 0;
    struct bytes decoded   = {0};

    if (!json_is_string(data) || (is_base64 && !base64_decode(json_string_value(data), json_string_length(data), &decoded))) {
        api_error_unavailable(asking->request, "EXPORT_FAILED", "The session's answer is not what was asked for");
    } else {
        add_file_name(asking);
        http_request_add_header(asking->request, "Content-Security-Policy", "default-src 'none'; sandbox");
        http_reply_bytes(asking->request, 200, content_type_of(asking->suffix), is_base64 ? decoded.data : json_string_value(data),
                         is_base64 ? decoded.length : json_string_length(data));
    }
    bytes_done(&decoded);
}

/* What the Python side says when it can't: KeyError no such variable, ValueError the request, TimeoutError, and whatever a value raised. */
static void reply_refused(const struct asking *asking, const struct inspect_reply *said)
{
    json_t     *error   = json_object_get(said->json, "error");
    const char *type    = json_string_value(json_object_get(error, "type"));
    const char *message = json_string_value(json_object_get(error, "message"));
    char        text[MESSAGE_MAX];

    if (type != NULL && (strcmp(type, "OverflowError") == 0 || strcmp(type, "TimeoutError") == 0))
        metrics_deny(METRICS_DENIED_VARIABLES);
    if (type == NULL || message == NULL)
        api_error_unavailable(asking->request, "INSPECTION_FAILED", "The session's answer is not what was asked for");
    else if (strcmp(type, "KeyError") == 0) {
        (void)snprintf(text, sizeof text, "Variable '%.200s' not found", asking->name);
        http_reply_error(asking->request, 404, "VARIABLE_NOT_FOUND", text, NULL, 0);
    } else if (asking->asked == ASKED_SET && strcmp(type, "ValueError") == 0)
        http_reply_error(asking->request, 400, "VALIDATION_ERROR", message, NULL, 0);
    else if (strcmp(type, "OverflowError") == 0)
        http_reply_error(asking->request, 413, "VARIABLE_TOO_LARGE", message, NULL, 0);
    else if (strcmp(type, "TimeoutError") == 0)
        http_reply_error(asking->request, 422, "VARIABLE_TIMEOUT", message, NULL, 0);
    else
        http_reply_error(asking->request, 422, "VARIABLE_UNREADABLE", message, json_pack("{s:s}", "type", type), 0);
}

static void reply_died(const struct asking *asking, const struct execution_state *after)
{
    char text[192];
    if (after->kind != STATE_ROLLED_BACK) {
        http_reply_error(asking->request, 422, "INTERPRETER_DIED",
                         "The session's interpreter died, or hung and had to be ended, over this request; what it held is lost",
                         json_pack("{s:s}", "state", "lost"), 0);
        return;
    }
    (void)snprintf(text, sizeof text,
                   "The session's interpreter died, or hung and had to be ended, over this request; it is as it was after execution %llu",
                   (unsigned long long)after->restored_to);
    http_reply_error(asking->request, 422, "INTERPRETER_DIED", text,
                     json_pack("{s:s, s:I}", "state", "rolledBack", "restoredTo", (json_int_t)after->restored_to), 0);
}

static void reply_unanswered(const struct asking *asking, const struct inspect_reply *said)
{
    char                          text[ID_TEXT_BYTES];
    const struct execution_state *after = said->after;
    enum inspect_end              end   = session_of(asking) == NULL ? INSPECT_GONE : said->end;
    id_format(&asking->session, text);
    if (end == INSPECT_BUSY)
        http_reply_error(asking->request, 409, "SESSION_BUSY", "The session runs a cell; its variables can be reached when that has ended",
                         NULL, 0);
    else if (end == INSPECT_GONE)
        api_error_no_session(asking->request, server_sessions(asking->server), text);
    else if (end == INSPECT_DIED)
        reply_died(asking, after);
    else
        api_error_unavailable(asking->request, "INSPECTION_FAILED", "The session's answer is not what was asked for");
}

static void reply_answered(const struct asking *asking, const struct inspect_reply *said)
{
    switch (asking->asked) {
    case ASKED_LIST:
    case ASKED_SET: reply_list(asking, said); break;
    case ASKED_CLEAR: reply_done(asking->request, "Session variables cleared"); break;
    case ASKED_ONE: reply_one(asking, said); break;
    case ASKED_EXPORT: reply_export(asking, said); break;
    case ASKED_DELETE: reply_deleted(asking); break;
    }
}

static void on_reply(const struct inspect_reply *said, void *arg)
{
    struct asking *asking = arg;
    if (said->end != INSPECT_ANSWERED || session_of(asking) == NULL)
        reply_unanswered(asking, said);
    else if (!json_is_true(json_object_get(said->json, "ok")))
        reply_refused(asking, said);
    else
        reply_answered(asking, said);
    free(asking);
}

/* ---- the requests ---- */

static unsigned flags_of(enum asked asked)
{
    switch (asked) {
    case ASKED_LIST:
    case ASKED_ONE: return INSPECT_STALE;
    case ASKED_EXPORT: return 0; /* a file can't say that it is old */
    default: return INSPECT_CHANGES;
    }
}

/* `question` is owned. */
static void ask(struct http_request *request, struct server *server, struct session *session, enum asked asked, const char *name,
                const char *suffix, json_t *question)
{
    struct asking *asking = api_wait(request, sizeof *asking, on_asker_gone);
    struct err     err    = {0};

    if (asking == NULL) {
        json_decref(question);
        return;
    }
    *asking = (struct asking){.server = server, .request = request, .session = *session_id(session), .asked = asked, .suffix = suffix};
    (void)snprintf(asking->name, sizeof asking->name, "%s", name != NULL ? name : "");
    if (tenant_check_cpu(session_owner(session), json_time_monotonic(), &err) < 0) {
        json_decref(question);
        http_request_on_gone(request, NULL, NULL);
        free(asking);
        api_error_refused(request, &err);
        return;
    }
    if (session_inspect(session, question, flags_of(asked), on_reply, asking, &err) < 0) {
        api_error_refused(request, &err);
        free(asking);
    }
}

void api_variables_list(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    if (session != NULL)
        ask(request, context, session, ASKED_LIST, NULL, NULL, json_pack("{s:s}", "op", "list"));
}

void api_variables_set(struct http_request *request, void *context)
{
    struct session   *session = api_session_of(request, server_sessions(context));
    json_t           *body    = http_request_json(request);
    struct json_check check   = JSON_CHECK_INIT;

    if (session == NULL)
        return;
    session_body_check_variables(&check, body);
    if (json_object_size(body) > server_policies(context)->variables)
        json_check_fail(&check, "", "must NOT have more than %u variables", server_policies(context)->variables);
    if (!json_check_reply(&check, request))
        ask(request, context, session, ASKED_SET, NULL, NULL, json_pack("{s:s, s:b, s:O}", "op", "set", "list", 1, "variables", body));
}

void api_variables_clear(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    if (session != NULL)
        ask(request, context, session, ASKED_CLEAR, NULL, NULL, json_pack("{s:s}", "op", "clear"));
}

/* The variable's name, or NULL: the request has been answered. */
static const char *name_of(struct http_request *request)
{
    const char *name = http_request_parameter(request, 1);
    if (strlen(name) <= NAME_MAX_BYTES)
        return name;
    http_reply_error(request, 404, "VARIABLE_NOT_FOUND", "No variable has so long a name", NULL, 0);
    return NULL;
}

static json_t *question_of(struct http_request *request, struct json_check *check, const char *name, const char **ret_suffix)
{
    static const char *const formats[]  = {"json", "csv", "pickle", "data", NULL};
    static const char *const suffixes[] = {"json", "csv", "pkl", NULL};
    json_t                  *question   = json_pack("{s:s, s:s}", "op", "get", "name", name);
    size_t                   format     = 3;
    int64_t                  offset = 0, limit = 100;

    (void)json_text_choice(check, "format", http_request_query(request, "format"), formats, &format);
    if (json_text_integer(check, "offset", http_request_query(request, "offset"), 0, INT64_MAX, &offset))
        (void)json_object_set_new(question, "offset", json_integer(offset));
    if (json_text_integer(check, "limit", http_request_query(request, "limit"), 1, PAGE_MAX, &limit))
        (void)json_object_set_new(question, "limit", json_integer(limit));
    (void)json_object_set_new(question, "format", json_string(formats[format]));
    *ret_suffix = suffixes[format];
    return question;
}

void api_variables_get(struct http_request *request, void *context)
{
    struct session   *session = api_session_of(request, server_sessions(context));
    const char       *name    = session != NULL ? name_of(request) : NULL, *suffix;
    struct json_check check   = JSON_CHECK_INIT;
    json_t           *question;

    if (name == NULL)
        return;
    question = question_of(request, &check, name, &suffix);
    if (json_check_reply(&check, request))
        json_decref(question);
    else
        ask(request, context, session, suffix != NULL ? ASKED_EXPORT : ASKED_ONE, name, suffix, question);
}

void api_variables_delete(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    const char     *name    = session != NULL ? name_of(request) : NULL;
    if (name != NULL)
        ask(request, context, session, ASKED_DELETE, name, NULL, json_pack("{s:s, s:s}", "op", "delete", "name", name));
}
