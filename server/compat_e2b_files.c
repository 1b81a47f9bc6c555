#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "api_files.h"
#include "compat_e2b_path.h"
#include "compat_e2b_run.h"
#include "compat_e2b_sign.h"
#include "file_path.h"

/* By the header, or by a signed URL, which has none. */
static struct session *sandbox_of(struct http_request *request, const struct server *server)
{
    if (http_request_header(request, "E2b-Sandbox-Id") == NULL && http_request_query(request, "signature") != NULL)
        return compat_e2b_signed_of(request, server);
    return compat_e2b_running_of(request, server);
}

/* ---- read ---- */

void compat_e2b_read_file(struct http_request *request, void *context)
{
    struct session *session = sandbox_of(request, context);
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

static json_t *describe(const struct http_request *request, const char *path)
{
    const char *like = http_request_query(request, "path");
    char        whole[COMPAT_E2B_PATH_BYTES];
    compat_e2b_path_whole(like != NULL ? like : "", path, whole);
    return json_pack("{s:s, s:s, s:s}", "name", file_path_name(whole), "path", whole, "type", "file");
}

static void on_saved(struct http_request *request, const struct file_upload *upload)
{
    http_reply_json(request, 200, json_pack("[o]", describe(request, file_upload_path(upload))));
}

/* The query's path names the one file; without it each part's name is its path. */
static bool path_of(const struct http_request *request, const char *directory, const char *filename, char ret_path[FILE_PATH_BYTES])
{
    const char *given = http_request_query(request, "path");
    const char *path  = compat_e2b_path_inside(given != NULL && *given != '\0' ? given : filename);
    (void)directory;
    return file_path_join("", path, ret_path);
}

static void on_form_saved(struct http_request *request, json_t *saved)
{
    json_t *all = json_array(), *one;
    size_t  i;
    json_array_foreach(saved, i, one)
    {
        (void)json_array_append_new(all, describe(request, json_string_value(json_object_get(one, "path"))));
    }
    http_reply_json(request, 200, all);
}

static void write_bytes(struct http_request *request, struct server *server, struct session *session)
{
    const char *path = http_request_query(request, "path");
    if (path == NULL || *path == '\0')
        http_reply_error(request, 400, "INVALID_PATH", "A path is needed", NULL, 0);
    else
        api_files_take(request, server, session, compat_e2b_path_inside(path), false, on_saved);
}

void compat_e2b_write_files(struct http_request *request, void *context)
{
    static const struct files_form way     = {"file", path_of, on_form_saved};
    const char                    *type    = http_request_header(request, "Content-Type");
    struct session                *session = sandbox_of(request, context);

    if (session == NULL)
        return;
    if (http_request_header(request, "Content-Encoding") != NULL)
        http_reply_error(request, 415, "UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed", NULL, 0);
    else if (type != NULL && strncmp(type, "application/octet-stream", strlen("application/octet-stream")) == 0)
        write_bytes(request, context, session);
    else
        api_files_take_form(request, context, session, "", &way);
}
