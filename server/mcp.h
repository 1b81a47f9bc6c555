/*
 * mcp.h: the Model Context Protocol at /mcp, by its transport "Streamable HTTP". Two kinds of clients: those that begin with `initialize` and
 * have a session (mcp_session.h), and those of the revision 2026-07-28 and later, whose requests stand for themselves and name a session in their arguments.
 */
#ifndef PENNY_MCP_H
#define PENNY_MCP_H

#include "http.h"

void mcp_post(struct http_request *request, void *context); /* one message */
void mcp_get(struct http_request *request,
             void                *context); /* a stream: of what the server says unasked, or the rest of one that was cut off */
void mcp_delete(struct http_request *request, void *context); /* the end of a session */

#endif
