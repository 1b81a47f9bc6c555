#define _GNU_SOURCE
#include "mcp_stdio_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "command_line.h"

enum { TRIES_MAX = 5, HEADERS_BYTES = 1024, NAME_BYTES = 512, ANSWER_MAX = 64 * 1024 * 1024 };

static const char LOST[] = "The session is over, and what it held is lost. A new one has begun: call again.";

void mcp_stdio_write(struct mcp_stdio_session *session, json_t *json)
{
    char  *text   = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    size_t length = text != NULL ? strlen(text) : 0;

    json_decref(json);
    if (text == NULL)
        return;
    text[length] = '\n'; /* where the NUL was: a line is one write */
    if (command_line_write(STDOUT_FILENO, text, length + 1) < 0)
        session->is_broken = true;
    free(text);
}

static void fail(struct mcp_stdio_session *session, struct mcp_stdio_call *call, int code, const char *message)
{
    if (call->id != NULL && !call->is_answered && call->kind == STDIO_MESSAGE)
        mcp_stdio_write(session, mcp_message_error(call->id, code, message, NULL));
    call->is_answered = true;
}

void mcp_stdio_call_free(struct mcp_stdio_call *call)
{
    if (call == NULL)
        return;
    http_call_close(&call->http);
    bytes_done(&call->text);
    json_decref(call->id);
    free(call);
}

/* ---- the request ---- */

/* A header's value: plain, or else in base64, as the protocol has it. Returns false when it is too long. */
static bool header_value(const char *text, char ret_text[NAME_BYTES])
{
    struct bytes encoded = {0};
    size_t       length  = strlen(text);
    bool         fine    = length < NAME_BYTES / 2;

    for (size_t i = 0; fine && i < length; i++) {
        if (text[i] <= ' ' || text[i] >= 127 || text[i] == '=') {
            fine = base64_encode(text, length, &encoded);
            if (fine)
                (void)snprintf(ret_text, NAME_BYTES, "=?base64?%.*s?=", (int)encoded.length, encoded.data);
            bytes_done(&encoded);
            return fine;
        }
    }
    if (fine)
        memcpy(ret_text, text, length + 1);
    return fine;
}

static bool write_headers(const struct mcp_stdio_session *session, const struct mcp_message *message, char ret_text[HEADERS_BYTES])
{
    const char *name = json_string_value(json_object_get(message->params, "name"));
    char        method[NAME_BYTES], named[NAME_BYTES] = "";

    ret_text[0] = '\0';
    if (message->version == NULL) {
        (void)snprintf(ret_text, HEADERS_BYTES, "%s%s%s%s%s%s", session->id[0] != '\0' ? "Mcp-Session-Id: " : "", session->id,
                       session->id[0] != '\0' ? "\r\n" : "", session->version[0] != '\0' ? "MCP-Protocol-Version: " : "", session->version,
                       session->version[0] != '\0' ? "\r\n" : "");
        return true;
    }
    if (strpbrk(message->version, "\r\n") != NULL || !header_value(message->method, method) ||
        !header_value(name != NULL ? name : "", named))
        return false;
    return snprintf(ret_text, HEADERS_BYTES, "MCP-Protocol-Version: %s\r\nMcp-Method: %s\r\n%s%s%s", message->version, method,
                    name != NULL ? "Mcp-Name: " : "", named, name != NULL ? "\r\n" : "") < HEADERS_BYTES;
}

/* Sends it, and reads the head of the answer. Returns 0 or -1. */
static int open_call(struct mcp_stdio_session *session, struct mcp_stdio_call *call, const char *method, const char *headers,
                     const char *body, struct err *err)
{
    struct http_call_request request = {.method      = method,
                                        .path        = session->path,
                                        .accept      = "application/json, text/event-stream",
                                        .headers     = headers,
                                        .body        = body,
                                        .body_length = body != NULL ? strlen(body) : 0};
    char                     type[64];

    if (http_call_open(&call->http, &session->target, &request, NULL, err) < 0)
        return -1;
    call->is_stream = http_call_header(&call->http, "Content-Type", type, sizeof type) && strncmp(type, "text/event-stream", 17) == 0;
    if (call->is_initialize && call->http.status == 200)
        (void)http_call_header(&call->http, "Mcp-Session-Id", session->id, sizeof session->id);
    return 0;
}

struct mcp_stdio_call *mcp_stdio_call_new(struct mcp_stdio_session *session, enum mcp_stdio_kind kind, json_t *json,
                                          const struct mcp_message *message)
{
    struct mcp_stdio_call *call;
    char                   headers[HEADERS_BYTES], *body;
    struct err             err    = {.message = "no memory for a request"};
    int                    result = -1;

    if (session->is_lost && kind == STDIO_MESSAGE && message->kind == MCP_REQUEST) {
        session->is_lost = false;
        mcp_stdio_write(session, mcp_message_error(message->id, MCP_NO_SESSION, LOST, NULL));
        return NULL;
    }
    body = kind != STDIO_LISTEN ? json_dumps(json, JSON_COMPACT) : NULL;
    call = calloc(1, sizeof *call);
    if (call != NULL) {
        call->http          = (struct http_call)HTTP_CALL_INIT;
        call->kind          = kind;
        call->id            = json_incref(message->id);
        call->is_initialize = message->kind == MCP_REQUEST && message->version == NULL && strcmp(message->method, "initialize") == 0;
        if (call->is_initialize)
            session->id[0] = session->version[0] = '\0';
        if (!write_headers(session, message, headers))
            (void)err_set(&err, EINVAL, "the message is not one of a known revision");
        else if (kind == STDIO_LISTEN || body != NULL)
            result = open_call(session, call, kind == STDIO_LISTEN ? "GET" : "POST", headers, body, &err);
    }
    free(body);
    if (result == 0)
        return call;
    if (call != NULL)
        fail(session, call, MCP_INTERNAL_ERROR, err.message);
    mcp_stdio_call_free(call);
    return NULL;
}

/* ---- the answer ---- */

static json_t *read_json(const char *text, size_t length)
{
    json_error_t error;
    json_t      *json = json_loadb(text, length, JSON_ALLOW_NUL, &error);
    return json != NULL ? json : json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
}

/* What was agreed on. */
static void note_version(struct mcp_stdio_session *session, const json_t *json)
{
    const char *version = json_string_value(json_object_get(json_object_get(json, "result"), "protocolVersion"));
    if (version != NULL)
        (void)snprintf(session->version, sizeof session->version, "%s", version);
}

/* One message of the server's. It is passed on as one line, whatever it was made of. */
static void pass_on(struct mcp_stdio_session *session, struct mcp_stdio_call *call, const char *text, size_t length)
{
    json_t *json = read_json(text, length);

    if (!json_is_object(json)) {
        json_decref(json);
        return;
    }
    if (json_object_get(json, "method") == NULL) {
        if (call->is_initialize)
            note_version(session, json);
        if (call->id == NULL || call->is_answered || call->kind != STDIO_MESSAGE) {
            json_decref(json);
            return;
        }
        (void)json_object_set(json, "id", call->id); /* an error that was found before the id was read has none */
        call->is_answered = true;
    }
    mcp_stdio_write(session, json);
}

/* The lines of an event stream that are whole. */
static void take_lines(struct mcp_stdio_session *session, struct mcp_stdio_call *call)
{
    const char *at = call->text.data, *end = at + call->text.length, *line;

    while (at != NULL && (line = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        size_t length = (size_t)(line - at);
        if (length > 4 && memcmp(at, "id: ", 4) == 0 && length - 4 < sizeof call->last)
            (void)snprintf(call->last, sizeof call->last, "%.*s", (int)(length - 4), at + 4);
        else if (length > 6 && memcmp(at, "data: ", 6) == 0)
            pass_on(session, call, at + 6, length - 6);
        at = line + 1;
    }
    if (at != NULL) {
        call->text.length = (size_t)(end - at);
        memmove(call->text.data, at, call->text.length);
    }
}

/* The stream was cut off before its response: the rest is asked for. */
static bool resume(struct mcp_stdio_session *session, struct mcp_stdio_call *call)
{
    char       headers[HEADERS_BYTES];
    struct err err = {0};

    if (call->kind != STDIO_MESSAGE || call->is_answered || call->last[0] == '\0')
        return false;
    while (call->tries++ < TRIES_MAX) {
        http_call_close(&call->http);
        call->text.length = 0;
        (void)snprintf(headers, sizeof headers, "Mcp-Session-Id: %s\r\nMCP-Protocol-Version: %s\r\nLast-Event-ID: %s\r\n", session->id,
                       session->version, call->last);
        (void)usleep(call->tries > 1 ? 200000U * call->tries : 0); /* a server that is being replaced is back in a moment */
        if (open_call(session, call, "GET", headers, NULL, &err) == 0)
            return true;
    }
    return false;
}

static void end(struct mcp_stdio_session *session, struct mcp_stdio_call *call)
{
    if (call->http.status == 404 && session->id[0] != '\0' && call->kind != STDIO_RENEW) {
        session->id[0]   = '\0';
        session->is_lost = session->is_lost || call->id == NULL;
        fail(session, call, MCP_NO_SESSION, LOST);
    } else if (!call->is_stream && call->text.length > 0) {
        pass_on(session, call, call->text.data, call->text.length);
    }
    fail(session, call, MCP_INTERNAL_ERROR, "The service did not answer: the connection to it was cut");
}

bool mcp_stdio_call_read(struct mcp_stdio_session *session, struct mcp_stdio_call *call)
{
    struct err err    = {0};
    int        result = http_call_read(&call->http, &call->text, NULL, &err);

    if (call->is_stream)
        take_lines(session, call);
    if (result > 0 && call->text.length <= ANSWER_MAX)
        return true;
    if (call->is_stream && resume(session, call))
        return true;
    end(session, call);
    return false;
}
