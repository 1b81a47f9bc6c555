/* api_forks.h: POST /api/v1/sessions/{id}/fork: live copies of a session as new ones. */
#ifndef PENNY_API_FORKS_H
#define PENNY_API_FORKS_H

#include "http.h"

/* Context: struct server. */
void api_forks_create(struct http_request *request, void *context);

#endif
