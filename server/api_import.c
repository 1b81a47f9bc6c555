/*
 * api_import.c: the archive's manifest says what session to make; then the archive goes into that session part by part, as files that its
 * own interpreter reads and removes, in its jail (runtime/python/archive_in.py). Nothing but the manifest is read here.
 */
#define _GNU_SOURCE
#include "api_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api_error.h"
#include "api_import_private.h"
#include "archive.h"
#include "file_error.h"
#include "file_upload.h"
#include "json.h"
#include "server.h"
#include "session_body.h"
#include "session_inspect.h"
#include "session_packages.h"
#include "session_transfer.h"
#include "wire.h"

enum {
    TRANSFER_MS = 3600 * 1000, /* the client's pace; a client that leaves ends the session */
};

struct session *api_import_session(const struct import *import)
{
    return import->has_session ? sessions_find(server_sessions(import->server), &import->session) : NULL;
}

void api_import_free(struct import *import)
{
    file_upload_free(import->upload);
    json_decref(import->manifest);
    json_decref(import->omitted);
    bytes_done(&import->head);
    free(import);
}

/* A session that did not get all of it is none. Nobody is told: the request has been answered, or its client has left. */
static void give_up(struct import *import)
{
    struct session *session = api_import_session(import);
    file_upload_free(import->upload);
    import->upload = NULL;
    if (import->phase == IMPORT_MAKING)
        sessions_cancel(server_sessions(import->server), import);
    if (session != NULL) {
        session_inspect_forget(session, import);
        session_packages_forget(session, import);
        session_end(session, "could not be filled from its archive", NULL, NULL);
    }
    api_import_free(import);
}

static void on_client_gone(void *arg)
{
    give_up(arg);
}

void api_import_refuse(struct import *import, int status, const char *code, const char *message, json_t *details)
{
    http_request_on_gone(import->request, NULL, NULL);
    if (status == 503) {
        json_decref(details);
        api_error_unavailable(import->request, code, message);
    } else {
        http_reply_error(import->request, status, code, message, details, 0);
    }
    give_up(import);
}

void api_import_refuse_gone(struct import *import)
{
    api_import_refuse(import, 503, "SESSION_UNAVAILABLE", "The session ended while it was filled from the archive", NULL);
}

void api_import_refuse_archive(struct import *import, const char *message)
{
    api_import_refuse(import, 400, "INVALID_ARCHIVE", message, NULL);
}

/* ---- the session ---- */

static void on_packages(const struct session_packages_end *end, void *arg)
{
    struct import *import = arg;
    const json_t  *one;
    size_t         i;

    json_array_foreach(end->refused, i, one)
    {
        api_import_add_omitted(import, "package", json_string_value(one), "it may not be installed here; nor was any other");
    }
    json_array_foreach(end->failures, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "package")), *why = json_string_value(json_object_get(one, "error"));
        api_import_add_omitted(import, "package", name != NULL ? name : "", why != NULL ? why : "it could not be installed");
    }
    api_import_begin_part(import);
}

static void install(struct import *import, struct session *session)
{
    static const struct session_packages_events events   = {NULL, on_packages};
    struct json_check                           check    = JSON_CHECK_INIT;
    json_t                                     *packages = session_packages_read(&check, import->manifest);
    const json_t                               *wrong    = json_array_get(check.errors, 0);
    struct err                                  err      = {0};

    if (wrong != NULL)
        api_import_add_omitted(import, "package", "", json_string_value(json_object_get(wrong, "message")));
    if (json_array_size(packages) == 0) {
        json_check_done(&check);
        api_import_begin_part(import);
        return;
    }
    import->phase = IMPORT_PACKAGES;
    if (session_packages_install(session, packages, false, &events, import, &err) < 0) {
        api_import_add_omitted(import, "package", "", err.message);
        api_import_begin_part(import);
    }
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct import *import = arg;
    import->phase         = IMPORT_PACKAGES;
    if (session == NULL) {
        api_import_refuse(import, 503, "SESSION_UNAVAILABLE", reason, NULL);
        return;
    }
    import->session     = *session_id(session);
    import->has_session = true;
    session_set_transfer(session, TRANSFER_MS);
    install(import, session);
}

static void make_session(struct import *import)
{
    struct err err = {0};
    import->phase  = IMPORT_MAKING;
    http_request_pause_body(import->request, true);
    if (sessions_create(server_sessions(import->server), &import->wanted, on_session, import, &err) == 0)
        return;
    import->phase = IMPORT_PACKAGES;
    http_request_on_gone(import->request, NULL, NULL);
    api_error_refused(import->request, &err);
    give_up(import);
}

/* ---- the manifest ---- */

static bool is_format(const json_t *manifest)
{
    const char *format = json_string_value(json_object_get(manifest, "format"));
    return format != NULL && strcmp(format, ARCHIVE_FORMAT) == 0 &&
           json_integer_value(json_object_get(manifest, "version")) == ARCHIVE_VERSION;
}

/* Returns false when the request was answered, and the import is gone. */
static bool read_settings(struct import *import)
{
    struct json_check check    = {.where = "the manifest's session"};
    json_t           *settings = json_object_get(import->manifest, "session");
    const bool        has_id   = import->wanted.has_id;
    const struct id   id       = import->wanted.id;
    struct tenant    *owner    = import->wanted.owner;

    import->wanted = (struct session_request){.has_id = has_id, .id = id};
    session_body_read(&check, settings, server_policies(import->server), &import->wanted);
    import->wanted.variables = NULL;
    http_request_on_gone(import->request, NULL, NULL);
    if (json_check_reply(&check, import->request) || !api_sign_request(import->request, server_config(import->server), &import->wanted)) {
        give_up(import);
        return false;
    }
    if (owner != NULL)
        import->wanted.owner = owner;
    http_request_on_gone(import->request, on_client_gone, import);
    return true;
}

static void find_manifest(struct import *import)
{
    const char *text   = NULL;
    size_t      length = 0;
    switch (archive_find_manifest(import->head.data != NULL ? import->head.data : "", import->head.length, &text, &length)) {
    case ARCHIVE_MORE:
        if (import->is_last)
            api_import_refuse_archive(import, "This is not a session's archive, or not all of one");
        return;
    case ARCHIVE_WRONG: api_import_refuse_archive(import, "This is not a session's archive: it does not begin with a manifest"); return;
    case ARCHIVE_FOUND: break;
    }
    import->manifest = json_loadb(text, length, 0, NULL);
    if (!is_format(import->manifest))
        api_import_refuse_archive(import, "This is not a session's archive of a version that is known here");
    else if (read_settings(import))
        make_session(import);
}

static void on_body(const void *data, size_t length, bool last, void *arg)
{
    struct import *import = arg;
    uint64_t       limit  = server_policies(import->server)->archive_bytes;

    import->is_last = last;
    import->taken += length;
    if (import->taken > limit) {
        api_import_refuse(import, 413, "ARCHIVE_TOO_LARGE", "The archive is larger than the policy allows (transfer.maxArchiveSize)", NULL);
    } else if (import->phase == IMPORT_PART) {
        api_import_put(import, data, length);
    } else if (!bytes_append(&import->head, data, length)) {
        api_import_refuse(import, 503, "NO_MEMORY", "No memory for the archive", NULL);
    } else if (import->phase == IMPORT_MANIFEST) {
        find_manifest(import);
    }
}

/* ---- the request ---- */

/* ?sessionId=, ?owner=: an operator's, who moves a session. Returns false when the request was answered. */
static bool read_query(struct http_request *request, struct server *server, struct session_request *wanted)
{
    const char       *id = http_request_query(request, "sessionId"), *owner = http_request_query(request, "owner");
    struct json_check check = JSON_CHECK_INIT;

    if ((id != NULL || owner != NULL) && !api_require_operator(request))
        return false;
    if (id != NULL && !id_parse(id, &wanted->id))
        json_check_fail(&check, "sessionId", "must be a UUID");
    wanted->has_id = id != NULL && id_is_own(&wanted->id) && sessions_find(server_sessions(server), &wanted->id) == NULL;
    wanted->owner  = owner != NULL ? server_tenant_named(server, owner) : NULL;
    if (owner != NULL && wanted->owner == NULL)
        json_check_fail(&check, "owner", "must be the name of an API key");
    return !json_check_reply(&check, request);
}

static bool is_archive(const struct http_request *request)
{
    const char *type   = http_request_header(request, "Content-Type");
    size_t      length = type != NULL ? strcspn(type, "; ") : 0;
    return (length == 24 && strncasecmp(type, "application/octet-stream", length) == 0) ||
           (length == 17 && strncasecmp(type, "application/x-tar", length) == 0);
}

void api_import(struct http_request *request, void *context)
{
    struct session_request wanted = {0};
    struct import         *import;

    if (sessions_are_draining(server_sessions(context))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    if (!is_archive(request)) {
        http_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", "An archive is application/x-tar or application/octet-stream", NULL, 0);
        return;
    }
    if (http_request_body_length(request) > (int64_t)server_policies(context)->archive_bytes) {
        http_reply_error(request, 413, "ARCHIVE_TOO_LARGE", "The archive is larger than the policy allows (transfer.maxArchiveSize)", NULL,
                         0);
        return;
    }
    if (!read_query(request, context, &wanted))
        return;
    import = calloc(1, sizeof *import);
    if (import == NULL || (import->omitted = json_array()) == NULL) {
        free(import);
        api_error_unavailable(request, "NO_MEMORY", "No memory for an import");
        return;
    }
    import->server   = context;
    import->request  = request;
    import->wanted   = wanted;
    import->is_first = true;
    http_request_on_gone(request, on_client_gone, import);
    http_request_take_body(request, on_body, import);
}
