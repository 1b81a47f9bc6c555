/* mcp_listen.h: the stream on which an MCP server says what nobody asked for. We say nothing there; but while it is open its session is in use. */
#ifndef PENNY_MCP_LISTEN_H
#define PENNY_MCP_LISTEN_H

#include "http.h"
#include "server.h"

/* Answers the request with a stream that lasts until its client leaves or the session ends. */
void mcp_listen(struct server *server, struct http_request *request, struct session *session);

#endif
