/*
 * compat_aevatar.h: the Aevatar sandbox, in both generations of its bodies: the later runs to the end and answers with the result; the
 * earlier (known by languageId, timeoutSeconds or sandboxExecutionId) starts and answers with a handle. One object is the result of both.
 */
#ifndef PENNY_COMPAT_AEVATAR_H
#define PENNY_COMPAT_AEVATAR_H

#include "compat.h"
#include "http.h"
#include "id.h"

void compat_aevatar_execute(struct http_request *request, void *server);       /* POST /api/sandbox/execute, /api/python/execute */
void compat_aevatar_execute_async(struct http_request *request, void *server); /* POST /api/sandbox/execute-async */
void compat_aevatar_status(struct http_request *request, void *server);        /* GET /api/sandbox/status/{id} */
void compat_aevatar_result(struct http_request *request, void *server);        /* GET /api/sandbox/result/{id}: 404 until it has ended */
void compat_aevatar_logs(struct http_request *request, void *server);          /* GET /api/sandbox/logs/{id} */
void compat_aevatar_cancel(struct http_request *request, void *server);        /* POST /api/sandbox/cancel/{id} */

/* ---- compat_aevatar_body.c ---- */

/*
 * Reads the request's JSON (whose names may begin with a capital letter) into a job, which is then owned by the caller. *ret_is_early: a
 * body of the earlier generation. Returns false when it is not right: the request has been answered.
 */
bool compat_aevatar_read(struct http_request *request, struct server *server, struct compat_job *ret_job, struct id *ret_id,
                         bool *ret_is_early);
/* The id of an execution as they write it: a UUID, or any text, which then stands for one of this caller's. */
struct id compat_aevatar_id(const struct http_request *request, const char *text);

/* ---- compat_aevatar_noauth.c: only where the operator has turned it on ---- */

void compat_aevatar_noauth_hello(struct http_request *request, void *server);   /* GET /api/noauth, /api/test */
void compat_aevatar_noauth_execute(struct http_request *request, void *server); /* POST /api/noauth/execute, /api/test/execute */

#endif
