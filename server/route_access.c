/* route_access.c: which names this server answers to, and which web pages may call it. */
#include "route_access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "host", "host:port", "[v6]:port" to the lower-case host without brackets. Returns false when it is none. */
static bool host_name(const char *text, char ret_name[256])
{
    const char *end = *text == '[' ? strchr(text, ']') : strchrnul(text, ':');
    size_t      length;

    if (*text == '[' && end != NULL)
        text++;
    if (end == NULL)
        return false;
    length = (size_t)(end - text);
    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length == 0 || length > 255)
        return false;
    for (size_t i = 0; i < length; i++)
        ret_name[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    ret_name[length] = '\0';
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static bool is_address(const char *name, bool *ret_loopback)
{
    struct in_addr  four;
    struct in6_addr six;

    if (inet_pton(AF_INET, name, &four) == 1) {
        *ret_loopback = (ntohl(four.s_addr) >> 24) == 127;
        return true;
    }
    if (inet_pton(AF_INET6, name, &six) == 1) {
        *ret_loopback = IN6_IS_ADDR_LOOPBACK(&six);
        return true;
    }
    return false;
}

/* On a wildcard any address is one that is listened on; an address in the header can't be a rebound name. */
static bool is_bound(const struct config *config, const char *name, bool address)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        const char *bound = config->listen[i].host;
        if (strcasecmp(bound, name) == 0 || (address && (strcmp(bound, "0.0.0.0") == 0 || strcmp(bound, "::") == 0)))
            return true;
    }
    return false;
}

bool route_host_is_allowed(const struct config *config, const char *host)
{
    char name[256];
    bool loopback = false, address;

    for (size_t i = 0; i < config->allowed_host_count; i++) {
        if (strcmp(config->allowed_hosts[i], "*") == 0 || strcasecmp(config->allowed_hosts[i], host) == 0)
            return true;
    }
    if (!host_name(host, name))
        return false;
    address = is_address(name, &loopback);
    if (loopback || strcmp(name, "localhost") == 0 || ends_with(name, ".localhost") || is_bound(config, name, address))
        return true;
    for (size_t i = 0; i < config->allowed_host_count; i++) {
        const char *allowed = config->allowed_hosts[i];
        if (strcmp(allowed, name) == 0 || (*allowed == '.' && ends_with(name, allowed)))
            return true;
    }
    return false;
}

enum route_origin route_origin_of(const struct config *config, const struct http_request *request)
{
    const char *origin = http_request_header(request, "Origin"), *host = http_request_header(request, "Host"), *authority;

    if (origin == NULL)
        return ORIGIN_NONE;
    authority = strstr(origin, "://");
    if (authority != NULL && host != NULL && strcasecmp(authority + 3, host) == 0)
        return ORIGIN_SAME;
    for (size_t i = 0; i < config->cors_origin_count; i++) {
        if (strcmp(config->cors_origins[i], "*") == 0 || strcasecmp(config->cors_origins[i], origin) == 0)
            return ORIGIN_ALLOWED;
    }
    return ORIGIN_FOREIGN;
}

void route_add_cors(struct http_request *request)
{
    http_request_add_header(request, "Access-Control-Allow-Origin", http_request_header(request, "Origin"));
    http_request_add_header(request, "Access-Control-Expose-Headers",
                            "X-Execution-Id, X-Request-Id, Mcp-Session-Id, Retry-After, ETag, Location, x-ratelimit-limit, "
                            "x-ratelimit-remaining, x-ratelimit-reset");
    http_request_add_header(request, "Vary", "Origin");
}

void route_reply_preflight(struct http_request *request, const char *methods, enum route_origin origin)
{
    const char *headers = http_request_header(request, "Access-Control-Request-Headers");

    http_request_add_header(request, "Allow", methods);
    if (origin == ORIGIN_ALLOWED || origin == ORIGIN_SAME) {
        http_request_add_header(request, "Access-Control-Allow-Methods", methods);
        if (headers != NULL)
            http_request_add_header(request, "Access-Control-Allow-Headers", headers);
        http_request_add_header(request, "Access-Control-Max-Age", "600");
    }
    http_reply_bytes(request, 204, "text/plain", "", 0);
}
