/*
 * api_audit.h: the audit lines of requests: every one that changes something, and every one that reads a file or exports a variable, when it is answered.
 *
 * The action is what the route's pattern says: DELETE /api/v1/sessions/{id} is "sessions.delete", PUT .../files/{path...} is
 * "sessions.files.write", POST /api/v1/packages/install is "packages.install". Executions and the beginning and end of sessions have lines
 * of their own, written where they happen; of requests for them only refused ones are written here.
 */
#ifndef PENNY_API_AUDIT_H
#define PENNY_API_AUDIT_H

#include "audit.h"
#include "http.h"
#include "route.h"
#include "tenant.h"

/* From http_set_on_answer(). `route` may be NULL. */
void api_audit_answer(const struct http_request *request, const struct route *route, int status);

struct audit_origin api_audit_origin(const struct http_request *request);

/* The action of a route; the text is cut to what fits. */
void api_audit_action(const struct route *route, char *ret_text, size_t room);

#endif
