#define _GNU_SOURCE
#include "api_error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_audit.h"
#include "json.h"
#include "metrics.h"
#include "session_transfer.h"

enum { RETRY_S = 1, MESSAGE_MAX = 256, GIVEN_MAX = 80 /* of an id that is not one */ };

bool api_error_elsewhere(struct http_request *request, const char *given)
{
    struct id id;
    char      message[MESSAGE_MAX];
    int       instance = id_parse(given, &id) && !id_is_own(&id) ? id_instance(&id) : ID_NO_INSTANCE;

    if (instance == ID_NO_INSTANCE)
        return false;
    (void)snprintf(message, sizeof message, "'%.*s' is of instance %d; this is instance %d", GIVEN_MAX, given, instance, id_own_instance());
    http_reply_error(request, 421, "WRONG_INSTANCE", message,
                     json_pack("{s:i, s:i}", "instance", instance, "thisInstance", id_own_instance()), 0);
    return true;
}

/* 308 takes a client that asks by path along by itself; one that asked otherwise must read where the session is. */
static void reply_moved(struct http_request *request, const struct ended_session *ended, const char *given, const char *when)
{
    const char  *parameter = http_request_parameter(request, 0);
    bool         by_path   = parameter != NULL && strcmp(parameter, given) == 0;
    struct bytes target    = {0};
    char         to[ID_TEXT_BYTES], message[MESSAGE_MAX];
    json_t      *moved;

    id_format(&ended->moved_to, to);
    moved = json_pack("{s:s}", "sessionId", to);
    if (id_instance(&ended->moved_to) != ID_NO_INSTANCE && id_own_instance() != ID_NO_INSTANCE)
        (void)json_object_set_new(moved, "instance", json_integer(id_instance(&ended->moved_to)));
    if (by_path && http_request_write_target(request, given, to, &target) && bytes_append(&target, "", 1))
        http_request_add_header(request, "Location", target.data);
    (void)snprintf(message, sizeof message, "Session '%.*s' moved at %s; it is '%s' now", GIVEN_MAX, given, when, to);
    http_reply_error(request, by_path && target.length > 0 ? 308 : 410, "SESSION_MOVED", message,
                     json_pack("{s:s, s:s, s:o}", "reason", "moved", "endedAt", when, "movedTo", moved), 0);
    bytes_done(&target);
}

/* Behind a router that is what the clients of an instance that was killed meet, once there is a new one in its place. */
static void reply_unknown(struct http_request *request, const char *given)
{
    char message[MESSAGE_MAX];
    if (id_own_instance() == ID_NO_INSTANCE)
        (void)snprintf(message, sizeof message, "Session '%.*s' not found", GIVEN_MAX, given);
    else
        (void)snprintf(message, sizeof message,
                       "Session '%.*s' not found: instance %d has none of this id, and has had none in the last hour; what it had when it "
                       "was killed is lost",
                       GIVEN_MAX, given, id_own_instance());
    http_reply_error(request, 404, "SESSION_NOT_FOUND", message, NULL, 0);
}

void api_error_no_session(struct http_request *request, const struct sessions *sessions, const char *given)
{
    struct id                   id;
    const struct ended_session *ended = id_parse(given, &id) ? sessions_find_ended(sessions, &id) : NULL;
    char                        message[MESSAGE_MAX], when[JSON_TIME_BYTES];

    if (ended == NULL && api_error_elsewhere(request, given))
        return;
    if (ended == NULL || (ended->owner != api_caller(request) && !api_is_operator(request))) {
        reply_unknown(request, given);
        return;
    }
    json_time_text(ended->ended_ms, when);
    if (ended->has_moved) {
        reply_moved(request, ended, given, when);
        return;
    }
    (void)snprintf(message, sizeof message, "Session '%s' %s at %s", given, ended->reason, when);
    http_reply_error(request, 410, "SESSION_GONE", message, json_pack("{s:s, s:s}", "reason", ended->reason, "endedAt", when), 0);
}

void api_error_no_execution(struct http_request *request, const char *given)
{
    char message[MESSAGE_MAX];
    if (api_error_elsewhere(request, given))
        return;
    (void)snprintf(message, sizeof message, "Execution '%.*s' not found", GIVEN_MAX, given);
    http_reply_error(request, 404, "EXECUTION_NOT_FOUND", message, NULL, 0);
}

void api_error_busy(struct http_request *request, const char *code, const char *message)
{
    http_reply_error(request, 429, code, message, NULL, RETRY_S);
}

void api_error_unavailable(struct http_request *request, const char *code, const char *message)
{
    http_reply_error(request, 503, code, message, NULL, RETRY_S);
}

void api_error_refused(struct http_request *request, const struct err *err)
{
    switch (err->code) {
    case EDQUOT:
        http_reply_error(request, 429, "QUOTA_EXCEEDED", err->message, NULL, tenant_retry_s(api_caller(request), json_time_monotonic()));
        break;
    case EEXIST: http_reply_error(request, 409, "SESSION_EXISTS", err->message, NULL, 0); break;
    case EBUSY: http_reply_error(request, 409, "SESSION_BUSY", err->message, NULL, 0); break;
    case EREMOTE: http_reply_error(request, 421, "WRONG_INSTANCE", err->message, NULL, 0); break;
    case EINPROGRESS: api_error_unavailable(request, "SESSION_MOVING", err->message); break;
    case ENOBUFS:
        metrics_deny(METRICS_DENIED_QUEUE);
        api_error_busy(request, "QUEUE_FULL", err->message);
        break;
    case EAGAIN:
        metrics_deny(METRICS_DENIED_SESSIONS);
        api_error_busy(request, "TOO_MANY_SESSIONS", err->message);
        break;
    case ESHUTDOWN: api_error_unavailable(request, "DRAINING", err->message); break;
    default: api_error_unavailable(request, "UNAVAILABLE", err->message); break;
    }
}

struct tenant *api_caller(const struct http_request *request)
{
    return http_request_caller(request);
}

_Static_assert(sizeof((struct session_request *)0)->profile == sizeof((struct tenant *)0)->profile &&
                   sizeof((struct session_request *)0)->profile == sizeof((struct config *)0)->profile,
               "a profile's name is as long wherever it stands");

bool api_sign_request(struct http_request *request, const struct config *config, struct session_request *wanted)
{
    const struct tenant *caller = api_caller(request);
    unsigned             bit, may = 0;
    char                 message[MESSAGE_MAX];

    wanted->owner  = api_caller(request);
    wanted->origin = api_audit_origin(request);
    if (wanted->profile[0] == '\0')
        memcpy(wanted->profile, caller != NULL && caller->profile[0] != '\0' ? caller->profile : config->profile, sizeof wanted->profile);
    bit = tenant_profile_bit(wanted->profile);
    if (strstr(config->profiles, "standard") != NULL)
        may |= PROFILE_STANDARD;
    if (strstr(config->profiles, "open") != NULL)
        may |= PROFILE_OPEN;
    if (caller != NULL && caller->profiles != 0)
        may &= caller->profiles;
    if ((bit & may) != 0)
        return true;
    metrics_deny(METRICS_DENIED_PROFILE);
    (void)snprintf(message, sizeof message, "The profile '%s' may not be chosen here; allowed: %s", wanted->profile,
                   may == 0                  ? "none"
                   : may == PROFILE_STANDARD ? "standard"
                   : may == PROFILE_OPEN     ? "open"
                                             : "standard, open");
    http_reply_error(request, 403, "PROFILE_NOT_ALLOWED", message, NULL, 0);
    return false;
}

bool api_is_operator(const struct http_request *request)
{
    const struct tenant *caller = api_caller(request);
    const char          *peer   = http_request_peer(request);
    if (caller != NULL)
        return caller->is_operator;
    return peer != NULL && (strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 || strncmp(peer, "::ffff:127.", 11) == 0);
}

bool api_require_operator(struct http_request *request)
{
    if (api_is_operator(request))
        return true;
    http_reply_error(request, 403, "OPERATOR_NEEDED", "This is for the operator: a key with access=operator; without keys, this machine",
                     NULL, 0);
    return false;
}

struct session *api_session_of_any(struct http_request *request, const struct sessions *sessions)
{
    const char     *given = http_request_parameter(request, 0);
    struct id       id;
    struct session *session = id_parse(given, &id) ? sessions_find(sessions, &id) : NULL;
    if (session != NULL && (session_owner(session) == api_caller(request) || api_is_operator(request)))
        return session;
    api_error_no_session(request, sessions, given);
    return NULL;
}

struct session *api_session_of(struct http_request *request, const struct sessions *sessions)
{
    const char     *given = http_request_parameter(request, 0);
    struct id       id;
    struct session *session = id_parse(given, &id) ? sessions_find(sessions, &id) : NULL;
    if (session == NULL || session_owner(session) != api_caller(request)) {
        api_error_no_session(request, sessions, given);
        return NULL;
    }
    if (session_is_in_transfer(session) && (http_request_method(request) & (HTTP_GET | HTTP_HEAD)) == 0) {
        api_error_unavailable(request, "SESSION_MOVING", "The session is being moved");
        return NULL;
    }
    return session;
}

struct execution *api_execution_of(struct http_request *request, const struct sessions *sessions)
{
    const char       *given = http_request_parameter(request, 0);
    struct id         id;
    struct execution *execution = id_parse(given, &id) ? sessions_find_execution(sessions, &id) : NULL;
    if (execution != NULL && execution_owner(execution) == api_caller(request))
        return execution;
    api_error_no_execution(request, given);
    return NULL;
}

void *api_wait(struct http_request *request, size_t size, void (*on_gone)(void *arg))
{
    void *waiting = calloc(1, size);
    if (waiting == NULL)
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
    else
        http_request_on_gone(request, on_gone, waiting);
    return waiting;
}
