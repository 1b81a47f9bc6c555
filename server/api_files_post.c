/*
 * api_files_post.c: files as parts of a form. Each part with a file name is a file, named so below the directory that the query's or the
 * form's `path` names; the form's must come before the files it is for. They are written one after the other, as they come.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_files.h"
#include "bytes.h"
#include "file_error.h"
#include "file_path.h"
#include "file_upload.h"
#include "multipart.h"
#include "server.h"
#include "session_files.h"

enum { PARTS_MAX = 1000 };

/* Lives until the request is answered, or its client has left. */
struct post {
    struct http_request     *request;
    const struct policies   *policies;
    struct session          *session; /* NULL: its jail is gone */
    struct files_user        user;
    struct multipart         form;
    const struct files_form *way;
    struct file_upload      *upload; /* of the present part; NULL: it is none */
    struct bytes             rest;   /* came behind what is waited for */
    struct bytes             field;  /* of a part called "path" */
    bool                     is_path, is_waiting, has_ended, is_last;
    json_t                  *saved; /* [{path, size, replaced}] */
    size_t                   parts;
    char                     directory[FILE_PATH_BYTES], path[FILE_PATH_BYTES];
};

static void post_free(struct post *post)
{
    file_upload_free(post->upload);
    if (post->session != NULL)
        session_files_remove_user(post->session, &post->user);
    bytes_done(&post->rest);
    bytes_done(&post->field);
    json_decref(post->saved);
    free(post);
}

static void on_client_gone(void *arg)
{
    post_free(arg);
}

/* With an upload under way that fails too, and its failure is the answer; without, the next one fails. */
static void on_jail_end(void *arg)
{
    ((struct post *)arg)->session = NULL;
}

/* Answers with an error that also says what was saved before it. Returns false, for callers to return. */
static bool refuse(struct post *post, int status, const char *code, const char *message)
{
    http_request_on_gone(post->request, NULL, NULL);
    http_reply_error(post->request, status, code, message, json_pack("{s:O}", "saved", post->saved), status == 503 ? 1 : 0);
    post_free(post);
    return false;
}

static bool refuse_error(struct post *post, int error, const char *path)
{
    struct file_error described;
    file_error_describe(error, path, post->policies, &described);
    return refuse(post, described.status, described.code, described.message);
}

static bool refuse_path(struct post *post, const char *fault)
{
    char message[FILE_MESSAGE_BYTES];
    (void)snprintf(message, sizeof message, "The path %s", fault);
    return refuse(post, 400, "INVALID_PATH", message);
}

static bool use_rest(struct post *post); /* as take() */

static void on_event(struct file_upload *upload, enum upload_event event, int error, void *arg)
{
    struct post *post = arg;
    if (event == UPLOAD_FAILED) {
        (void)refuse_error(post, error, file_upload_path(upload));
        return;
    }
    if (event == UPLOAD_DONE) {
        (void)json_array_append_new(post->saved, json_pack("{s:s, s:I, s:b}", "path", file_upload_path(upload), "size",
                                                           (json_int_t)file_upload_size(upload), "replaced", file_upload_replaced(upload)));
        file_upload_free(upload);
        post->upload = NULL;
    }
    post->is_waiting = false;
    if (use_rest(post))
        http_request_pause_body(post->request, false);
}

static void wait_for_upload(struct post *post)
{
    post->is_waiting = true;
    http_request_pause_body(post->request, true);
}

/* ---- parts. Each returns false when the request has been answered ---- */

static bool begin_file(struct post *post)
{
    const char *fault;
    struct err  err = {0};

    if (!post->way->path_of(post->request, post->directory, post->form.filename, post->path))
        return refuse_path(post, "is longer than 1023 bytes");
    fault = file_path_fault(post->path, strlen(post->path), false);
    if (fault != NULL)
        return refuse_path(post, fault);
    fault = file_rules_fault(&post->policies->file_rules, post->path);
    if (fault != NULL)
        return refuse(post, 422, "FILE_TYPE_NOT_ALLOWED", fault);
    if (post->session == NULL)
        return refuse_error(post, ESHUTDOWN, post->path);
    post->upload = file_upload_new(post->session, post->policies, post->path, false, 0, on_event, post, &err);
    if (post->upload == NULL)
        return err.code == ENOBUFS ? refuse(post, 429, "QUEUE_FULL", err.message) : refuse_error(post, err.code, post->path);
    wait_for_upload(post);
    return true;
}

static bool begin_part(struct post *post)
{
    if (++post->parts > PARTS_MAX)
        return refuse(post, 422, "TOO_MANY_PARTS", "The form has more than 1000 parts");
    post->is_path      = !post->form.has_filename && strcmp(post->form.name, "path") == 0;
    post->field.length = 0;
    if (post->way->part != NULL && strcmp(post->form.name, post->way->part) != 0)
        return true;
    return post->form.filename[0] != '\0' ? begin_file(post) : true; /* an empty name: a form's file field that was left empty */
}

static bool take_data(struct post *post, const char *data, size_t length)
{
    int error = post->upload != NULL ? file_upload_write(post->upload, data, length) : 0;
    if (error != 0)
        return refuse_error(post, error, post->path);
    if (post->is_path && post->field.length + length >= FILE_PATH_BYTES)
        return refuse_path(post, "is longer than 1023 bytes");
    if (post->is_path && !bytes_append(&post->field, data, length))
        return refuse_error(post, ENOMEM, "path");
    return true;
}

static bool end_part(struct post *post)
{
    const char *fault = post->is_path ? file_path_fault(post->field.data, post->field.length, true) : NULL;
    if (fault != NULL)
        return refuse_path(post, fault);
    if (post->is_path)
        *(char *)mempcpy(post->directory, post->field.length > 0 ? post->field.data : "", post->field.length) = '\0';
    post->is_path = false;
    if (post->upload == NULL)
        return true;
    wait_for_upload(post);
    file_upload_finish(post->upload); /* may fail at once: then post is gone */
    return false;
}

static bool finish(struct post *post)
{
    if (!post->has_ended)
        return refuse(post, 400, "INVALID_FORM", "The form ends before its last boundary");
    if (json_array_size(post->saved) == 0)
        return refuse(post, 400, "INVALID_FORM", "The form has no part with a file name");
    http_request_on_gone(post->request, NULL, NULL);
    post->way->reply(post->request, post->saved);
    post_free(post);
    return false;
}

/* Goes through what came. Returns false when something must be waited for (the rest is kept), or the request has been answered. */
static bool take(struct post *post, const char *data, size_t length)
{
    for (;;) {
        const char           *piece;
        size_t                n;
        bool                  goes_on = true;
        enum multipart_result result  = multipart_next(&post->form, &data, &length, &piece, &n);

        if (result == MULTIPART_MORE)
            return true;
        if (result == MULTIPART_BAD)
            return refuse(post, 400, "INVALID_FORM", post->form.fault);
        if (result == MULTIPART_PART || result == MULTIPART_END_OF_PART) {
            if (length > 0 && !bytes_append(&post->rest, data, length))
                return refuse_error(post, ENOMEM, "form");
            goes_on = result == MULTIPART_PART ? begin_part(post) : end_part(post);
            if (!goes_on || post->is_waiting)
                return false;
            post->rest.length = 0;
        } else if (result == MULTIPART_DATA) {
            goes_on = take_data(post, piece, n);
        } else {
            post->has_ended = true;
        }
        if (!goes_on)
            return false;
    }
}

static bool use_rest(struct post *post)
{
    struct bytes rest = post->rest;
    bool         goes_on;

    post->rest = (struct bytes){0};
    goes_on    = take(post, rest.data != NULL ? rest.data : "", rest.length);
    bytes_done(&rest);
    return goes_on && post->is_last ? finish(post) : goes_on;
}

static void on_body(const void *data, size_t length, bool last, void *arg)
{
    struct post *post = arg;
    post->is_last     = last;
    if (take(post, data, length) && last)
        (void)finish(post);
}

static struct post *post_new(struct http_request *request, struct session *session, const struct policies *policies, const char *directory)
{
    struct post *post = calloc(1, sizeof *post);
    if (post == NULL || (post->saved = json_array()) == NULL) {
        free(post);
        api_error_unavailable(request, "NO_MEMORY", "No memory for an upload");
        return NULL;
    }
    post->request  = request;
    post->policies = policies;
    post->session  = session;
    post->user     = (struct files_user){.on_end = on_jail_end, .arg = post};
    (void)snprintf(post->directory, sizeof post->directory, "%s", directory);
    session_files_add_user(session, &post->user);
    return post;
}

void api_files_take_form(struct http_request *request, struct server *server, struct session *session, const char *directory,
                         const struct files_form *way)
{
    const char      *fault = file_path_fault(directory, strlen(directory), true);
    struct multipart form;
    struct post     *post;
    char             message[FILE_MESSAGE_BYTES];

    if (fault != NULL) {
        (void)snprintf(message, sizeof message, "The path %s", fault);
        http_reply_error(request, 400, "INVALID_PATH", message, NULL, 0);
    } else if (!multipart_init(&form, http_request_header(request, "Content-Type"))) {
        http_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", "The body must be multipart/form-data with a boundary", NULL, 0);
    } else if ((post = post_new(request, session, server_policies(server), directory)) != NULL) {
        post->form = form;
        post->way  = way;
        http_request_on_gone(request, on_client_gone, post);
        http_request_take_body(request, on_body, post);
    }
}

static bool path_below(const struct http_request *request, const char *directory, const char *filename, char ret_path[FILE_PATH_BYTES])
{
    (void)request;
    return file_path_join(directory, filename, ret_path);
}

static void on_posted(struct http_request *request, json_t *saved)
{
    http_reply_json(request, 201, json_pack("{s:O}", "files", saved));
}

void api_files_post(struct http_request *request, void *context)
{
    static const struct files_form way     = {NULL, path_below, on_posted};
    struct session                *session = api_session_of(request, server_sessions(context));
    const char                    *given   = http_request_query(request, "path");
    if (session != NULL)
        api_files_take_form(request, context, session, given != NULL ? given : "", &way);
}
