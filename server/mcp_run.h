/* mcp_run.h: the tool run_code: what it prints as progress, how it can be cancelled, and how a stream that was cut off goes on. */
#ifndef PENNY_MCP_RUN_H
#define PENNY_MCP_RUN_H

#include "http.h"
#include "id.h"
#include "mcp_call.h"

void mcp_run_start(struct mcp_call *call);

/* notifications/cancelled: interrupts the run that this request of the session began, if it is one that goes on. */
void mcp_run_cancel(struct server *server, const struct session *own, const json_t *request_id);

/* Answers the request, a GET, with what came after this event of a run's stream. */
void mcp_run_resume(struct server *server, struct http_request *request, const struct session *own, const char *after);

/* An event's id: the execution, and the event in its log. Returns false when `text` is none. *ret_after points into it. */
enum { MCP_EVENT_ID_BYTES = 80 };
bool mcp_run_parse_event(const char *text, struct id *ret_execution, const char **ret_after);

#endif
