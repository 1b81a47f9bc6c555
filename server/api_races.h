/* api_races.h: POST /api/v1/sessions/{id}/race: several cells in forks of a session, the first that ends well adopted. */
#ifndef PENNY_API_RACES_H
#define PENNY_API_RACES_H

#include "http.h"

/* Context: struct server. */
void api_races_create(struct http_request *request, void *context);

#endif
