/*
 * mcp_call.h: one tools/call, from its request to its answer. What a tool does is done by the handlers of our own API, in inner requests
 * (http_inner.h), so that limits, tenants, audit and errors are theirs.
 */
#ifndef PENNY_MCP_CALL_H
#define PENNY_MCP_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "http.h"
#include "http_inner.h"
#include "id.h"
#include "mcp_answer.h"
#include "mcp_message.h"
#include "server.h"
#include "watcher.h"

struct mcp_tool; /* mcp_tools.h */

struct mcp_call {
    struct server         *server;
    struct mcp_answer     *answer; /* NULL: its client has left */
    const struct mcp_tool *tool;
    json_t                *arguments;  /* an object; owned */
    json_t                *id, *token; /* of the request; token NULL: no progress is wanted. Owned */
    enum mcp_version       version;
    char                   profile[16];            /* for a session that is made; "": the service's */
    char                   own[ID_TEXT_BYTES];     /* the MCP session's; "": there is none */
    char                   session[ID_TEXT_BYTES]; /* on which the tool works; "": not yet */
    bool                   makes_session;          /* it had none: it is told which one it got */
    struct http_request   *origin;                 /* never answered: who asks, for the inner requests */
    struct http_request   *inner;                  /* being answered; NULL: none */
    struct id              execution;              /* of run_code, once there is a watcher */
    struct watcher        *watcher;
};

/* Answers `request`, a tools/call of which `message` is the JSON, now or later. `own` (may be NULL): the MCP session's own session. */
void mcp_call_start(struct server *server, struct http_request *request, const struct mcp_message *message, enum mcp_version version,
                    const struct session *own);

/* Likewise for who asks again for the rest of one. The stream, if the client takes one, is begun. NULL: no memory, and the request has been answered. */
struct mcp_call *mcp_call_new(struct server *server, struct http_request *request, json_t *id, json_t *token, enum mcp_version version,
                              const struct session *own);

/* For the tools. Each of these ends the call, which is gone afterwards. `result` is owned; NULL: no memory. */
void mcp_call_result(struct mcp_call *call, json_t *result);
void mcp_call_refuse(struct mcp_call *call, const char *message); /* what the caller did wrong, and what to do instead */

/* An inner request about the session (parameter 0), which is call->inner until on_answer. `counted_as`: a handler of the route table. NULL: no memory. */
struct http_request *mcp_call_inner(struct mcp_call *call, enum http_method method, http_handler counted_as, size_t max,
                                    http_inner_on_answer on_answer);

#endif
