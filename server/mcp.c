#define _GNU_SOURCE
#include "mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "base64.h"
#include "mcp_answer.h"
#include "mcp_call.h"
#include "mcp_listen.h"
#include "mcp_message.h"
#include "mcp_run.h"
#include "mcp_session.h"
#include "mcp_tools.h"

enum { TOOLS_FRESH_MS = 3600 * 1000 /* how long a list of tools is good: it changes with our version only */ };

static void reply_result(struct http_request *request, const struct mcp_message *message, enum mcp_version version, json_t *result)
{
    static const struct mcp_answer_events events;
    struct mcp_answer                    *answer = mcp_answer_new(request, message->id, version, &events, NULL);
    if (answer == NULL) {
        json_decref(result);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
        return;
    }
    mcp_answer_result(answer, result);
}

static void reply_accepted(struct http_request *request)
{
    http_reply_bytes(request, 202, "application/json", "", 0);
}

static json_t *list_tools(enum mcp_version version)
{
    json_t *result = json_pack("{s:o}", "tools", mcp_tools_list());
    if (result != NULL && version >= MCP_STATELESS) {
        (void)json_object_set_new(result, "ttlMs", json_integer(TOOLS_FRESH_MS));
        (void)json_object_set_new(result, "cacheScope", json_string("public"));
    }
    return result;
}

static void reply_unknown(struct http_request *request, const struct mcp_message *message, int status)
{
    char text[MCP_METHOD_MAX + 64];
    (void)snprintf(text, sizeof text, "Method not found: %s", message->method);
    mcp_reply_error(request, status, message->id, MCP_METHOD_NOT_FOUND, text, NULL);
}

static void reply_unsupported(struct http_request *request, const struct mcp_message *message, const char *given)
{
    json_t *data = json_pack("{s:o, s:s%}", "supported", mcp_version_list(), "requested", given, strnlen(given, 64));
    mcp_reply_error(request, 400, message->id, MCP_UNSUPPORTED_VERSION, "Unsupported protocol version", data);
}

/* ---- 2026-07-28 and later: no sessions; headers repeat what the body says, for whoever stands in between ---- */

/* A header's value, which may be "=?base64?...?=", against the body's. */
static bool header_says(const struct http_request *request, const char *name, const char *wanted)
{
    const char  *given  = http_request_header(request, name);
    size_t       length = given != NULL ? strlen(given) : 0;
    struct bytes text   = {0};
    bool         same;

    if (length < 11 || strncmp(given, "=?base64?", 9) != 0 || strcmp(given + length - 2, "?=") != 0)
        return given != NULL && strcmp(given, wanted) == 0;
    same = base64_decode(given + 9, length - 11, &text) && text.length == strlen(wanted) && memcmp(text.data, wanted, text.length) == 0;
    bytes_done(&text);
    return same;
}

/* Returns false when the request has been answered. */
static bool check_headers(struct http_request *request, const struct mcp_message *message)
{
    const char *name  = json_string_value(json_object_get(message->params, "name"));
    const char *wrong = !header_says(request, "MCP-Protocol-Version", message->version) ? "MCP-Protocol-Version"
                        : !header_says(request, "Mcp-Method", message->method)          ? "Mcp-Method"
                        : strcmp(message->method, "tools/call") == 0 && !header_says(request, "Mcp-Name", name != NULL ? name : "")
                            ? "Mcp-Name"
                            : NULL;
    char        text[96];

    if (wrong == NULL)
        return true;
    (void)snprintf(text, sizeof text, "The header %s is missing, or is not what the body says", wrong);
    mcp_reply_error(request, 400, message->id, MCP_HEADER_MISMATCH, text, NULL);
    return false;
}

static json_t *discover(void)
{
    json_t *result = mcp_session_about();
    (void)json_object_set_new(result, "supportedVersions", mcp_version_list());
    (void)json_object_set_new(result, "ttlMs", json_integer(TOOLS_FRESH_MS));
    (void)json_object_set_new(result, "cacheScope", json_string("public"));
    return result;
}

static void post_stateless(struct server *server, struct http_request *request, const struct mcp_message *message)
{
    enum mcp_version version;

    if (!mcp_version_parse(message->version, &version) || version < MCP_STATELESS)
        reply_unsupported(request, message, message->version);
    else if (!check_headers(request, message))
        return;
    else if (message->kind == MCP_NOTIFICATION)
        reply_accepted(request);
    else if (strcmp(message->method, "tools/call") == 0)
        mcp_call_start(server, request, message, version, NULL);
    else if (strcmp(message->method, "tools/list") == 0)
        reply_result(request, message, version, list_tools(version));
    else if (strcmp(message->method, "server/discover") == 0)
        reply_result(request, message, version, discover());
    else
        reply_unknown(request, message, 404);
}

/* ---- with a session ---- */

/* The revision that a request says it is of must be one that has sessions; which one its client keeps to was agreed on before. */
static bool check_version(struct http_request *request, const struct mcp_message *message)
{
    const char      *given = http_request_header(request, "MCP-Protocol-Version");
    enum mcp_version version;

    if (given == NULL || (mcp_version_parse(given, &version) && version < MCP_STATELESS))
        return true;
    if (mcp_version_parse(given, &version))
        mcp_reply_error(request, 400, message->id, MCP_HEADER_MISMATCH,
                        "The header MCP-Protocol-Version is not what the body says: it names no revision in params._meta", NULL);
    else
        reply_unsupported(request, message, given);
    return false;
}

static void post_request(struct server *server, struct http_request *request, const struct mcp_message *message, struct session *session)
{
    enum mcp_version version = mcp_session_version(session);

    if (strcmp(message->method, "tools/call") == 0)
        mcp_call_start(server, request, message, version, session);
    else if (strcmp(message->method, "tools/list") == 0)
        reply_result(request, message, version, list_tools(version));
    else if (strcmp(message->method, "ping") == 0)
        reply_result(request, message, version, json_object());
    else
        reply_unknown(request, message, 200);
}

static void post_with_session(struct server *server, struct http_request *request, const struct mcp_message *message)
{
    struct session *session;

    if (!check_version(request, message))
        return;
    if (message->kind == MCP_REQUEST && strcmp(message->method, "initialize") == 0) {
        mcp_session_initialize(server, request, message);
        return;
    }
    session = mcp_session_of(request, message->id, server);
    if (session == NULL)
        return;
    session_touch(session);
    if (message->kind == MCP_REQUEST) {
        post_request(server, request, message, session);
        return;
    }
    if (message->kind == MCP_NOTIFICATION && strcmp(message->method, "notifications/cancelled") == 0)
        mcp_run_cancel(server, session, json_object_get(message->params, "requestId"));
    reply_accepted(request);
}

void mcp_post(struct http_request *request, void *context)
{
    struct mcp_message message;

    if (mcp_message_read(&message, http_request_json(request)) == MCP_INVALID)
        mcp_reply_error(request, 400, message.id, MCP_INVALID_REQUEST, message.fault, NULL);
    else if (message.version != NULL)
        post_stateless(context, request, &message);
    else
        post_with_session(context, request, &message);
}

/* ---- streams, and the end ---- */

void mcp_get(struct http_request *request, void *context)
{
    const char        *after   = http_request_header(request, "Last-Event-ID");
    struct mcp_message none    = {0};
    struct session    *session = check_version(request, &none) ? mcp_session_of(request, NULL, context) : NULL;

    if (session == NULL)
        return;
    if (after != NULL && *after != '\0')
        mcp_run_resume(context, request, session, after);
    else
        mcp_listen(context, request, session);
}

struct deleting {
    struct http_request *request; /* NULL: its client has left */
};

static void on_deleted(void *arg)
{
    struct deleting *deleting = arg;
    if (deleting->request != NULL) {
        http_request_on_gone(deleting->request, NULL, NULL);
        http_reply_bytes(deleting->request, 204, "application/json", "", 0);
    }
    free(deleting);
}

static void on_deleter_gone(void *arg)
{
    ((struct deleting *)arg)->request = NULL; /* on_deleted follows and frees it */
}

void mcp_delete(struct http_request *request, void *context)
{
    struct mcp_message none     = {0};
    struct session    *session  = check_version(request, &none) ? mcp_session_of(request, NULL, context) : NULL;
    struct deleting   *deleting = session != NULL ? malloc(sizeof *deleting) : NULL;

    if (session == NULL)
        return;
    if (deleting == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
        return;
    }
    deleting->request = request;
    http_request_on_gone(request, on_deleter_gone, deleting);
    session_end(session, "deleted", on_deleted, deleting);
}
