/* api_checkpoints.h: a session's named states: checkpoints and the way back to one. */
#ifndef PENNY_API_CHECKPOINTS_H
#define PENNY_API_CHECKPOINTS_H

#include <jansson.h>

#include "http.h"
#include "session.h"

void api_checkpoints_list(struct http_request *request, void *server);
void api_checkpoints_create(struct http_request *request, void *server);
void api_checkpoints_delete(struct http_request *request, void *server);
void api_checkpoints_rollback(struct http_request *request, void *server);

/* {mode, named, upToDate, executionCount?, createdAt?, reason?}: what the session's state can be gone back to. */
json_t *api_checkpoints_status(const struct session *session);

#endif
