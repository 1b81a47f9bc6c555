/* route_access.h: which names this server answers to, and which web pages may call it. */
#ifndef PENNY_ROUTE_ACCESS_H
#define PENNY_ROUTE_ACCESS_H

#include <stdbool.h>

#include "config.h"
#include "http.h"

/* A page on another name that resolves to this machine must not reach the API through a browser (DNS rebinding). host: the header's value. */
bool route_host_is_allowed(const struct config *config, const char *host);

enum route_origin { ORIGIN_NONE, ORIGIN_SAME, ORIGIN_ALLOWED, ORIGIN_FOREIGN };

enum route_origin route_origin_of(const struct config *config, const struct http_request *request);

/* Adds what an allowed page's browser wants to see. */
void route_add_cors(struct http_request *request);

/* Answers a preflight. `methods`: what the path has. */
void route_reply_preflight(struct http_request *request, const char *methods, enum route_origin origin);

#endif
