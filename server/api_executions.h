/*
 * api_executions.h: /api/v1/executions and /api/v1/executions/{id}: background runs, their state, their events.
 *
 * Handlers of the route table; `context` is the struct server. Where the path has an {id} it is parameter 0.
 */
#ifndef PENNY_API_EXECUTIONS_H
#define PENNY_API_EXECUTIONS_H

#include "http.h"

void api_executions_create(struct http_request *request, void *context); /* POST /executions: 202 */
void api_executions_get(struct http_request *request, void *context);    /* GET /executions/{id}, GET /execute/status/{id} */
void api_executions_events(struct http_request *request, void *context); /* GET /executions/{id}/events */
void api_executions_cancel(struct http_request *request, void *context); /* DELETE /executions/{id}, DELETE /execute/{id}: 202 */
void api_executions_input(struct http_request *request, void *context);  /* POST /executions/{id}/input: 202 */

#endif
