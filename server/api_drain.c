#include "api_drain.h"

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_transfer.h"

enum { NAMED_MAX = 1000 /* sessions in one answer */ };

struct listing {
    json_t *sessions;
    size_t  busy;
};

/* What runs or waits; a race too. */
static bool is_busy(const struct session *session)
{
    struct session_info info;
    session_get_info(session, &info);
    return info.busy || session_queue_length(session) > 0;
}

static void list_one(void *value, void *arg)
{
    const struct session *session = value;
    struct listing       *listing = arg;
    struct session_info   info;
    json_t               *owner = session_owner(session) != NULL ? json_string(tenant_name(session_owner(session))) : json_null();

    session_get_info(session, &info);
    listing->busy += is_busy(session);
    if (info.is_part) /* it ends with the session it is a part of */
        json_decref(owner);
    else if (json_array_size(listing->sessions) < NAMED_MAX)
        (void)json_array_append_new(listing->sessions, json_pack("{s:s, s:o, s:b, s:b, s:o}", "id", info.id_text, "owner", owner, "busy",
                                                                 is_busy(session), "moving", session_is_in_transfer(session),
                                                                 "lastActivity", json_time(info.last_activity_us / 1000)));
    else
        json_decref(owner);
}

static size_t count_moved(const struct sessions *sessions)
{
    const struct ended_session *one;
    size_t                      moved = 0;
    TAILQ_FOREACH(one, ended_list(sessions_ended(sessions)), entry)
    {
        moved += one->has_moved;
    }
    return moved;
}

static void reply(struct http_request *request, struct server *server, int status)
{
    struct sessions       *sessions = server_sessions(server);
    struct sessions_totals totals   = sessions_totals(sessions);
    struct listing         listing  = {.sessions = json_array()};
    json_t                *json;

    sessions_each(sessions, list_one, &listing);
    json = json_pack("{s:b, s:i, s:i, s:i, s:i, s:i, s:o}", "draining", sessions_are_closed(sessions) || sessions_are_draining(sessions),
                     "active", (int)sessions_count(sessions), "busy", (int)listing.busy, "moved", (int)count_moved(sessions), "running",
                     (int)totals.running, "queued", (int)totals.queued, "sessions", listing.sessions);
    if (json != NULL && id_own_instance() != ID_NO_INSTANCE)
        (void)json_object_set_new(json, "instance", json_integer(id_own_instance()));
    http_reply_json(request, status, json);
}

void api_drain_get(struct http_request *request, void *context)
{
    if (api_require_operator(request))
        reply(request, context, 200);
}

void api_drain_begin(struct http_request *request, void *context)
{
    if (!api_require_operator(request))
        return;
    sessions_set_closed(server_sessions(context), true);
    reply(request, context, 202);
}

void api_drain_end(struct http_request *request, void *context)
{
    if (!api_require_operator(request))
        return;
    sessions_set_closed(server_sessions(context), false);
    reply(request, context, 200);
}

void api_drain_move(struct http_request *request, void *context)
{
    struct session   *session;
    struct json_check check = JSON_CHECK_INIT;
    const char       *given = NULL;
    struct id         to;

    if (!api_require_operator(request) || (session = api_session_of_any(request, server_sessions(context))) == NULL)
        return;
    json_check_require(&check, http_request_json(request), "sessionId");
    if (json_field_string(&check, http_request_json(request), "sessionId", 1, 100, &given) && !id_parse(given, &to))
        json_check_fail(&check, "sessionId", "must be a UUID");
    if (json_check_reply(&check, request))
        return;
    if (!session_is_in_transfer(session)) {
        http_reply_error(request, 409, "SESSION_NOT_MOVING", "The session was not exported to be moved, or that was too long ago", NULL, 0);
        return;
    }
    session_move(session, &to);
    http_reply_json(request, 200, json_pack("{s:b, s:{s:s}}", "success", 1, "movedTo", "sessionId", given));
}

void api_drain_keep(struct http_request *request, void *context)
{
    struct session *session;
    if (!api_require_operator(request) || (session = api_session_of_any(request, server_sessions(context))) == NULL)
        return;
    session_set_transfer(session, 0);
    http_reply_json(request, 200, json_pack("{s:b}", "success", 1));
}
