#include "route_key.h"

#include <string.h>
#include <strings.h>

#include "metrics.h"

/* The key as it was given; NULL: none. */
static const char *given_key(const struct http_request *request)
{
    const char *text = http_request_header(request, "Authorization");
    if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
        return http_request_header(request, "X-API-Key");
    for (text += 7; *text == ' '; text++)
        continue;
    return text;
}

void route_note_caller(struct tenants *tenants, struct http_request *request)
{
    const char *key = tenants != NULL && tenants_are_there(tenants) ? given_key(request) : NULL;
    if (key != NULL)
        http_request_set_caller(request, tenants_find(tenants, key, strlen(key)));
}

static bool refuse(struct http_request *request, int status, const char *code, const char *message)
{
    metrics_add(METRICS_UNAUTHORIZED, 1);
    http_reply_error(request, status, code, message, NULL, 0);
    return false;
}

bool route_check_caller(const struct tenants *tenants, struct http_request *request, const struct route *route)
{
    const struct tenant *caller = http_request_caller(request);

    if (tenants == NULL || !tenants_are_there(tenants) || (route->flags & (ROUTE_OPEN | ROUTE_STATIC)) != 0)
        return true;
    if (caller == NULL && given_key(request) == NULL) {
        http_request_add_header(request, "WWW-Authenticate", "Bearer realm=\"penny-sandbox\"");
        return refuse(request, 401, "API_KEY_REQUIRED", "An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY");
    }
    if (caller == NULL) {
        http_request_add_header(request, "WWW-Authenticate", "Bearer realm=\"penny-sandbox\", error=\"invalid_token\"");
        return refuse(request, 401, "API_KEY_INVALID", "This API key is not known here");
    }
    if (caller->only_metrics && (route->flags & ROUTE_METRICS) == 0)
        return refuse(request, 403, "API_KEY_NOT_ALLOWED", "This API key may only read /metrics");
    return true;
}
