#define _GNU_SOURCE
#include "compat_e2b.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "compat_e2b_network.h"
#include "json.h"
#include "session_body.h"

enum {
    TIMEOUT_DEFAULT_S = 300,
    KEPT_MS           = 24 * 3600 * 1000, /* a paused sandbox that nobody takes up again */
    TEXT_MAX          = 500,
};

/* A request that waits for its sandbox to be made, or to be gone. */
struct waiting {
    struct server       *server;
    struct http_request *request; /* NULL: its client has left */
    int64_t              seconds;
    bool                 pauses;
};

static struct waiting *waiting_new(struct server *server, struct http_request *request, void (*on_gone)(void *arg))
{
    struct waiting *waiting = api_wait(request, sizeof *waiting, on_gone);
    if (waiting != NULL)
        *waiting = (struct waiting){.server = server, .request = request};
    return waiting;
}

static void set_end(struct session *session, int64_t seconds, bool pauses)
{
    session_set_deadline(session, seconds > 0 ? seconds * 1000 : 1, pauses);
}

/* ---- create ---- */

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct waiting *waiting = arg;

    http_request_on_gone(waiting->request, NULL, NULL);
    if (session != NULL) {
        set_end(session, waiting->seconds, waiting->pauses);
        http_reply_json(waiting->request, 201, compat_e2b_write(session));
    } else {
        api_error_unavailable(waiting->request, "SESSION_UNAVAILABLE", reason);
    }
    free(waiting);
}

static void on_creator_gone(void *arg)
{
    struct waiting *waiting = arg;
    sessions_cancel(server_sessions(waiting->server), waiting);
    free(waiting);
}

static void check_metadata(struct json_check *check, json_t *metadata)
{
    const char *name;
    json_t     *value;
    json_object_foreach(metadata, name, value)
    {
        if (!json_is_string(value))
            json_check_fail(check, "metadata", "must have strings as values, which '%.80s' has not", name);
    }
}

/* What can't be had here is refused, not left out in silence; access to the internet is, since everybody's default asks for it. */
static void check_absent(struct json_check *check, const json_t *json)
{
    if (json_is_object(json_object_get(json, "mcp")))
        json_check_fail(check, "mcp", "must be absent: there are no MCP servers in a sandbox here");
    if (json_array_size(json_object_get(json, "volumeMounts")) > 0)
        json_check_fail(check, "volumeMounts", "must be absent: there are no volumes here");
}

/* Into `wanted`, whose metadata is owned by the caller then. */
static void read_new(struct json_check *check, const json_t *json, const struct server *server, const struct tenant *caller,
                     struct session_request *wanted, struct waiting *told)
{
    bool network;
    const char *template = "base";
    json_t *metadata     = NULL;

    (void)json_field_string(check, json, "templateID", 0, TEXT_MAX, &template);
    (void)json_field_integer(check, json, "timeout", 0, COMPAT_E2B_TIMEOUT_MAX_S, &told->seconds);
    (void)json_field_bool(check, json, "autoPause", &told->pauses);
    if (json_field_object(check, json, "metadata", &metadata))
        check_metadata(check, metadata);
    if (json_field_object(check, json, "envVars", &wanted->environment))
        session_body_check_environment(check, wanted->environment);
    check_absent(check, json);
    network                 = compat_e2b_network_read(check, json, server, caller);
    wanted->idle_timeout_ms = KEPT_MS;
    wanted->metadata        = json_pack("{s:{s:s, s:o, s:o, s:b}}", "e2b", "templateID", template, "metadata",
                                 metadata != NULL ? json_incref(metadata) : json_object(), "token", compat_e2b_token(), "network", network);
}

/* A sandbox has no import policy, where the caller may choose that. */
static void choose_profile(const struct http_request *request, const struct config *config, struct session_request *wanted)
{
    const struct tenant *caller = api_caller(request);
    if (strstr(config->profiles, "open") != NULL &&
        (caller == NULL || caller->profiles == 0 || (caller->profiles & tenant_profile_bit("open")) != 0))
        (void)snprintf(wanted->profile, sizeof wanted->profile, "open");
}

static void create(struct server *server, struct http_request *request, struct session_request *wanted, const struct waiting *told)
{
    struct waiting *waiting;
    struct err      err = {0};

    choose_profile(request, server_config(server), wanted);
    if (!api_sign_request(request, server_config(server), wanted) || (waiting = waiting_new(server, request, on_creator_gone)) == NULL)
        return;
    waiting->seconds = told->seconds;
    waiting->pauses  = told->pauses;
    if (sessions_create(server_sessions(server), wanted, on_session, waiting, &err) < 0) {
        http_request_on_gone(request, NULL, NULL);
        api_error_refused(request, &err);
        free(waiting);
    }
}

void compat_e2b_create(struct http_request *request, void *context)
{
    struct session_request wanted = {0};
    struct json_check      check  = JSON_CHECK_INIT;
    struct waiting         told   = {.seconds = TIMEOUT_DEFAULT_S};

    if (sessions_are_draining(server_sessions(context))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    read_new(&check, http_request_json(request), context, api_caller(request), &wanted, &told);
    if (!json_check_reply(&check, request))
        create(context, request, &wanted, &told);
    json_decref(wanted.metadata);
}

/* ---- its end ---- */

/* `seconds` of the body. Returns false when it is not right: the request has been answered. */
static bool read_seconds(struct http_request *request, const char *field, bool is_needed, int64_t *seconds)
{
    struct json_check check = JSON_CHECK_INIT;
    if (is_needed)
        json_check_require(&check, http_request_json(request), field);
    (void)json_field_integer(&check, http_request_json(request), field, 0, COMPAT_E2B_TIMEOUT_MAX_S, seconds);
    return !json_check_reply(&check, request);
}

/* Until `seconds` from now, unless it lives longer anyway. */
static void prolong(struct session *session, int64_t seconds)
{
    struct session_info info;
    session_get_info(session, &info);
    if (info.paused || info.deadline_ms < json_time_now() + seconds * 1000)
        set_end(session, seconds, info.pauses);
}

/* The sandbox that is to live longer, what it was, and for how long. NULL: the request is answered. */
static struct session *longer_of(struct http_request *request, void *context, struct session_info *ret_was, int64_t *ret_seconds)
{
    struct session *session = compat_e2b_sandbox_of(request, context);
    *ret_seconds            = TIMEOUT_DEFAULT_S;
    if (session == NULL || !read_seconds(request, "timeout", false, ret_seconds))
        return NULL;
    session_get_info(session, ret_was);
    return session;
}

void compat_e2b_connect(struct http_request *request, void *context)
{
    struct session_info was;
    int64_t             seconds;
    struct session     *session = longer_of(request, context, &was, &seconds);

    if (session == NULL)
        return;
    prolong(session, seconds);
    http_reply_json(request, was.paused ? 201 : 200, compat_e2b_write(session));
}

void compat_e2b_resume(struct http_request *request, void *context)
{
    struct session_info was;
    int64_t             seconds;
    struct session     *session = longer_of(request, context, &was, &seconds);

    if (session == NULL)
        return;
    if (!was.paused) {
        http_reply_error(request, 409, "SANDBOX_RUNS", "The sandbox is not paused", NULL, 0);
        return;
    }
    set_end(session, seconds, was.pauses);
    http_reply_json(request, 201, compat_e2b_write(session));
}

static void reply_nothing(struct http_request *request)
{
    http_reply_bytes(request, 204, "application/json", "", 0);
}

void compat_e2b_timeout(struct http_request *request, void *context)
{
    struct session     *session = compat_e2b_sandbox_of(request, context);
    int64_t             seconds = 0;
    struct session_info info;

    if (session == NULL || !read_seconds(request, "timeout", true, &seconds))
        return;
    session_get_info(session, &info);
    set_end(session, seconds, info.pauses);
    reply_nothing(request);
}

void compat_e2b_refresh(struct http_request *request, void *context)
{
    struct session *session = compat_e2b_sandbox_of(request, context);
    int64_t         seconds = TIMEOUT_DEFAULT_S;

    if (session == NULL || !read_seconds(request, "duration", false, &seconds))
        return;
    prolong(session, seconds);
    reply_nothing(request);
}

struct search {
    const struct session *sandbox;
    bool                  found;
};

static void note_busy(void *session, void *arg)
{
    struct search      *search = arg;
    struct session_info info;
    session_get_info(session, &info);
    search->found |= info.busy && (session == search->sandbox ||
                                   (info.is_part && memcmp(info.forked_from, session_id(search->sandbox), sizeof(struct id)) == 0));
}

/* It, a context of its or a command. */
static bool is_busy(struct server *server, const struct session *sandbox)
{
    struct search search = {sandbox, false};
    sessions_each(server_sessions(server), note_busy, &search);
    return search.found;
}

void compat_e2b_pause(struct http_request *request, void *context)
{
    struct session     *session = compat_e2b_sandbox_of(request, context);
    struct json_check   check   = JSON_CHECK_INIT;
    bool                memory  = true;
    struct session_info info;

    if (session == NULL)
        return;
    if (json_field_bool(&check, http_request_json(request), "memory", &memory) && !memory)
        json_check_fail(&check, "memory", "must be true: a paused sandbox keeps its memory here");
    if (json_check_reply(&check, request))
        return;
    session_get_info(session, &info);
    if (info.paused) {
        http_reply_error(request, 409, "SANDBOX_PAUSED", "The sandbox is paused already", NULL, 0);
    } else if (is_busy(context, session)) {
        http_reply_error(request, 409, "SESSION_BUSY", "The sandbox runs code: it can be paused when that has ended", NULL, 0);
    } else {
        session_pause(session);
        reply_nothing(request);
    }
}

void compat_e2b_get(struct http_request *request, void *context)
{
    struct session *session = compat_e2b_sandbox_of(request, context);
    if (session != NULL)
        http_reply_json(request, 200, compat_e2b_write_detail(session, context));
}

/* ---- kill ---- */

static void on_killed(void *arg)
{
    struct waiting *waiting = arg;
    if (waiting->request != NULL) {
        http_request_on_gone(waiting->request, NULL, NULL);
        reply_nothing(waiting->request);
    }
    free(waiting);
}

static void on_killer_gone(void *arg)
{
    ((struct waiting *)arg)->request = NULL; /* on_killed follows and frees it */
}

void compat_e2b_kill(struct http_request *request, void *context)
{
    struct session *session = compat_e2b_sandbox_of(request, context);
    struct waiting *waiting = session != NULL ? waiting_new(context, request, on_killer_gone) : NULL;
    if (waiting != NULL)
        session_end(session, "deleted", on_killed, waiting);
}

/* ---- its network ---- */

void compat_e2b_update_network(struct http_request *request, void *context)
{
    struct session   *session = compat_e2b_sandbox_of(request, context);
    struct json_check check   = JSON_CHECK_INIT;
    const json_t     *json    = http_request_json(request);
    json_t           *options, *about;

    if (session == NULL)
        return;
    options = json_pack("{s:O, s:O*}", "network", json, "allow_internet_access", json_object_get(json, "allow_internet_access"));
    about   = json_pack("{s:o}", "e2b", json_copy((json_t *)compat_e2b_about(session)));
    (void)json_object_set_new(json_object_get(about, "e2b"), "network",
                              json_boolean(compat_e2b_network_read(&check, options, context, session_owner(session))));
    json_decref(options);
    if (json_check_reply(&check, request)) {
        json_decref(about);
        return;
    }
    if (session_update(session, about, NULL) < 0)
        api_error_unavailable(request, "NO_MEMORY", "No memory for the change");
    else
        reply_nothing(request);
    json_decref(about);
}
