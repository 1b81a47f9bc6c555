/*
 * mcp_session.h: an MCP session is a session of ours: its id is the Mcp-Session-Id, and what was agreed on in `initialize` stands in its metadata.
 * So it belongs to the key that made it, ends when the session does, and outlives the server process as the session does.
 */
#ifndef PENNY_MCP_SESSION_H
#define PENNY_MCP_SESSION_H

#include <jansson.h>

#include "http.h"
#include "mcp_message.h"
#include "server.h"
#include "session.h"

/*
 * Makes a session as the caller of `request` may have one; profile "": the service's. When it can't be had, `request` has been answered, and
 * on_made is not called; else that is to be done by on_made. `metadata` is taken over.
 */
typedef void (*mcp_session_on_made)(struct session *session, struct http_request *request, void *arg);
void mcp_session_make(struct server *server, struct http_request *request, const char *profile, json_t *metadata,
                      mcp_session_on_made on_made, void *arg);

/* `initialize`: answers the request. */
void mcp_session_initialize(struct server *server, struct http_request *request, const struct mcp_message *message);

/* The one that the request's header names, or NULL: the request has been answered, with 404 when there is no such session, not any more, or not for this caller. `id` (may be NULL): of the message. */
struct session *mcp_session_of(struct http_request *request, json_t *id, const struct server *server);
/* The revision that was agreed on. */
enum mcp_version mcp_session_version(const struct session *session);

/* Capabilities, and what the model is told of us: of `initialize` and `server/discover`. Owned. */
json_t *mcp_session_about(void);

#endif
