#define _GNU_SOURCE
#include "mcp_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_sessions.h"
#include "mcp_result.h"
#include "mcp_session.h"
#include "mcp_tools.h"
#include "route.h"

enum { MESSAGE_MAX = 256 };

static void call_free(struct mcp_call *call)
{
    if (call == NULL)
        return;
    watcher_free(call->watcher);
    http_inner_cancel(call->inner);
    http_inner_cancel(call->origin);
    json_decref(call->arguments);
    json_decref(call->id);
    json_decref(call->token);
    free(call);
}

/* The client has left. What it asked for is not undone; of a request without a session its leaving is the cancellation. */
static void on_gone(void *arg)
{
    struct mcp_call  *call      = arg;
    struct execution *execution = call->watcher != NULL ? sessions_find_execution(server_sessions(call->server), &call->execution) : NULL;

    mcp_answer_free(call->answer);
    if (call->version >= MCP_STATELESS && execution != NULL)
        execution_interrupt(execution);
    call_free(call);
}

static void on_drain(void *arg)
{
    struct mcp_call *call = arg;
    if (call->watcher != NULL)
        watcher_on_drain(call->watcher);
}

void mcp_call_result(struct mcp_call *call, json_t *result)
{
    json_t *structured = json_object_get(result, "structuredContent");
    if (call->makes_session && call->session[0] != '\0' && json_is_object(structured))
        (void)json_object_set_new(structured, "sessionId", json_string(call->session));
    mcp_answer_result(call->answer, result);
    call_free(call);
}

void mcp_call_refuse(struct mcp_call *call, const char *message)
{
    mcp_call_result(call, mcp_result_refused(message));
}

/* Its place in the route table, from 1. */
static unsigned tag_of(enum http_method method, http_handler handler)
{
    size_t              count;
    const struct route *table = route_table(&count);
    for (size_t i = 0; i < count; i++)
        if (table[i].handler == handler && table[i].method == method)
            return (unsigned)i + 1;
    return 0;
}

struct http_request *mcp_call_inner(struct mcp_call *call, enum http_method method, http_handler counted_as, size_t max,
                                    http_inner_on_answer on_answer)
{
    call->inner = http_inner_new(call->origin, method, tag_of(method, counted_as), max, on_answer, call);
    if (call->inner != NULL)
        http_request_set_parameter(call->inner, 0, call->session);
    return call->inner;
}

static void on_answer(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call *call = arg;
    call->inner           = NULL;
    if (call->tool->finish != NULL)
        call->tool->finish(answer, call);
    else
        mcp_call_result(call, mcp_result_of(answer));
}

/* The session is known: now the tool. */
static void act(struct mcp_call *call)
{
    const struct mcp_tool *tool = call->tool;
    struct http_request   *inner;

    if (tool->start != NULL) {
        tool->start(call);
        return;
    }
    inner = mcp_call_inner(call, tool->method, tool->handler, tool->max > 0 ? tool->max : MCP_ANSWER_BYTES, on_answer);
    if (inner == NULL) {
        mcp_call_result(call, NULL);
        return;
    }
    if (tool->prepare == NULL)
        http_request_set_json(inner, json_incref(call->arguments));
    else if (!tool->prepare(call, inner))
        return;
    (tool->acts != NULL ? tool->acts : tool->handler)(inner, call->server);
}

static void on_refused(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call *call = arg;
    call->inner           = NULL;
    mcp_call_result(call, mcp_result_of(answer));
}

static void on_session(struct session *session, struct http_request *inner, void *arg)
{
    struct mcp_call *call = arg;
    http_inner_cancel(inner);
    call->inner = NULL;
    id_format(session_id(session), call->session);
    act(call);
}

static void make_session(struct mcp_call *call)
{
    struct http_request *inner = mcp_call_inner(call, HTTP_POST, api_sessions_create, MCP_ANSWER_BYTES, on_refused);
    call->makes_session        = true;
    if (inner == NULL)
        mcp_call_result(call, NULL);
    else
        mcp_session_make(call->server, inner, call->profile, json_pack("{s:{}}", "mcp"), on_session, call);
}

/* Which session: the one that the arguments name, the MCP session's own, or a new one. */
static void choose_session(struct mcp_call *call)
{
    const json_t *given = json_object_get(call->arguments, "session");
    struct id     id;

    if (given != NULL && !json_is_null(given)) {
        if (!id_parse(json_string_value(given), &id)) {
            mcp_call_refuse(call, "`session` must be a sessionId that run_code or fork returned.");
            return;
        }
        id_format(&id, call->session);
        act(call);
    } else if (call->own[0] != '\0') {
        memcpy(call->session, call->own, sizeof call->session);
        act(call);
    } else if ((call->tool->hints & MCP_MAKES_SESSION) != 0) {
        make_session(call);
    } else {
        mcp_call_refuse(call, "Give `session`: the sessionId that run_code returned. There is no session yet; run_code makes one.");
    }
}

struct mcp_call *mcp_call_new(struct server *server, struct http_request *request, json_t *id, json_t *token, enum mcp_version version,
                              const struct session *own)
{
    static const struct mcp_answer_events events  = {on_drain, on_gone};
    const char                           *profile = http_request_query(request, "profile");
    struct mcp_call                      *call    = calloc(1, sizeof *call);

    if (call != NULL) {
        *call        = (struct mcp_call){.server = server, .version = version, .id = json_incref(id), .token = json_incref(token)};
        call->origin = http_inner_new(request, HTTP_POST, 0, 0, NULL, NULL);
        call->answer = call->origin != NULL ? mcp_answer_new(request, id, version, &events, call) : NULL;
    }
    if (call == NULL || call->answer == NULL) {
        call_free(call);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the call");
        return NULL;
    }
    (void)snprintf(call->profile, sizeof call->profile, "%s", profile != NULL ? profile : "");
    if (own != NULL)
        id_format(session_id(own), call->own);
    mcp_answer_begin(call->answer);
    return call;
}

void mcp_call_start(struct server *server, struct http_request *request, const struct mcp_message *message, enum mcp_version version,
                    const struct session *own)
{
    const json_t          *given = json_object_get(message->params, "arguments");
    const char            *name  = json_string_value(json_object_get(message->params, "name"));
    const struct mcp_tool *tool  = mcp_tools_find(name);
    struct mcp_call       *call;
    char                   text[MESSAGE_MAX];

    if (tool == NULL || (given != NULL && !json_is_object(given))) {
        (void)snprintf(text, sizeof text, tool != NULL ? "arguments must be an object" : "Unknown tool: %.100s", name != NULL ? name : "");
        mcp_reply_error(request, 200, message->id, MCP_INVALID_PARAMS, text, NULL);
        return;
    }
    given = json_incref((json_t *)given); /* the request, with all that is in it, may be gone in a moment */
    call  = mcp_call_new(server, request, message->id, message->token, version, own);
    if (call == NULL) {
        json_decref((json_t *)given);
        return;
    }
    call->tool      = tool;
    call->arguments = given != NULL ? (json_t *)given : json_object();
    choose_session(call);
}
