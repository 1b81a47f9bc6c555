/*
 * compat_e2b_context.h: E2B's contexts: interpreters of one sandbox, each with variables of its own. "default" is the session's; each further one is
 * a part of it (session_join.h), whose id is its own.
 */
#ifndef PENNY_COMPAT_E2B_CONTEXT_H
#define PENNY_COMPAT_E2B_CONTEXT_H

#include "http.h"
#include "server.h"

void compat_e2b_context_list(struct http_request *request, void *server);    /* GET /contexts */
void compat_e2b_context_create(struct http_request *request, void *server);  /* POST /contexts */
void compat_e2b_context_remove(struct http_request *request, void *server);  /* DELETE /contexts/{id} */
void compat_e2b_context_restart(struct http_request *request, void *server); /* POST /contexts/{id}/restart */

/* Where the request's code is to run, by its `context_id` or `language`. NULL: it has been answered. */
struct session *compat_e2b_context_of_run(struct http_request *request, const struct server *server, struct session *sandbox);
/* What it was made with; NULL: it is a default one. */
const char *compat_e2b_context_directory(const struct session *session);

#endif
