#define _GNU_SOURCE
#include "compat_e2b_network.h"

#include <string.h>

#include "api_network.h"
#include "compat_e2b.h"
#include "session.h"

enum { HTTPS = 443, HTTP = 80 };

static bool is_all(const char *name)
{
    return strcmp(name, "0.0.0.0/0") == 0 || strcmp(name, "::/0") == 0;
}

/* What it lets through must be what the operator lets through anyway. */
static void check_allowed(struct json_check *check, const json_t *allowed, const struct server *server, bool is_open)
{
    const struct policy_network *network = &server_policies(server)->network;
    const json_t                *one;
    size_t                       i;

    if (json_array_size(allowed) > 0 && !is_open)
        json_check_fail(check, "network", "must not have allowOut: sandboxes have no network here");
    json_array_foreach((json_t *)allowed, i, one)
    {
        const char *name = json_string_value(one);
        if (!is_open || (name != NULL && is_all(name)))
            continue;
        if (name == NULL || (!policy_network_allows(network, name, HTTPS) && !policy_network_allows(network, name, HTTP)))
            json_check_fail(check, "network", "must not allow '%.80s', which the operator does not", name != NULL ? name : "");
    }
}

/* Returns whether all is denied. Less can't be, beyond what the operator denies. */
static bool check_denied(struct json_check *check, const json_t *network, bool is_open)
{
    const json_t *denied = json_object_get(network, "denyOut"), *one;
    bool          all    = false;
    size_t        i;

    json_array_foreach((json_t *)denied, i, one)
    {
        const char *name = json_string_value(one);
        all |= name != NULL && is_all(name);
    }
    if (is_open && json_array_size(denied) > 0 && (!all || json_array_size(json_object_get(network, "allowOut")) > 0))
        json_check_fail(check, "network",
                        "must deny all or nothing: there are no lists of a sandbox's own here, the operator's holds for all");
    return all;
}

bool compat_e2b_network_read(struct json_check *check, const json_t *json, const struct server *server, const struct tenant *caller)
{
    json_t *network = NULL;
    bool    wanted = true, is_open = api_network_is_open(server, caller);

    (void)json_field_bool(check, json, "allow_internet_access", &wanted);
    if (!json_field_object(check, json, "network", &network))
        return wanted;
    check_allowed(check, json_object_get(network, "allowOut"), server, wanted && is_open);
    return !check_denied(check, network, wanted && is_open) && wanted;
}

bool compat_e2b_network_of(const struct session *sandbox, const struct server *server)
{
    return json_is_true(json_object_get(compat_e2b_about(sandbox), "network")) && api_network_is_open(server, session_owner(sandbox));
}
