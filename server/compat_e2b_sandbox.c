#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "api_audit.h"
#include "api_error.h"
#include "compat_e2b.h"
#include "compat_e2b_network.h"
#include "json.h"

enum { MESSAGE_MAX = 160, MIB_SHIFT = 20 };

static const char CLIENT_ID[]    = "penny-sandbox";
static const char ENVD_VERSION[] = "0.5.7"; /* of the agent in E2B's sandboxes, whose data plane this one's answers like */

const json_t *compat_e2b_about(const struct session *session)
{
    struct session_info info;
    session_get_info(session, &info);
    return json_object_get(info.metadata, "e2b");
}

struct session *compat_e2b_sandbox_of(struct http_request *request, const struct server *server)
{
    const char     *given = http_request_parameter(request, 0);
    struct id       id;
    struct session *session = id_parse(given, &id) ? sessions_find(server_sessions((struct server *)server), &id) : NULL;
    char            message[MESSAGE_MAX];

    if (session != NULL && session_owner(session) == api_caller(request) && compat_e2b_about(session) != NULL)
        return session;
    if (session == NULL && api_error_elsewhere(request, given))
        return NULL;
    (void)snprintf(message, sizeof message, "Sandbox \"%.80s\" not found", given);
    http_reply_error(request, 404, "SANDBOX_NOT_FOUND", message, NULL, 0);
    return NULL;
}

json_t *compat_e2b_token(void)
{
    struct id one, two;
    char      text[2 * ID_TEXT_BYTES];

    id_make(&one);
    id_make(&two);
    id_format(&one, text);
    text[ID_TEXT_BYTES - 1] = '-';
    id_format(&two, text + ID_TEXT_BYTES);
    return json_string(text);
}

void compat_e2b_part(const struct session *sandbox, const struct http_request *request, struct session_request *wanted)
{
    struct session_info info;
    session_get_info(sandbox, &info);
    wanted->environment     = (json_t *)info.environment;
    wanted->idle_timeout_ms = info.idle_timeout_ms;
    wanted->origin          = api_audit_origin(request);
    (void)snprintf(wanted->profile, sizeof wanted->profile, "%s", info.profile);
}

json_t *compat_e2b_write(const struct session *session)
{
    const json_t       *about = compat_e2b_about(session);
    struct session_info info;
    session_get_info(session, &info);
    return json_pack("{s:s, s:O, s:s, s:s, s:O, s:O, s:n}", "sandboxID", info.id_text, "templateID", json_object_get(about, "templateID"),
                     "clientID", CLIENT_ID, "envdVersion", ENVD_VERSION, "envdAccessToken", json_object_get(about, "token"),
                     "trafficAccessToken", json_object_get(about, "token"), "domain");
}

json_t *compat_e2b_write_detail(const struct session *session, const struct server *server)
{
    const struct policies *policies = server_policies(server);
    const json_t          *about    = compat_e2b_about(session);
    json_t                *json     = compat_e2b_write(session), *more;
    struct session_info    info;
    uint32_t               cpu = policies->cpu_percent;

    (void)json_object_del(json, "envdAccessToken");
    (void)json_object_del(json, "trafficAccessToken");
    session_get_info(session, &info);
    more = json_pack("{s:o, s:o, s:s, s:O, s:i, s:i, s:i, s:b, s:{s:s, s:b}}", "startedAt", json_time(info.created_us / 1000), "endAt",
                     json_time(info.deadline_ms != 0 && !info.paused ? info.deadline_ms : info.expires_ms), "state",
                     info.paused ? "paused" : "running", "metadata", json_object_get(about, "metadata"), "cpuCount",
                     cpu > 100 ? (int)((cpu + 99) / 100) : 1, "memoryMB", (int)(policies->memory_per_session_bytes >> MIB_SHIFT),
                     "diskSizeMB", (int)(policies->storage_bytes >> MIB_SHIFT), "allowInternetAccess",
                     compat_e2b_network_of(session, server), "lifecycle", "onTimeout", info.pauses ? "pause" : "kill", "autoResume", 0);
    (void)json_object_update(json, more);
    json_decref(more);
    return json;
}
