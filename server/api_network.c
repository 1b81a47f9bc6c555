#define _GNU_SOURCE
#include "api_network.h"

#include <stdio.h>

#include "api_error.h"
#include "egress_client.h"
#include "metrics.h"

enum { MESSAGE_MAX = 256 };

static bool is_allowed(const struct server *server, const struct tenant *caller)
{
    return policy_network_allows_key(&server_policies(server)->network, caller != NULL ? caller->name : NULL);
}

bool api_network_is_open(const struct server *server, const struct tenant *caller)
{
    return server_policies(server)->network.enabled && is_allowed(server, caller) &&
           egress_client_is_open(server_egress((struct server *)server));
}

static void refuse(struct http_request *request, const struct server *server)
{
    const char *reason = json_string_value(json_object_get(json_object_get(server_isolation(server), "network"), "reason"));
    char        message[MESSAGE_MAX];

    metrics_deny(METRICS_DENIED_NETWORK);
    if (!server_policies(server)->network.enabled) {
        http_reply_error(request, 403, "NETWORK_DISABLED", "The operator has not enabled networking (resources.json, network)", NULL, 0);
    } else if (!is_allowed(server, api_caller(request))) {
        http_reply_error(request, 403, "NETWORK_NOT_ALLOWED", "This key may not use the network", NULL, 0);
    } else {
        (void)snprintf(message, sizeof message, "There is no safe way to the network here: %s",
                       reason != NULL ? reason : "the zygote is away");
        http_reply_error(request, 403, "NETWORK_UNAVAILABLE", message, NULL, 0);
    }
}

bool api_network_check(struct http_request *request, const struct server *server)
{
    if (api_network_is_open(server, api_caller(request)))
        return true;
    refuse(request, server);
    return false;
}
