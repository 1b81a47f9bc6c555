/* route.c: what every request passes before its handler: name, origin, rate, path and method, body. */
#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "compat_error.h"
#include "json.h"
#include "json_said.h"
#include "metrics.h"
#include "route_access.h"
#include "route_key.h"
#include "route_limit.h"
#include "route_match.h"
#include "tenant.h"

enum { JSON_DEPTH_MAX = 64 };

struct router {
    const struct config *config;
    const struct route  *table;
    struct route_node   *tree;
    struct route_limit  *limit; /* NULL: none */
    struct static_files *files;
    struct tenants      *tenants; /* NULL: no keys */
    void                *context;
};

struct router *router_new(const struct config *config, const struct route *table, size_t count, struct static_files *files, void *context,
                          struct err *err)
{
    struct router *router = calloc(1, sizeof *router);

    if (router == NULL) {
        err_set(err, ENOMEM, "routes: out of memory");
        return NULL;
    }
    router->config  = config;
    router->table   = table;
    router->files   = files;
    router->context = context;
    router->tree    = route_tree_new(table, count, err);
    if (router->tree != NULL && config->rate_limit > 0 &&
        (router->limit = route_limit_new(config->rate_limit, config->rate_window_ms)) == NULL) {
        err_set(err, ENOMEM, "rate limit: out of memory");
        route_tree_free(router->tree);
        router->tree = NULL;
    }
    if (router->tree == NULL) {
        free(router);
        return NULL;
    }
    return router;
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    route_tree_free(router->tree);
    route_limit_free(router->limit);
    free(router);
}

void router_set_tenants(struct router *router, struct tenants *tenants)
{
    router->tenants = tenants;
}

const char *route_method_name(enum http_method method)
{
    static const char *const names[ROUTE_METHODS] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    return names[__builtin_ctz(method)];
}

void route_not_found(struct http_request *request)
{
    char message[320];
    snprintf(message, sizeof message, "Route %s:%.*s not found", route_method_name(http_request_method(request)), 200,
             http_request_path(request));
    http_reply_error(request, 404, "NOT_FOUND", message, NULL, 0);
}

static void method_not_allowed(struct http_request *request, const struct route_node *node)
{
    char methods[80], message[200];
    route_node_methods(node, methods, sizeof methods);
    http_request_add_header(request, "Allow", methods);
    snprintf(message, sizeof message, "%s is not possible here; possible: %s", route_method_name(http_request_method(request)), methods);
    http_reply_error(request, 405, "METHOD_NOT_ALLOWED", message, NULL, 0);
}

static void refuse_origin(struct http_request *request)
{
    http_reply_error(request, 403, "ORIGIN_NOT_ALLOWED",
                     "Pages of this origin may not call this server; SANDBOX_CORS_ORIGINS lists those that may", NULL, 0);
}

/* Returns false when the request was answered. */
static bool check_access(const struct router *router, struct http_request *request, enum route_origin *ret_origin)
{
    const char      *host   = http_request_header(request, "Host");
    enum http_method method = http_request_method(request);

    *ret_origin = ORIGIN_NONE;
    if (host != NULL && !route_host_is_allowed(router->config, host)) {
        http_reply_error(request, 403, "HOST_NOT_ALLOWED",
                         "This server does not answer to the name in the Host header; SANDBOX_ALLOWED_HOSTS lists names it should", NULL,
                         0);
        return false;
    }
    *ret_origin = route_origin_of(router->config, request);
    if (*ret_origin == ORIGIN_ALLOWED || *ret_origin == ORIGIN_SAME)
        route_add_cors(request);
    if (*ret_origin == ORIGIN_FOREIGN && (method & (HTTP_GET | HTTP_HEAD | HTTP_OPTIONS)) == 0) {
        refuse_origin(request);
        return false;
    }
    return true;
}

static void add_number(struct http_request *request, const char *name, uint32_t number)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    http_request_add_header(request, name, text);
}

/* By the key's quota where it has one, else by the address. Returns false when the request was answered. */
static bool check_rate(const struct router *router, struct http_request *request)
{
    struct tenant *tenant  = http_request_caller(request);
    bool           by_key  = tenant != NULL && tenant->quota.requests > 0, good;
    uint32_t       allowed = by_key ? tenant->quota.requests : router->config->rate_limit, remaining, reset_s;
    char           message[120];

    if (!by_key && router->limit == NULL)
        return true;
    good = by_key ? tenant_take_request(tenant, json_time_monotonic(), &remaining, &reset_s)
                  : route_limit_take(router->limit, http_request_peer(request), json_time_monotonic(), &remaining, &reset_s);
    add_number(request, "x-ratelimit-limit", allowed);
    add_number(request, "x-ratelimit-remaining", remaining);
    add_number(request, "x-ratelimit-reset", reset_s);
    if (good)
        return true;
    metrics_deny(METRICS_DENIED_REQUESTS);
    snprintf(message, sizeof message, "Only %u requests per %u ms are allowed", allowed, by_key ? 60000 : router->config->rate_window_ms);
    http_reply_error(request, 429, "RATE_LIMIT_EXCEEDED", message, NULL, (int)(reset_s > 0 ? reset_s : 1));
    return false;
}

static bool is_json_type(const char *type)
{
    size_t length = strcspn(type, "; \t");
    if (length == 16 && strncasecmp(type, "application/json", 16) == 0)
        return true;
    return length > 17 && strncasecmp(type, "application/", 12) == 0 && strncasecmp(type + length - 5, "+json", 5) == 0;
}

/* Deep nesting is refused before it is parsed: what jansson builds is also freed recursively. */
static bool is_too_deep(const char *text, size_t length)
{
    int depth = 0;
    for (const char *end = text + length; text < end; text++) {
        if (*text == '"') {
            for (text++; text < end && *text != '"'; text++)
                text += *text == '\\' && text + 1 < end;
        } else if (*text == '{' || *text == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (*text == '}' || *text == ']') {
            depth--;
        }
    }
    return false;
}

static bool bad_json(struct http_request *request, const char *message, json_t *details)
{
    http_reply_error(request, 400, "INVALID_JSON", message, details, 0);
    return false;
}

static bool parse_body(struct http_request *request, const char *body, size_t length)
{
    json_error_t error;
    json_t      *json;
    char         message[240];

    if (is_too_deep(body, length))
        return bad_json(request, "The body's JSON is nested too deeply", NULL);
    if (json_said_is_too_much(body, length))
        return bad_json(request, "The body's JSON has too many values", NULL);
    json = json_loadb(body, length, 0, &error);
    if (json == NULL) {
        snprintf(message, sizeof message, "The body is not valid JSON: line %d, column %d: %s", error.line, error.column, error.text);
        return bad_json(request, message,
                        json_pack("{s:{s:i, s:i, s:i}}", "position", "line", error.line, "column", error.column, "offset", error.position));
    }
    http_request_set_json(request, json);
    return json_is_object(json) ? true : bad_json(request, "The body must be a JSON object", NULL);
}

/* Returns false when the request was answered. */
static bool take_body(struct http_request *request)
{
    const char *type = http_request_header(request, "Content-Type");
    size_t      length;
    const char *body = http_request_body(request, &length);

    if (length == 0) {
        http_request_set_json(request, json_object());
        return true;
    }
    if (type == NULL || !is_json_type(type)) {
        http_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON and come with Content-Type: application/json", NULL,
                         0);
        return false;
    }
    return parse_body(request, body, length);
}

static void set_parameters(struct http_request *request, const struct route_match *match)
{
    for (size_t i = 0; i < match->count; i++) {
        char *text = strndup(match->parameters[i].text, match->parameters[i].length);
        if (text != NULL)
            http_request_set_parameter(request, i, text);
        free(text);
    }
}

static void answer_options(struct http_request *request, const struct route_node *node, enum route_origin origin)
{
    char methods[80];
    route_node_methods(node, methods, sizeof methods);
    route_reply_preflight(request, methods, origin);
}

/* A path of another system's that nobody has is theirs, too. */
static void set_error_shape(struct http_request *request, const struct route *route)
{
    bool is_own = route != NULL && (route->flags & ROUTE_FALLBACK) == 0;
    http_request_set_error_shape(request,
                                 is_own ? compat_error_shape(route->flags) : compat_error_shape_of_path(http_request_path(request)));
}

bool route_is_streamed(struct http_request *request, void *arg)
{
    const struct router *router = arg;
    const struct route  *route;
    struct route_match   match;

    route_tree_match(router->tree, http_request_path(request), &match);
    route = match.node != NULL ? route_node_get(match.node, http_request_method(request)) : NULL;
    set_error_shape(request, route);
    return route != NULL && (route->flags & ROUTE_BODY_STREAM) != 0;
}

void route_dispatch(struct http_request *request, void *arg)
{
    const struct router *router = arg;
    const struct route  *route;
    struct route_match   match;
    enum route_origin    origin;

    if (!check_access(router, request, &origin))
        return;
    route_tree_match(router->tree, http_request_path(request), &match);
    route = match.node != NULL ? route_node_get(match.node, http_request_method(request)) : NULL;
    if (route != NULL)
        http_request_set_tag(request, (unsigned)(route - router->table) + 1);
    set_error_shape(request, route);
    if (route != NULL && (route->flags & ROUTE_OWN_ORIGIN) != 0 && origin == ORIGIN_FOREIGN) {
        refuse_origin(request);
        return;
    }
    route_note_caller(router->tenants, request);
    if ((route == NULL || (route->flags & ROUTE_UNLIMITED) == 0) && !check_rate(router, request))
        return;
    if (route != NULL && !route_check_caller(router->tenants, request, route))
        return;
    if (route == NULL) {
        if (match.node != NULL && http_request_method(request) == HTTP_OPTIONS)
            answer_options(request, match.node, origin);
        else if (match.node == NULL || route_node_is_fallback(match.node))
            route_not_found(request);
        else
            method_not_allowed(request, match.node);
        return;
    }
    set_parameters(request, &match);
    if ((route->flags & ROUTE_BODY_JSON) != 0 && !take_body(request))
        return;
    route->handler(request, (route->flags & ROUTE_STATIC) != 0 ? (void *)router->files : router->context);
}
