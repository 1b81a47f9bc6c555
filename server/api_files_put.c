/* api_files_put.c: one file as the body of a PUT. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_files.h"
#include "file_error.h"
#include "file_path.h"
#include "file_upload.h"
#include "server.h"

/* Lives until the request is answered, or its client has left. */
struct put {
    struct http_request   *request;
    const struct policies *policies;
    struct file_upload    *upload;
    files_on_saved         on_saved;
};

static void put_free(struct put *put)
{
    file_upload_free(put->upload);
    free(put);
}

static void on_client_gone(void *arg)
{
    put_free(arg);
}

static void refuse(struct put *put, int error)
{
    http_request_on_gone(put->request, NULL, NULL);
    file_error_reply(put->request, error, file_upload_path(put->upload), put->policies);
    put_free(put);
}

static void on_body(const void *data, size_t length, bool last, void *arg)
{
    struct put *put   = arg;
    int         error = file_upload_write(put->upload, data, length);
    if (error != 0)
        refuse(put, error);
    else if (last)
        file_upload_finish(put->upload);
}

static void reply(struct put *put)
{
    http_request_on_gone(put->request, NULL, NULL);
    put->on_saved(put->request, put->upload);
    put_free(put);
}

static void on_event(struct file_upload *upload, enum upload_event event, int error, void *arg)
{
    struct put *put = arg;
    (void)upload;
    switch (event) {
    case UPLOAD_READY: http_request_take_body(put->request, on_body, put); break;
    case UPLOAD_DONE: reply(put); break;
    case UPLOAD_FAILED: refuse(put, error); break;
    }
}

/* What can be said before a byte has come. Returns false when the request has been answered. */
static bool check(struct http_request *request, const struct policies *policies, const char *path)
{
    const char *fault = file_path_fault(path, strlen(path), false);
    char        message[FILE_MESSAGE_BYTES];

    if (fault != NULL) {
        (void)snprintf(message, sizeof message, "The path %s", fault);
        http_reply_error(request, 400, "INVALID_PATH", message, NULL, 0);
        return false;
    }
    fault = file_rules_fault(&policies->file_rules, path);
    if (fault != NULL) {
        http_reply_error(request, 422, "FILE_TYPE_NOT_ALLOWED", fault, NULL, 0);
        return false;
    }
    if (http_request_body_length(request) > (int64_t)policies->file_bytes) {
        file_error_reply(request, EFBIG, path, policies);
        return false;
    }
    return true;
}

void api_files_take(struct http_request *request, struct server *server, struct session *session, const char *path, bool must_be_new,
                    files_on_saved on_saved)
{
    const struct policies *policies = server_policies(server);
    int64_t                length   = http_request_body_length(request);
    struct err             err      = {0};
    struct put            *put;

    if (!check(request, policies, path))
        return;
    put = calloc(1, sizeof *put);
    if (put == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for an upload");
        return;
    }
    *put        = (struct put){.request = request, .policies = policies, .on_saved = on_saved};
    put->upload = file_upload_new(session, policies, path, must_be_new, length > 0 ? (uint64_t)length : 0, on_event, put, &err);
    if (put->upload == NULL) {
        file_error_refused(request, &err, path, policies);
        free(put);
        return;
    }
    http_request_on_gone(request, on_client_gone, put);
}

static void on_put(struct http_request *request, const struct file_upload *upload)
{
    http_reply_json(request, file_upload_replaced(upload) ? 200 : 201,
                    json_pack("{s:s, s:I}", "path", file_upload_path(upload), "size", (json_int_t)file_upload_size(upload)));
}

void api_files_put(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    const char     *tags    = http_request_header(request, "If-None-Match");
    if (session != NULL)
        api_files_take(request, context, session, http_request_parameter(request, 1), tags != NULL && strcmp(tags, "*") == 0, on_put);
}
