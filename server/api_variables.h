/*
 * api_variables.h: /api/v1/sessions/{id}/variables and .../{name}.
 *
 * Handlers of the route table; `context` is the struct server. Parameter 0 is the session, 1 the variable.
 */
#ifndef PENNY_API_VARIABLES_H
#define PENNY_API_VARIABLES_H

#include "http.h"

void api_variables_list(struct http_request *request, void *context);   /* GET: {sessionId, variables, lastUpdated} */
void api_variables_set(struct http_request *request, void *context);    /* PUT: the body is the variables; merged */
void api_variables_clear(struct http_request *request, void *context);  /* DELETE */
void api_variables_get(struct http_request *request, void *context);    /* GET .../{name}?format=json|csv|pickle&offset&limit */
void api_variables_delete(struct http_request *request, void *context); /* DELETE .../{name} */

#endif
