/* api_packages_install.c: packages into a session, and out of it; with Accept: text/event-stream what is being done is told on the way. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_packages.h"
#include "json.h"
#include "server.h"
#include "session_packages.h"

struct installing {
    struct server       *server;
    struct http_request *request; /* NULL once there is a stream */
    struct http_stream  *stream;
    struct id            session;
    bool                 wants_stream, is_removal;
    unsigned             sequence;
};

static void installing_free(struct installing *installing)
{
    free(installing);
}

static void on_gone(void *arg)
{
    struct installing *installing = arg;
    struct session    *session    = sessions_find(server_sessions(installing->server), &installing->session);
    if (session != NULL)
        session_packages_forget(session, installing);
    installing_free(installing);
}

void api_packages_blocked(struct http_request *request, const json_t *names)
{
    char          message[400] = "Blocked packages: ";
    size_t        used         = strlen(message), i;
    const json_t *name;
    json_array_foreach(names, i, name)
    {
        if (used + json_string_length(name) + 8 < sizeof message)
            used += (size_t)snprintf(message + used, sizeof message - used, i > 0 ? ", %s" : "%s", json_string_value(name));
    }
    http_reply_error(request, 400, "PACKAGES_BLOCKED", message, json_pack("{s:O}", "blocked", names), 0);
}

/* ---- the stream ---- */

static void begin(struct installing *installing)
{
    http_request_add_header(installing->request, "Cache-Control", "no-cache");
    http_request_add_header(installing->request, "X-Accel-Buffering", "no");
    http_request_on_gone(installing->request, NULL, NULL);
    installing->stream  = http_stream_begin(installing->request, 200, "text/event-stream");
    installing->request = NULL;
    http_stream_set_callbacks(installing->stream, 0, NULL, on_gone, installing);
}

/* `data` is owned. */
static void send_event(struct installing *installing, const char *type, json_t *data)
{
    char    id[ID_TEXT_BYTES], *text, *event = NULL;
    json_t *json;
    int     n;

    if (installing->stream == NULL)
        begin(installing);
    id_format(&installing->session, id);
    json = json_pack("{s:s, s:o, s:o, s:s}", "type", type, "data", data, "timestamp", json_time(json_time_now()), "sessionId", id);
    text = json_dumps(json, JSON_COMPACT);
    n    = text != NULL ? asprintf(&event, "id: %u\nevent: %s\ndata: %s\n\n", ++installing->sequence, type, text) : -1;
    if (n > 0)
        (void)http_stream_write(installing->stream, event, (size_t)n);
    if (n >= 0)
        free(event);
    free(text);
    json_decref(json);
}

static void on_progress(const json_t *progress, void *arg)
{
    struct installing *installing = arg;
    json_t            *data       = json_copy((json_t *)progress);
    if (!installing->wants_stream) {
        json_decref(data);
        return;
    }
    (void)json_object_del(data, "event");
    send_event(installing, "progress", data);
}

/* ---- the end ---- */

static json_t *failures_of(const struct session_packages_end *end)
{
    return end->failures != NULL ? json_incref((json_t *)end->failures) : json_array();
}

static json_t *result_of(const struct installing *installing, const struct session_packages_end *end)
{
    json_t *logs = end->logs != NULL ? json_copy((json_t *)end->logs) : json_array(), *json, *module;
    size_t  i;

    json_array_foreach(end->imported, i, module)(void) json_array_append_new(
        logs, json_sprintf("'%s' is imported already and stays as it is until the session is restarted", json_string_value(module)));
    if (end->is_pending)
        (void)json_array_append_new(logs, json_string("The session is busy: this takes effect with its next execution"));
    json = json_pack("{s:b, s:O, s:o, s:o}", "success", end->failures == NULL, installing->is_removal ? "uninstalled" : "installed",
                     end->installed, "failed", failures_of(end), "logs", logs);
    if (json != NULL && json_array_size(end->imported) > 0)
        (void)json_object_set(json, "restartNeeded", (json_t *)end->imported);
    return json;
}

static void on_end(const struct session_packages_end *end, void *arg)
{
    struct installing *installing = arg;
    char               id[ID_TEXT_BYTES];

    id_format(&installing->session, id);
    if (installing->stream != NULL || (installing->wants_stream && end->refused == NULL && !end->is_gone)) {
        if (end->is_gone)
            send_event(installing, "error", json_pack("{s:s, s:s}", "error", "SESSION_GONE", "message", "the session is over"));
        else
            send_event(installing, "complete", result_of(installing, end));
        http_stream_end(installing->stream);
    } else if (end->is_gone) {
        api_error_no_session(installing->request, server_sessions(installing->server), id);
    } else if (end->refused != NULL) {
        api_packages_blocked(installing->request, end->refused);
    } else {
        http_reply_json(installing->request, 200, result_of(installing, end));
    }
    installing_free(installing);
}

/* ---- the start ---- */

/* The session that the body names, or NULL: the request has been answered. */
static struct session *session_of(struct http_request *request, struct server *server, const char *given)
{
    struct id       id;
    struct session *session = id_parse(given, &id) ? sessions_find(server_sessions(server), &id) : NULL;
    if (session != NULL && session_owner(session) == api_caller(request))
        return session;
    api_error_no_session(request, server_sessions(server), given);
    return NULL;
}

/* Names alone, canonical and each once: versions are of no use when something goes. */
static json_t *names_of(const json_t *requirements)
{
    json_t            *names = json_array(), *item, *seen = json_object();
    struct requirement requirement;
    size_t             i;
    json_array_foreach((json_t *)requirements, i, item)
    {
        if (!requirement_parse(json_string_value(item), &requirement) || json_object_get(seen, requirement.name) != NULL)
            continue;
        (void)json_object_set_new(seen, requirement.name, json_true());
        (void)json_array_append_new(names, json_string(requirement.name));
    }
    json_decref(seen);
    return names;
}

static void go(struct installing *installing, struct session *session, const json_t *packages, bool force)
{
    static const struct session_packages_events events = {on_progress, on_end};
    struct err                                  err    = {0};
    json_t                                     *names  = installing->is_removal ? names_of(packages) : NULL;
    int result = names != NULL ? session_packages_uninstall(session, names, &events, installing, &err)
                               : session_packages_install(session, packages, force, &events, installing, &err);
    json_decref(names);
    if (result < 0) {
        api_error_refused(installing->request, &err);
        installing_free(installing);
    }
}

static void change(struct http_request *request, struct server *server, bool is_removal)
{
    struct json_check  check  = JSON_CHECK_INIT;
    const json_t      *json   = http_request_json(request);
    const char        *accept = http_request_header(request, "Accept"), *given = NULL;
    bool               force = false;
    json_t            *packages;
    struct session    *session;
    struct installing *installing;
    struct id          ignored;

    json_check_require(&check, json, "sessionId");
    json_check_require(&check, json, "packages");
    if (json_field_string(&check, json, "sessionId", 0, 1000, &given) && !id_parse(given, &ignored))
        json_check_fail(&check, "sessionId", "must be a UUID");
    packages = session_packages_read(&check, json);
    (void)json_field_bool(&check, json, "force", &force);
    if (json_is_array(json_object_get(json, "packages")) && json_array_size(json_object_get(json, "packages")) == 0)
        json_check_fail(&check, "packages", "must not be empty");
    if (json_check_reply(&check, request) || (session = session_of(request, server, given)) == NULL)
        return;
    installing = calloc(1, sizeof *installing);
    if (installing == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for the installation");
        return;
    }
    *installing = (struct installing){.server       = server,
                                      .request      = request,
                                      .session      = *session_id(session),
                                      .is_removal   = is_removal,
                                      .wants_stream = accept != NULL && strstr(accept, "text/event-stream") != NULL};
    http_request_on_gone(request, on_gone, installing);
    go(installing, session, packages, force);
}

void api_packages_install(struct http_request *request, void *context)
{
    struct server *server = context;
    if (packages_are_enabled(server_packages(server)))
        change(request, server, false);
    else
        http_reply_error(request, 403, "PACKAGES_DISABLED", "Packages can't be installed here: the operator has turned it off", NULL, 0);
}

void api_packages_uninstall(struct http_request *request, void *context)
{
    change(request, context, true);
}
