/*
 * route.h: from a request to its handler: Host and origin checks, rate limit, the route table, the JSON body.
 */
#ifndef PENNY_ROUTE_H
#define PENNY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "err.h"
#include "http.h"

enum route_flags {
    ROUTE_BODY_JSON   = 1,   /* the body is parsed: http_request_json() is an object; an empty body is {} */
    ROUTE_STATIC      = 2,   /* the handler's context is the router's static files */
    ROUTE_FALLBACK    = 4,   /* catches what no other route knows: a method it does not have is 404, not 405 */
    ROUTE_UNLIMITED   = 8,   /* not counted by the rate limit (health checks) */
    ROUTE_BODY_STREAM = 16,  /* delivered before its body, which the handler takes in pieces */
    ROUTE_OPEN        = 32,  /* needs no API key; nor does what is ROUTE_STATIC */
    ROUTE_METRICS     = 64,  /* a key that may only read metrics is good enough */
    ROUTE_OWN_ORIGIN  = 128, /* pages of other origins may not even read it */
    /* whose clients see the errors: their shapes are in compat_error.h */
    ROUTE_ERRORS_FLASK   = 256,
    ROUTE_ERRORS_FASTAPI = 512,
    ROUTE_ERRORS_PROBLEM = 1024,
    ROUTE_ERRORS_NOAUTH  = 2048,
    ROUTE_ERRORS_E2B     = 4096,
    ROUTE_ERRORS_MCP     = 8192,
    ROUTE_ERRORS_CONNECT = 16384,
};

/*
 * One line of the table. A pattern is "/literal/{parameter}/..."; a last segment "{name...}" takes the rest of the path, slashes
 * included, and matches an empty rest too. Literals win over parameters. Parameters reach the handler decoded, in order.
 */
struct route {
    enum http_method method;
    const char      *pattern;
    http_handler     handler;
    unsigned         flags;
};

struct router;
struct static_files;

/* The service's own table (route_table.c). */
const struct route *route_table(size_t *ret_count);

/* Borrows config, files (may be NULL), the table and context, which the handlers get. Returns NULL with err filled. */
struct router *router_new(const struct config *config, const struct route *table, size_t count, struct static_files *files, void *context,
                          struct err *err);
void           router_free(struct router *router);
/* Requests need one of these API keys (borrowed), if there are any; the caller (http_request_caller) is then a struct tenant. */
struct tenants;
void router_set_tenants(struct router *router, struct tenants *tenants);

/* The http_handler to give to http_new, with the router as its argument. Tags each request with its route's place in the table, from 1. */
void route_dispatch(struct http_request *request, void *router);

/* For http_stream_bodies(). */
bool route_is_streamed(struct http_request *request, void *router);

const char *route_method_name(enum http_method method); /* "GET" */

/* 404 "Route GET:/x not found". */
void route_not_found(struct http_request *request);

#endif
