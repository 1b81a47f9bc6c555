/* route_key.h: whose API key a request carries, and whether it is good enough for a route. */
#ifndef PENNY_ROUTE_KEY_H
#define PENNY_ROUTE_KEY_H

#include <stdbool.h>

#include "http.h"
#include "route.h"
#include "tenants.h"

/* Sets http_request_caller(), when the request carries a key (Authorization: Bearer, or X-API-Key) that is somebody's. tenants may be NULL. */
void route_note_caller(struct tenants *tenants, struct http_request *request);
/* Returns false when the request was answered: 401 without a right key, 403 where the key is not for this. */
bool route_check_caller(const struct tenants *tenants, struct http_request *request, const struct route *route);

#endif
