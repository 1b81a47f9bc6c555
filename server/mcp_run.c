#define _GNU_SOURCE
#include "mcp_run.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_executions.h"
#include "json_said.h"
#include "mcp_answer.h"
#include "mcp_result.h"
#include "result_read.h"
#include "run.h"
#include "sse.h"

enum { REPLY_BYTES = 16 * 1024, TURNS_MAX = 64 /* runs of requests with the same id that are known at once */ };

bool mcp_run_parse_event(const char *text, struct id *ret_execution, const char **ret_after)
{
    char     id[ID_TEXT_BYTES];
    uint32_t epoch;
    bool     has_epoch;
    uint64_t seq;

    if (strlen(text) < ID_TEXT_BYTES || text[ID_TEXT_BYTES - 1] != '.')
        return false;
    memcpy(id, text, sizeof id);
    id[sizeof id - 1] = '\0';
    *ret_after        = text + ID_TEXT_BYTES;
    return id_parse(id, ret_execution) && sse_parse_id(*ret_after, &epoch, &has_epoch, &seq);
}

/* ---- the stream ---- */

/* One event of the log: "id: <epoch>-<seq>", "event: <type>", "data: {...}", as sse.h writes them. */
struct event_text {
    char        id[SSE_ID_MAX];
    const char *data;
    size_t      length;
};

static bool take_apart(const char *text, size_t length, struct event_text *ret)
{
    const char *end = memchr(text, '\n', length), *data = memmem(text, length, "\ndata: ", 7);
    if (length < 4 || memcmp(text, "id: ", 4) != 0 || end == NULL || data == NULL || (size_t)(end - text - 4) >= sizeof ret->id)
        return false;
    (void)snprintf(ret->id, sizeof ret->id, "%.*s", (int)(end - text - 4), text + 4);
    ret->data   = data + 7;
    ret->length = (size_t)(text + length - ret->data);
    while (ret->length > 0 && ret->data[ret->length - 1] == '\n')
        ret->length--;
    return true;
}

/* What was printed, as progress. The number of the event is how far it has come: it only ever grows, also over an interruption of the stream. */
static size_t tell(const struct mcp_call *call, const struct event_text *event, const json_t *json)
{
    const char *type = json_string_value(json_object_get(json, "type")), *dash = strchr(event->id, '-');
    json_t     *text = json_object_get(json, "data");
    char        id[MCP_EVENT_ID_BYTES], execution[ID_TEXT_BYTES];

    if (type == NULL || dash == NULL || (strcmp(type, "stdout") != 0 && strcmp(type, "stderr") != 0))
        return 0;
    id_format(&call->execution, execution);
    (void)snprintf(id, sizeof id, "%s.%s", execution, event->id);
    return mcp_answer_send(
        call->answer,
        mcp_message_notification("notifications/progress", json_pack("{s:O, s:I, s:O}", "progressToken", call->token, "progress",
                                                                     (json_int_t)strtoll(dash + 1, NULL, 10), "message", text)),
        call->version < MCP_STATELESS ? id : NULL);
}

static size_t on_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    struct mcp_call  *call = arg;
    struct event_text event;
    json_error_t      error;
    json_t           *json;
    size_t            waiting;

    (void)owner;
    if (!take_apart(data, length, &event))
        return mcp_answer_ping(call->answer);
    if (call->token == NULL || !mcp_answer_is_stream(call->answer))
        return 0;
    json    = json_loadb(event.data, event.length, JSON_ALLOW_NUL, &error);
    waiting = tell(call, &event, json);
    json_decref(json);
    return waiting;
}

static json_t *read_result(struct execution *execution)
{
    struct bytes text   = {0};
    bool         failed = false;
    struct err   err    = {0};
    json_t      *json   = NULL, *result;

    if (result_read(execution_track(execution), &text, &failed, &err) == 0)
        json = json_said_read(text.data, text.length);
    bytes_done(&text);
    if (json == NULL)
        return NULL;
    if (failed)
        result = mcp_result_refused(json_string_value(json_object_get(json, "message")));
    else
        result = mcp_result_execution(json);
    json_decref(json);
    return result;
}

static void on_end(bool whole, void *arg)
{
    struct mcp_call  *call      = arg;
    struct execution *execution = whole ? sessions_find_execution(server_sessions(call->server), &call->execution) : NULL;

    call->watcher = NULL; /* it is freed right after */
    if (execution != NULL)
        mcp_call_result(call, read_result(execution));
    else
        mcp_call_refuse(call, "The session was ended while the code ran. Its state is lost: begin anew.");
}

/* From the event after `after` on, or from the first one. */
static void watch(struct mcp_call *call, struct execution *execution, const char *after)
{
    struct watcher_sink sink = {on_write, on_end, call, NULL};
    struct err          err  = {.message = "no memory for the stream"};
    char                id[MCP_EVENT_ID_BYTES];

    execution_flush(execution);
    call->execution = *execution_id(execution);
    if (after == NULL) {
        (void)snprintf(id, sizeof id, "%s.0", execution_id_text(execution));
        (void)mcp_answer_prime(call->answer, id);
    }
    call->watcher = watcher_new(server_watchers(call->server), execution_track(execution), WATCHER_SSE, after, &sink, &err);
    if (call->watcher != NULL)
        return;
    execution_interrupt(execution);
    mcp_call_refuse(call, err.message);
}

/* ---- the start ---- */

/*
 * So that the run of a request can be found by who cancels it, whichever process of the server that asks: a hash of the session, which nobody
 * else knows, and of the request's id; and of a number, since clients that connect again count from the beginning.
 */
static bool execution_of(const char *own, const json_t *request_id, unsigned turn, struct id *ret)
{
    char         *text = json_dumps(request_id, JSON_ENCODE_ANY), *key = NULL;
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int           n = text != NULL && *own != '\0' ? asprintf(&key, "%s/%u/%s", own, turn, text) : -1;

    free(text);
    if (n < 0)
        return false;
    (void)SHA256((const unsigned char *)key, (size_t)n, hash);
    free(key);
    memcpy(ret->bytes, hash, sizeof ret->bytes);
    ret->bytes[6] = (unsigned char)((ret->bytes[6] & 0x0f) | 0x80); /* a UUID of version 8: made as its maker likes */
    ret->bytes[8] = (unsigned char)((ret->bytes[8] & 0x3f) | 0x80);
    return true;
}

/* The id for the execution of a call. Returns false when any will do: it can't be cancelled by a message then. */
static bool choose_id(const struct mcp_call *call, struct id *ret)
{
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        if (!execution_of(call->own, call->id, turn, ret))
            return false;
        if (sessions_find_execution(server_sessions(call->server), ret) == NULL)
            return true;
    }
    return false;
}

static void on_started(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call  *call = arg;
    json_error_t      error;
    json_t           *json = json_loadb(answer->body, answer->length, 0, &error);
    struct id         id;
    struct execution *execution = NULL;

    call->inner = NULL;
    if (answer->status == 202 && id_parse(json_string_value(json_object_get(json, "executionId")), &id))
        execution = sessions_find_execution(server_sessions(call->server), &id);
    json_decref(json);
    if (execution != NULL)
        watch(call, execution, NULL);
    else
        mcp_call_result(call, mcp_result_of(answer));
}

static json_t *body_of(const struct mcp_call *call)
{
    static const char *const same[] = {"code", "timeout", "stdin", "transactional", "allowNetworking"};
    json_t                  *body   = json_pack("{s:s, s:b}", "sessionId", call->session, "includeVariables", 0);
    for (size_t i = 0; body != NULL && i < sizeof same / sizeof *same; i++) {
        json_t *value = json_object_get(call->arguments, same[i]);
        if (value != NULL)
            (void)json_object_set(body, same[i], value);
    }
    return body;
}

void mcp_run_start(struct mcp_call *call)
{
    struct http_request *inner = mcp_call_inner(call, HTTP_POST, api_executions_create, REPLY_BYTES, on_started);
    json_t              *body  = body_of(call), *label;
    struct id            id;
    bool                 has_id = choose_id(call, &id);

    if (inner == NULL || body == NULL) {
        json_decref(body);
        mcp_call_result(call, NULL);
        return;
    }
    http_request_set_json(inner, body);
    if (api_session_of(inner, server_sessions(call->server)) == NULL) /* else one would be made under this id */
        return;
    label = json_pack("{s:{s:s, s:O, s:O*}}", "mcp", "session", call->own, "id", call->id, "token", call->token);
    run_start_for(call->server, inner, has_id ? &id : NULL, label);
    json_decref(label);
}

/* ---- later requests about it ---- */

void mcp_run_cancel(struct server *server, const struct session *own, const json_t *request_id)
{
    char              text[ID_TEXT_BYTES];
    struct id         id;
    struct execution *execution;

    id_format(session_id(own), text);
    for (unsigned turn = 0; request_id != NULL && turn < TURNS_MAX && execution_of(text, request_id, turn, &id); turn++) {
        execution = sessions_find_execution(server_sessions(server), &id);
        if (execution != NULL)
            execution_interrupt(execution);
    }
}

void mcp_run_resume(struct server *server, struct http_request *request, const struct session *own, const char *after)
{
    const json_t     *about = NULL;
    const char       *rest  = NULL, *session;
    char              text[ID_TEXT_BYTES], from[SSE_ID_MAX];
    struct id         id;
    struct execution *execution = NULL;
    struct mcp_call  *call;

    if (mcp_run_parse_event(after, &id, &rest))
        execution = sessions_find_execution(server_sessions(server), &id);
    if (execution != NULL && execution_owner(execution) == api_caller(request))
        about = json_object_get(execution_label(execution), "mcp");
    session = json_string_value(json_object_get(about, "session"));
    id_format(session_id(own), text);
    if (session == NULL || strcmp(session, text) != 0) {
        mcp_reply_error(request, 400, NULL, MCP_INVALID_REQUEST, "There is no stream with such an event", NULL);
        return;
    }
    (void)snprintf(from, sizeof from, "%s", rest); /* the request is gone in a moment */
    call = mcp_call_new(server, request, json_object_get(about, "id"), json_object_get(about, "token"), MCP_NEWEST_WITH_SESSIONS, own);
    if (call != NULL)
        watch(call, execution, from);
}
