#define _GNU_SOURCE
#include "session_network.h"

#include "egress_client.h"
#include "policy.h"
#include "session_private.h"
#include "sessions.h"

static const char CLOSED[] = "The network can't be reached: the way out is closed at the moment";

json_t *session_network_apply(struct session *session, const struct execution *execution, json_t *options)
{
    const struct sessions_settings *settings = sessions_settings(session->sessions);
    json_t                         *imports  = json_object_get(settings->policies->network.section, "imports"), *network;
    char                            token[EGRESS_TOKEN_BYTES];

    if (!execution_use(execution)->network)
        return options;
    session->network_grant =
        egress_client_grant(settings->egress, &session->id, execution_id(execution), tenant_name(session->owner), token);
    if (session->network_grant == 0) {
        session_set_notice(session, CLOSED);
        return options;
    }
    network = json_pack("{s:o, s:O}", "proxy", json_sprintf("http://penny:%s@127.0.0.1:%d", token, EGRESS_PORT), "imports",
                        imports != NULL ? imports : json_null());
    if (options == NULL)
        options = json_object();
    (void)json_object_set_new(options, "network", network);
    return options;
}

void session_network_lift(struct session *session)
{
    egress_client_revoke(sessions_settings(session->sessions)->egress, session->network_grant);
    session->network_grant = 0;
}
