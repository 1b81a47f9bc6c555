/* api_import_parts.c: an archive goes into its session part by part, and what the session says of it becomes the answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "api_import_private.h"
#include "file_error.h"
#include "json.h"
#include "session_body.h"
#include "session_inspect.h"
#include "session_transfer.h"
#include "wire.h"

enum {
    PART_BYTES  = 4 * 1024 * 1024,
    MESSAGE_MAX = 400,
};

/* Where a part is for the session to read. Its own programs have not run yet. */
static const char PART_NAME[] = FILE_UPLOAD_PREFIX "part";

/* ---- the end ---- */

void api_import_add_omitted(struct import *import, const char *kind, const char *name, const char *reason)
{
    (void)json_array_append_new(import->omitted, json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", kind, "name", name, "type", kind, "reason",
                                                           reason, "at", "import"));
}

static void reply(struct import *import, struct session *session, const json_t *said)
{
    json_t    *history = json_object_get(said, "history"), *json;
    struct err err     = {0};
    int        cells =
        session_set_history(session, history, (uint64_t)json_integer_value(json_object_get(import->manifest, "executionCount")), &err);

    if (cells < 0)
        api_import_add_omitted(import, "history", "", err.message);
    (void)json_array_extend(import->omitted, json_object_get(said, "omitted"));
    json = session_body_write(session, server_policies(import->server), server_isolation(import->server));
    if (json != NULL)
        (void)json_object_set_new(json, "imported",
                                  json_pack("{s:O*, s:O*, s:O*, s:O*, s:i, s:O}", "sessionId",
                                            json_object_get(import->manifest, "sessionId"), "variables", json_object_get(said, "variables"),
                                            "modules", json_object_get(said, "modules"), "files", json_object_get(said, "files"),
                                            "executions", cells > 0 ? cells : 0, "omitted", import->omitted));
    session_set_transfer(session, 0);
    http_request_on_gone(import->request, NULL, NULL);
    http_reply_json(import->request, 201, json);
    api_import_free(import);
}

/* ---- parts ---- */

static void on_said(const struct inspect_reply *said, void *arg)
{
    struct import  *import  = arg;
    struct session *session = api_import_session(import);
    const json_t   *error   = json_object_get(said->json, "error");
    const char *type = json_string_value(json_object_get(error, "type")), *message = json_string_value(json_object_get(error, "message"));
    char        text[MESSAGE_MAX];

    if (session == NULL || said->end == INSPECT_GONE) {
        api_import_refuse_gone(import);
    } else if (said->end == INSPECT_DIED) {
        api_import_refuse(import, 422, "INTERPRETER_DIED", "The new session's interpreter died, or hung, over the archive", NULL);
    } else if (said->end != INSPECT_ANSWERED) {
        api_import_refuse(import, 503, "IMPORT_FAILED", "The new session's answer is not what was asked for", NULL);
    } else if (json_is_true(json_object_get(said->json, "ok"))) {
        if (import->phase == IMPORT_ENDING)
            reply(import, session, said->json);
        else
            api_import_begin_part(import);
    } else {
        bool is_fault = type != NULL && strcmp(type, "ValueError") == 0;
        (void)snprintf(text, sizeof text, "%s%.300s", is_fault ? "This is not a session's archive: " : "The archive could not be read: ",
                       message != NULL ? message : "no reason given");
        if (is_fault)
            api_import_refuse_archive(import, text);
        else
            api_import_refuse(import, 422, "IMPORT_FAILED", text, type != NULL ? json_pack("{s:s}", "type", type) : NULL);
    }
}

/* `question` is owned. */
static void ask(struct import *import, json_t *question)
{
    struct session *session = api_import_session(import);
    struct err      err     = {0};
    if (session == NULL) {
        json_decref(question);
        api_import_refuse_gone(import);
    } else if (session_inspect(session, question, INSPECT_CHANGES, on_said, import, &err) < 0) {
        api_import_refuse(import, 503, "IMPORT_FAILED", err.message, NULL);
    }
}

static void read_part(struct import *import)
{
    const struct policies *policies = server_policies(import->server);
    json_t                *question = json_pack("{s:s, s:s}", "op", "import", "part", PART_NAME);

    import->phase = IMPORT_READING;
    file_upload_free(import->upload);
    import->upload = NULL;
    if (import->is_first) {
        (void)json_object_set_new(question, "first", json_true());
        (void)json_object_set_new(question, "entries", json_integer((json_int_t)policies->files + policies->directories));
        (void)json_object_set_new(question, "profile", json_string(import->wanted.profile));
    }
    import->is_first = false;
    ask(import, question);
}

static void finish_part(struct import *import)
{
    http_request_pause_body(import->request, true);
    import->phase = IMPORT_READING;
    file_upload_finish(import->upload);
}

void api_import_put(struct import *import, const void *data, size_t length)
{
    struct file_error why;
    int               error = file_upload_write(import->upload, data, length);
    if (error != 0) {
        file_error_describe(error, "the archive", server_policies(import->server), &why);
        api_import_refuse(import, why.status, why.code, why.message, NULL);
        return;
    }
    import->part_bytes += length;
    if (import->is_last || import->part_bytes >= PART_BYTES)
        finish_part(import);
}

static void go_on_with_part(struct import *import)
{
    struct bytes head  = import->head;
    import->phase      = IMPORT_PART;
    import->part_bytes = 0;
    import->head       = (struct bytes){0};
    http_request_pause_body(import->request, false);
    if (head.length > 0 || import->is_last)
        api_import_put(import, head.length > 0 ? head.data : "", head.length);
    bytes_done(&head);
}

static void on_upload(struct file_upload *upload, enum upload_event event, int error, void *arg)
{
    struct import    *import = arg;
    struct file_error why;
    (void)upload;
    switch (event) {
    case UPLOAD_READY: go_on_with_part(import); break;
    case UPLOAD_DONE: read_part(import); break;
    case UPLOAD_FAILED:
        file_error_describe(error, "the archive", server_policies(import->server), &why);
        if (error == ESHUTDOWN)
            api_import_refuse_gone(import);
        else
            api_import_refuse(import, why.status, why.code, why.message, NULL);
        break;
    }
}

void api_import_begin_part(struct import *import)
{
    struct session *session = api_import_session(import);
    struct err      err     = {0};

    if (session == NULL) {
        api_import_refuse_gone(import);
        return;
    }
    if (import->is_last && !import->is_first && import->head.length == 0) {
        import->phase = IMPORT_ENDING;
        ask(import, json_pack("{s:s, s:b}", "op", "import", "end", 1));
        return;
    }
    import->phase  = IMPORT_OPENING;
    import->upload = file_upload_new(session, server_policies(import->server), PART_NAME, false, 0, on_upload, import, &err);
    if (import->upload == NULL)
        api_import_refuse(import, 503, "IMPORT_FAILED", err.message, NULL);
}
