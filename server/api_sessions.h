/*
 * api_sessions.h: /api/v1/sessions and /api/v1/sessions/{id}.
 *
 * Handlers of the route table; `context` is the struct server. Where the path has an {id} it is parameter 0.
 */
#ifndef PENNY_API_SESSIONS_H
#define PENNY_API_SESSIONS_H

#include "http.h"

void api_sessions_create(struct http_request *request, void *context);    /* POST /sessions: 201 */
void api_sessions_list(struct http_request *request, void *context);      /* GET /sessions?status&limit&offset&sortBy&sortOrder */
void api_sessions_get(struct http_request *request, void *context);       /* GET /sessions/{id} */
void api_sessions_update(struct http_request *request, void *context);    /* PATCH /sessions/{id} */
void api_sessions_delete(struct http_request *request, void *context);    /* DELETE /sessions/{id}: idempotent */
void api_sessions_interrupt(struct http_request *request, void *context); /* POST /sessions/{id}/interrupt: 202 */
void api_sessions_restart(struct http_request *request, void *context);   /* POST /sessions/{id}/restart: 202 */

#endif
