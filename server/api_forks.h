/* api_forks.h: POST /api/v1/sessions/{id}/fork: live copies of a session as new ones. */
#ifndef PENNY_API_FORKS_H
#define PENNY_API_FORKS_H

#include "http.h"

/* Context: struct server. */
void api_forks_create(struct http_request *request, void *context);

/* What session_fork's answer or refusal says to a client, when it is no success; api_races.c says the same. */
struct fork_answer;
void api_forks_refuse(struct http_request *request, const struct fork_answer *answer);

#endif
