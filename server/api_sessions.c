#define _GNU_SOURCE
#include "api_sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_checkpoints.h"
#include "api_error.h"
#include "api_packages.h"
#include "file_error.h"
#include "files_given.h"
#include "json.h"
#include "server.h"
#include "session_body.h"
#include "session_checkpoints.h"
#include "session_list.h"
#include "session_packages.h"
#include "session_reply.h"

/* A request that waits for something of a session. */
struct waiting {
    struct server        *server;
    struct http_request  *request;
    struct id             session;
    struct files_given   *files;    /* to be written before the answer */
    struct files_writing *writing;  /* of these */
    json_t               *packages; /* to be installed before the answer */
};

static void waiting_free(struct waiting *waiting)
{
    files_writing_cancel(waiting->writing);
    files_given_free(waiting->files);
    json_decref(waiting->packages);
    free(waiting);
}

static struct waiting *waiting_new(struct server *server, struct http_request *request, void (*on_gone)(void *arg))
{
    struct waiting *waiting = api_wait(request, sizeof *waiting, on_gone);
    if (waiting != NULL)
        *waiting = (struct waiting){.server = server, .request = request};
    return waiting;
}

/* ---- create ---- */

/* A session that lacks a file of its making is none. */
static void refuse_files(struct waiting *waiting, struct session *session, int error, const char *path)
{
    file_error_reply(waiting->request, error, path, server_policies(waiting->server));
    if (session != NULL)
        session_end(session, "could not be given its files", NULL, NULL);
    waiting_free(waiting);
}

static void on_written(int error, const char *path, void *arg)
{
    struct waiting *waiting = arg;
    struct session *session = sessions_find(server_sessions(waiting->server), &waiting->session);

    waiting->writing = NULL;
    if (error != 0 || session == NULL) {
        refuse_files(waiting, session, error != 0 ? error : ESHUTDOWN, path);
        return;
    }
    session_reply(waiting->server, waiting->request, session, 201);
    waiting_free(waiting);
}

static void write_files(struct waiting *waiting, struct session *session)
{
    struct err err   = {0};
    waiting->session = *session_id(session);
    waiting->writing = files_given_write(waiting->files, session, server_policies(waiting->server), on_written, waiting, &err);
    if (waiting->writing == NULL)
        refuse_files(waiting, session, err.code, "files");
}

/* What is asked for is there: now the files. */
static void go_on(struct waiting *waiting, struct session *session)
{
    if (waiting->files != NULL) {
        write_files(waiting, session);
        return;
    }
    session_reply(waiting->server, waiting->request, session, 201);
    waiting_free(waiting);
}

static void on_packages(const struct session_packages_end *end, void *arg)
{
    struct waiting *waiting = arg;
    struct session *session = sessions_find(server_sessions(waiting->server), &waiting->session);

    if (session != NULL && end->refused == NULL && end->failures == NULL) {
        go_on(waiting, session);
        return;
    }
    if (end->refused != NULL)
        api_packages_blocked(waiting->request, end->refused);
    else if (end->failures != NULL)
        http_reply_error(waiting->request, 422, "PACKAGES_NOT_INSTALLED", "The session's packages could not be installed",
                         json_pack("{s:O}", "failed", end->failures), 0);
    else
        api_error_unavailable(waiting->request, "SESSION_UNAVAILABLE", "the session ended while its packages were installed");
    waiting->request = NULL;
    if (session != NULL)
        session_end(session, "could not be given its packages", NULL, NULL);
    waiting_free(waiting);
}

static void install(struct waiting *waiting, struct session *session)
{
    static const struct session_packages_events events = {NULL, on_packages};
    struct err                                  err    = {0};
    waiting->session                                   = *session_id(session);
    if (session_packages_install(session, waiting->packages, false, &events, waiting, &err) == 0)
        return;
    api_error_refused(waiting->request, &err);
    session_end(session, "could not be given its packages", NULL, NULL);
    waiting_free(waiting);
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct waiting *waiting = arg;
    if (session != NULL && (waiting->packages != NULL || waiting->files != NULL)) {
        if (waiting->packages != NULL)
            install(waiting, session);
        else
            go_on(waiting, session);
        return;
    }
    if (session != NULL)
        session_reply(waiting->server, waiting->request, session, 201);
    else
        api_error_unavailable(waiting->request, "SESSION_UNAVAILABLE", reason);
    waiting_free(waiting);
}

static void on_creator_gone(void *arg)
{
    struct waiting *waiting = arg;
    struct session *session = waiting->packages != NULL ? sessions_find(server_sessions(waiting->server), &waiting->session) : NULL;
    if (session != NULL)
        session_packages_forget(session, waiting);
    sessions_cancel(server_sessions(waiting->server), waiting);
    waiting_free(waiting);
}

void api_sessions_create(struct http_request *request, void *context)
{
    struct server         *server = context;
    struct session_request wanted = {0};
    struct json_check      check  = JSON_CHECK_INIT;
    struct err             err    = {0};
    struct files_given    *files;
    json_t                *packages;
    struct waiting        *waiting;

    if (sessions_are_draining(server_sessions(server))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    session_body_read(&check, http_request_json(request), server_policies(server), &wanted);
    files    = files_given_read(&check, http_request_json(request), server_policies(server));
    packages = session_packages_read(&check, http_request_json(request));
    if (json_check_reply(&check, request) || !api_sign_request(request, server_config(server), &wanted) ||
        (waiting = waiting_new(server, request, on_creator_gone)) == NULL) {
        files_given_free(files);
        return;
    }
    waiting->files    = files;
    waiting->packages = json_incref(packages);
    if (sessions_create(server_sessions(server), &wanted, on_session, waiting, &err) < 0) {
        api_error_refused(request, &err);
        waiting_free(waiting);
    }
}

/* ---- look ---- */

void api_sessions_list(struct http_request *request, void *context)
{
    struct session_list_query query;
    json_t                   *list;
    if (!session_list_read(&query, request))
        return;
    query.owner = api_caller(request);
    list        = session_list_write(server_sessions(context), &query, server_policies(context), server_isolation(context));
    if (list != NULL)
        http_reply_json(request, 200, list);
    else
        api_error_unavailable(request, "NO_MEMORY", "No memory for the list");
}

void api_sessions_get(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    if (session != NULL)
        session_reply(context, request, session, 200);
}

/* ---- change ---- */

void api_sessions_update(struct http_request *request, void *context)
{
    struct session      *session  = api_session_of(request, server_sessions(context));
    struct json_check    check    = JSON_CHECK_INIT;
    json_t              *metadata = NULL, *variables = NULL;
    enum checkpoint_mode mode;
    bool                 has_mode;

    if (session == NULL)
        return;
    has_mode = session_body_read_checkpoints(&check, http_request_json(request), &mode);
    (void)json_field_object(&check, http_request_json(request), "metadata", &metadata);
    if (json_field_object(&check, http_request_json(request), "variables", &variables))
        session_body_check_variables(&check, variables);
    if (json_check_reply(&check, request))
        return;
    if (has_mode)
        session_set_checkpoints(session, mode);
    if (session_update(session, metadata, variables) < 0)
        api_error_unavailable(request, "NO_MEMORY", "No memory for the change");
    else
        session_reply(context, request, session, 200);
}

void api_sessions_interrupt(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    if (session != NULL)
        http_reply_json(request, 202, json_pack("{s:b}", "success", session_interrupt(session)));
}

void api_sessions_restart(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    if (session == NULL)
        return;
    session_restart(session);
    http_reply_json(request, 202, json_pack("{s:b}", "success", 1));
}

/* ---- delete ---- */

static void reply_deleted(struct http_request *request, const struct id *id)
{
    char text[ID_TEXT_BYTES], message[96];
    id_format(id, text);
    (void)snprintf(message, sizeof message, "Session '%s' deleted successfully", text);
    http_reply_json(request, 200, json_pack("{s:b, s:s}", "success", 1, "message", message));
}

static void on_deleted(void *arg)
{
    struct waiting *waiting = arg;
    if (waiting->request != NULL)
        reply_deleted(waiting->request, &waiting->session);
    free(waiting);
}

static void on_deleter_gone(void *arg)
{
    ((struct waiting *)arg)->request = NULL; /* on_deleted follows and frees it */
}

static bool is_ended(const struct http_request *request, const struct sessions *sessions, const struct id *id)
{
    const struct ended_session *ended = sessions_find_ended(sessions, id);
    return ended != NULL && ended->owner == api_caller(request);
}

void api_sessions_delete(struct http_request *request, void *context)
{
    struct sessions *sessions = server_sessions(context);
    const char      *given    = http_request_parameter(request, 0);
    struct waiting  *waiting;
    struct session  *session;
    struct id        id;

    if (id_parse(given, &id) && sessions_find(sessions, &id) == NULL && is_ended(request, sessions, &id)) {
        reply_deleted(request, &id);
        return;
    }
    session = api_session_of(request, sessions);
    waiting = session != NULL ? waiting_new(context, request, on_deleter_gone) : NULL;
    if (waiting == NULL)
        return;
    waiting->session = id;
    session_end(session, "deleted", on_deleted, waiting);
}
