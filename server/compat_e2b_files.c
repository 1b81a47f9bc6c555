#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "api_files.h"
#include "compat_e2b_path.h"
#include "compat_e2b_run.h"
#include "compat_form.h"
#include "file_error.h"
#include "file_path.h"

/* A request that waits for its files to be written. */
struct writing_request {
    struct server        *server;
    struct http_request  *request;
    struct files_given   *files;
    struct files_writing *writing;
    json_t               *written; /* what will be the answer */
};

void compat_e2b_read_file(struct http_request *request, void *context)
{
    struct session *session = compat_e2b_running_of(request, context);
    const char     *path    = http_request_query(request, "path");
    char            id[ID_TEXT_BYTES];

    if (session == NULL)
        return;
    if (path == NULL) {
        http_reply_error(request, 400, "INVALID_PATH", "A path is needed", NULL, 0);
        return;
    }
    id_format(session_id(session), id);
    http_request_set_parameter(request, 0, id);
    http_request_set_parameter(request, 1, compat_e2b_path_inside(path));
    api_files_get(request, context);
}

/* ---- write ---- */

static void writing_free(struct writing_request *writing)
{
    files_writing_cancel(writing->writing);
    files_given_free(writing->files);
    json_decref(writing->written);
    free(writing);
}

static void on_gone(void *arg)
{
    writing_free(arg);
}

static void on_written(int error, const char *path, void *arg)
{
    struct writing_request *writing = arg;

    writing->writing = NULL;
    http_request_on_gone(writing->request, NULL, NULL);
    if (error != 0) {
        file_error_reply(writing->request, error, path, server_policies(writing->server));
    } else {
        http_reply_json(writing->request, 200, writing->written);
        writing->written = NULL;
    }
    writing_free(writing);
}

/* The query's path names the one file; without it each part's name is its path. */
static const char *path_of(const struct http_request *request, const char *filename)
{
    const char *path = http_request_query(request, "path");
    return compat_e2b_path_inside(path != NULL && *path != '\0' ? path : filename);
}

static json_t *describe(const char *like, const struct files_given *files)
{
    json_t     *all = json_array();
    const char *path;
    char        whole[COMPAT_E2B_PATH_BYTES];

    for (size_t i = 0; (path = files_given_path(files, i)) != NULL; i++) {
        compat_e2b_path_whole(like != NULL ? like : "", path, whole);
        (void)json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", file_path_name(path), "path", whole, "type", "file"));
    }
    return all;
}

void compat_e2b_write_files(struct http_request *request, void *context)
{
    struct session         *session = compat_e2b_running_of(request, context);
    struct files_given     *files;
    struct writing_request *writing;
    struct err              err = {0};

    if (session == NULL || !compat_form_read(request, server_policies(context), "file", path_of, &files))
        return;
    if (files == NULL) {
        http_reply_error(request, 400, "INVALID_FORM", "The form has no part called \"file\" with a file name", NULL, 0);
        return;
    }
    writing = calloc(1, sizeof *writing);
    if (writing == NULL) {
        files_given_free(files);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the files");
        return;
    }
    *writing = (struct writing_request){
        .server = context, .request = request, .files = files, .written = describe(http_request_query(request, "path"), files)};
    writing->writing = files_given_write(files, session, server_policies(context), on_written, writing, &err);
    if (writing->writing == NULL) {
        file_error_refused(request, &err, "files", server_policies(context));
        writing_free(writing);
        return;
    }
    http_request_on_gone(request, on_gone, writing);
}
