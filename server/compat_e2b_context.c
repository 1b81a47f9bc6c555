#define _GNU_SOURCE
#include "compat_e2b_context.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_audit.h"
#include "api_error.h"
#include "compat_e2b.h"
#include "compat_e2b_run.h"
#include "json.h"
#include "session_join.h"

enum { PATH_MAX_CHARS = 1000 };

static const char DEFAULT[] = "default", DIRECTORY[] = "/workspace", LANGUAGE[] = "python";

/* ---- which ---- */

static const json_t *about(const struct session *session)
{
    struct session_info info;
    session_get_info(session, &info);
    return info.is_part ? json_object_get(info.metadata, "e2bContext") : NULL;
}

const char *compat_e2b_context_directory(const struct session *session)
{
    return json_string_value(json_object_get(about(session), "cwd"));
}

static bool is_of(const struct session *context, const struct session *sandbox)
{
    struct session_info info;
    session_get_info(context, &info);
    return about(context) != NULL && memcmp(info.forked_from, session_id(sandbox), sizeof(struct id)) == 0;
}

static struct session *find(const struct server *server, struct session *sandbox, const char *name)
{
    struct id       id;
    struct session *context;

    if (strcmp(name, DEFAULT) == 0)
        return sandbox;
    context = id_parse(name, &id) ? sessions_find(server_sessions((struct server *)server), &id) : NULL;
    return context != NULL && is_of(context, sandbox) ? context : NULL;
}

static struct session *find_or_reply(struct http_request *request, const struct server *server, struct session *sandbox, const char *name)
{
    struct session *context = find(server, sandbox, name);
    if (context == NULL)
        http_reply_error(request, 404, "CONTEXT_NOT_FOUND", "Context not found", NULL, 0);
    return context;
}

static struct session *context_of(struct http_request *request, const struct server *server)
{
    struct session *sandbox = compat_e2b_running_of(request, server);
    return sandbox != NULL ? find_or_reply(request, server, sandbox, http_request_parameter(request, 0)) : NULL;
}

/* Returns false when the request has been answered: there is one language. */
static bool check_language(struct http_request *request, const char *language)
{
    if (language == NULL || strcasecmp(language, LANGUAGE) == 0)
        return true;
    http_reply_error(request, 404, "CONTEXT_NOT_FOUND", "There is no context of this language here: only python", NULL, 0);
    return false;
}

struct session *compat_e2b_context_of_run(struct http_request *request, const struct server *server, struct session *sandbox)
{
    const json_t *json    = http_request_json(request);
    const char   *context = json_string_value(json_object_get(json, "context_id")),
               *language  = json_string_value(json_object_get(json, "language"));

    if (context != NULL && language != NULL) {
        http_reply_error(request, 400, "CONTEXT_AMBIGUOUS", "Only one of context_id or language can be provided", NULL, 0);
        return NULL;
    }
    if (!check_language(request, language))
        return NULL;
    return context != NULL ? find_or_reply(request, server, sandbox, context) : sandbox;
}

/* ---- list ---- */

struct listing {
    const struct session *sandbox;
    json_t               *all;
};

static json_t *describe(const char *id, const char *directory)
{
    return json_pack("{s:s, s:s, s:s}", "id", id, "language", LANGUAGE, "cwd", directory != NULL ? directory : DIRECTORY);
}

static json_t *write_context(const struct session *context)
{
    struct session_info info;
    session_get_info(context, &info);
    return describe(info.id_text, compat_e2b_context_directory(context));
}

static void note(void *session, void *arg)
{
    struct listing *listing = arg;
    if (is_of(session, listing->sandbox))
        (void)json_array_append_new(listing->all, write_context(session));
}

void compat_e2b_context_list(struct http_request *request, void *context)
{
    struct session *sandbox = compat_e2b_running_of(request, context);
    struct listing  listing = {sandbox, json_array()};

    if (sandbox == NULL) {
        json_decref(listing.all);
        return;
    }
    (void)json_array_append_new(listing.all, describe(DEFAULT, NULL));
    sessions_each(server_sessions(context), note, &listing);
    http_reply_json(request, 200, listing.all);
}

/* ---- create ---- */

struct creating {
    struct server       *server;
    struct http_request *request;
    struct id            sandbox;
};

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct creating *creating = arg;
    http_request_on_gone(creating->request, NULL, NULL);
    if (session != NULL)
        http_reply_json(creating->request, 200, write_context(session));
    else
        api_error_unavailable(creating->request, "SESSION_UNAVAILABLE", reason);
    free(creating);
}

static void on_gone(void *arg)
{
    struct creating *creating = arg;
    struct session  *sandbox  = sessions_find(server_sessions(creating->server), &creating->sandbox);
    if (sandbox != NULL)
        session_join_forget(sandbox, creating);
    free(creating);
}

static void create(struct server *server, struct http_request *request, struct session *sandbox, struct session_request *wanted)
{
    struct creating    *creating = calloc(1, sizeof *creating);
    struct err          err      = {0};
    struct session_info info;

    if (creating == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a context");
        return;
    }
    compat_e2b_part(sandbox, request, wanted);
    session_get_info(sandbox, &info);
    *creating = (struct creating){server, request, *info.id};
    if (session_join(sandbox, wanted, on_session, creating, &err) < 0) {
        free(creating);
        api_error_refused(request, &err);
        return;
    }
    http_request_on_gone(request, on_gone, creating);
}

void compat_e2b_context_create(struct http_request *request, void *context)
{
    struct session        *sandbox   = compat_e2b_running_of(request, context);
    const json_t          *json      = http_request_json(request);
    struct json_check      check     = JSON_CHECK_INIT;
    struct session_request wanted    = {0};
    const char            *directory = DIRECTORY, *language = NULL;

    if (sandbox == NULL)
        return;
    (void)json_field_string(&check, json, "language", 0, PATH_MAX_CHARS, &language);
    (void)json_field_string(&check, json, "cwd", 1, PATH_MAX_CHARS, &directory);
    if (json_check_reply(&check, request) || !check_language(request, language))
        return;
    wanted.metadata = json_pack("{s:{s:s}}", "e2bContext", "cwd", directory);
    create(context, request, sandbox, &wanted);
    json_decref(wanted.metadata);
}

/* ---- the rest ---- */

void compat_e2b_context_restart(struct http_request *request, void *context)
{
    struct session *session = context_of(request, context);
    if (session == NULL)
        return;
    session_restart(session);
    http_reply_bytes(request, 200, "application/json; charset=utf-8", "", 0);
}

void compat_e2b_context_remove(struct http_request *request, void *context)
{
    struct session *session = context_of(request, context);
    if (session == NULL)
        return;
    if (about(session) == NULL) {
        http_reply_error(request, 400, "CONTEXT_DEFAULT", "The default context can't be removed: it is the sandbox's own", NULL, 0);
        return;
    }
    session_end(session, "deleted", NULL, NULL);
    http_reply_bytes(request, 204, "application/json; charset=utf-8", "", 0);
}
