/*
 * api_files.h: /api/v1/sessions/{id}/files: the session's workspace and nothing else.
 *
 * Handlers of the route table; `context` is the struct server. Parameter 0 is the session's id, 1 the path. A path is relative to the
 * workspace; links are followed as long as they stay in it.
 */
#ifndef PENNY_API_FILES_H
#define PENNY_API_FILES_H

#include "http.h"

void api_files_list(struct http_request *request, void *context); /* GET files?path=&depth=: depth 0 is the entry itself */
void api_files_get(struct http_request *request,
                   void                *context); /* GET files/{path...}: Range, If-Range, If-None-Match, If-Modified-Since */
void api_files_delete(struct http_request *request, void *context); /* DELETE files/{path...}?recursive= */
void api_files_put(struct http_request *request,
                   void                *context); /* PUT files/{path...}: 201, or 200 when it replaced one; If-None-Match: * */
void api_files_post(struct http_request *request, void *context); /* POST files?path=: multipart/form-data, 201 */

/* ---- for those who name a session and its files otherwise (routes with ROUTE_BODY_STREAM) ---- */

#include <jansson.h>

#include "file_upload.h"
#include "server.h"
#include "wire.h"

/* The request's body becomes the file `path` of the workspace. on_saved answers when it is in its place; what goes wrong is answered here. */
typedef void (*files_on_saved)(struct http_request *request, const struct file_upload *upload);
void api_files_take(struct http_request *request, struct server *server, struct session *session, const char *path, bool must_be_new,
                    files_on_saved on_saved);

/* What a form means. */
struct files_form {
    const char *part; /* the name of those that are files; NULL: all that have a file name */
    /* Where one goes. Returns false when its path is too long. */
    bool (*path_of)(const struct http_request *request, const char *directory, const char *filename, char ret_path[FILE_PATH_BYTES]);
    void (*reply)(struct http_request *request, json_t *saved); /* [{path, size, replaced}], borrowed */
};
/* Likewise, the files of a form, one after the other. `way` is borrowed until the answer. */
void api_files_take_form(struct http_request *request, struct server *server, struct session *session, const char *directory,
                         const struct files_form *way);

#endif
