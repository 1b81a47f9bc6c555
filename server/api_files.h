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

#endif
