/*
 * compat_e2b.h: E2B's control plane: a sandbox is a session whose end is set by the clock. What E2B knows of it beyond a session is in the
 * session's metadata, under "e2b". Paths below /e2b: E2B_API_URL=http://host:port/e2b.
 */
#ifndef PENNY_COMPAT_E2B_H
#define PENNY_COMPAT_E2B_H

#include <jansson.h>

#include "http.h"
#include "server.h"

void compat_e2b_create(struct http_request *request, void *server);  /* POST .../sandboxes */
void compat_e2b_connect(struct http_request *request, void *server); /* POST .../sandboxes/{id}/connect: 200, or 201 when it was paused */
void compat_e2b_resume(struct http_request *request, void *server);  /* POST .../sandboxes/{id}/resume: 201, or 409 when it is not paused */
void compat_e2b_get(struct http_request *request, void *server);     /* GET .../sandboxes/{id} */
void compat_e2b_kill(struct http_request *request, void *server);    /* DELETE .../sandboxes/{id} */
void compat_e2b_timeout(struct http_request *request, void *server); /* POST .../sandboxes/{id}/timeout */
void compat_e2b_refresh(struct http_request *request, void *server); /* POST .../sandboxes/{id}/refreshes: longer, never shorter */
void compat_e2b_pause(struct http_request *request, void *server);   /* POST .../sandboxes/{id}/pause */
void compat_e2b_update_network(struct http_request *request, void *server); /* PUT .../sandboxes/{id}/network */

enum { COMPAT_E2B_TIMEOUT_MAX_S = 24 * 3600 };

/* ---- compat_e2b_fork.c, compat_e2b_metrics.c ---- */

void compat_e2b_fork(struct http_request *request, void *server);     /* POST .../sandboxes/{id}/fork: [{sandbox} or {error}] */
void compat_e2b_snapshot(struct http_request *request, void *server); /* POST .../sandboxes/{id}/snapshots: there are none */
void compat_e2b_metrics(struct http_request *request, void *server);  /* GET .../sandboxes/{id}/metrics */

/* ---- compat_e2b_sandbox.c ---- */

/* The sandbox of path parameter 0, or NULL: the request has been answered with 404. */
struct session *compat_e2b_sandbox_of(struct http_request *request, const struct server *server);
/* What E2B knows of it; NULL: it is no sandbox. */
const json_t *compat_e2b_about(const struct session *session);
/* A new one: by it the data plane knows its caller, who sends no API key there. */
json_t *compat_e2b_token(void);
/* What a part of the sandbox is asked for like: its environment and profile, kept as long, made for who sent the request. */
struct session_request;
void compat_e2b_part(const struct session *sandbox, const struct http_request *request, struct session_request *wanted);
/* What create and connect answer, and what get and list do. NULL: no memory. */
json_t *compat_e2b_write(const struct session *session);
json_t *compat_e2b_write_detail(const struct session *session, const struct server *server);

/* ---- compat_e2b_list.c ---- */

void compat_e2b_list(struct http_request *request, void *server); /* GET .../sandboxes: an array, in pages by X-Next-Token */

#endif
