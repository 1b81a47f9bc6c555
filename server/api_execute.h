/*
 * api_execute.h: POST /api/v1/execute and /api/v1/execute/stream.
 *
 * Handlers of the route table; `context` is the struct server. Each answers the request exactly once, now or later.
 */
#ifndef PENNY_API_EXECUTE_H
#define PENNY_API_EXECUTE_H

#include "http.h"

/* Runs to the end, one answer: the ExecutionResult. */
void api_execute(struct http_request *request, void *context);

/* The same body; the answer is the stream of events (SSE, or NDJSON when Accept asks for it). */
void api_execute_stream(struct http_request *request, void *context);

#endif
