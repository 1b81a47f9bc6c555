#define _GNU_SOURCE
#include "api_audit.h"

#include <stdio.h>
#include <string.h>

#include "metrics.h"

enum {
    ACTION_BYTES      = 96,
    REFUSED_PER_S_MAX = 20, /* lines of refused requests: a flood of them must not fill the disk */
};

struct audit_origin api_audit_origin(const struct http_request *request)
{
    struct audit_origin origin;
    (void)snprintf(origin.peer, sizeof origin.peer, "%s", http_request_peer(request));
    (void)snprintf(origin.request_id, sizeof origin.request_id, "%s", http_request_id(request));
    return origin;
}

static const char *verb_of(enum http_method method)
{
    switch (method) {
    case HTTP_PUT: return ".write";
    case HTTP_PATCH: return ".update";
    case HTTP_DELETE: return ".delete";
    case HTTP_GET: return ".read";
    default: return "";
    }
}

void api_audit_action(const struct route *route, char *ret_text, size_t room)
{
    const char *at   = strncmp(route->pattern, "/api/v1/", 8) == 0 ? route->pattern + 8 : route->pattern + 1;
    size_t      used = 0, n, words = 0;
    *ret_text = '\0';
    for (; *at != '\0'; at += n + (at[n] == '/')) {
        n = strcspn(at, "/");
        if (*at == '{' || n == 0 || used + n + 2 > room)
            continue;
        used += (size_t)snprintf(ret_text + used, room - used, words++ > 0 ? ".%.*s" : "%.*s", (int)n, at);
    }
    (void)snprintf(ret_text + used, room - used, "%s", words == 1 && route->method == HTTP_POST ? ".create" : verb_of(route->method));
}

static bool is_execution(const struct route *route)
{
    static const char *const patterns[] = {"/api/v1/execute",     "/api/v1/execute/stream", "/api/v1/executions",
                                           "/api/execute",        "/api/execute/python",    "/execute",
                                           "/execute-with-files", "/api/python/execute",    "/api/sandbox/execute",
                                           "/api/noauth/execute", "/api/test/execute",      "/api/sandbox/execute-async"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (route->method == HTTP_POST && strcmp(route->pattern, patterns[i]) == 0)
            return true;
    }
    return false;
}

static bool is_recorded(const struct http_request *request, const struct route *route, int status)
{
    if ((route->flags & (ROUTE_STATIC | ROUTE_FALLBACK)) != 0 || strncmp(route->pattern, "/api/v1/validate", 16) == 0)
        return false;
    if (is_execution(route) || (route->method == HTTP_POST && strcmp(route->pattern, "/api/v1/sessions") == 0))
        return status >= 400;
    if (route->method == HTTP_GET)
        return strstr(route->pattern, "/files/{") != NULL || strstr(route->pattern, "/export") != NULL ||
               (http_request_query(request, "format") != NULL && strstr(route->pattern, "/variables/{") != NULL);
    return true;
}

/* Whether one more line of a refused request is written in this second. */
static bool takes_refused(void)
{
    static int64_t  second;
    static unsigned count;
    int64_t         now = metrics_now_us() / 1000000;
    if (now != second) {
        second = now;
        count  = 0;
    }
    return ++count <= REFUSED_PER_S_MAX;
}

/* The parameters of the path by their names: "path" of a file, "name" of a variable. */
static void add_parameters(json_t *details, const struct http_request *request, const struct route *route)
{
    const char *at = route->pattern;
    for (size_t i = 0; (at = strchr(at, '{')) != NULL; i++, at++) {
        char        name[40];
        const char *value = http_request_parameter(request, i);
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, ".}"), at + 1);
        if (value != NULL)
            (void)json_object_set_new_nocheck(details, name, json_string(value));
    }
}

static json_t *details_of(const struct http_request *request, const struct route *route, int status)
{
    json_t *details = json_pack("{s:i}", "status", status), *packages = json_object_get(http_request_json(request), "packages");
    if (details == NULL)
        return NULL;
    add_parameters(details, request, route);
    if (strncmp(route->pattern, "/api/v1/packages", 16) == 0 && packages != NULL)
        (void)json_object_set(details, "packages", packages);
    if (http_request_notes_given(request) != NULL)
        (void)json_object_update(details, http_request_notes_given(request));
    return details;
}

void api_audit_answer(const struct http_request *request, const struct route *route, int status)
{
    char                action[ACTION_BYTES];
    struct audit_origin origin;
    struct audit_line   line = {
          .action = action, .key = tenant_name(http_request_caller(request)), .outcome = status < 400 ? "ok" : "refused"};

    if (!audit_is_open() || route == NULL || !is_recorded(request, route, status) || (status >= 400 && !takes_refused()))
        return;
    api_audit_action(route, action, sizeof action);
    if (is_execution(route))
        (void)snprintf(action, sizeof action, "execution");
    if (strstr(route->pattern, "/sessions/{id}") != NULL)
        line.session_id = http_request_parameter(request, 0);
    else if (strstr(route->pattern, "/execut") != NULL && strstr(route->pattern, "{id}") != NULL)
        line.execution_id = http_request_parameter(request, 0);
    origin       = api_audit_origin(request);
    line.details = details_of(request, route, status);
    if (line.details != NULL)
        (void)json_object_del(line.details, "id");
    audit_write(&line, &origin);
    json_decref(line.details);
}
