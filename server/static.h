/* static.h: the built web page: files below one directory, and what GET / says. */
#ifndef PENNY_STATIC_H
#define PENNY_STATIC_H

#include "config.h"
#include "err.h"
#include "http.h"

struct static_files;

/* config->web_dir need not exist. Returns NULL only when memory is short. */
struct static_files *static_open(const struct config *config, struct err *err);
void                 static_close(struct static_files *files);

/* Handlers; context is the struct static_files. */
void static_index(struct http_request *request, void *files); /* GET / */
void static_docs(struct http_request *request, void *files);  /* GET /docs */
void static_file(struct http_request *request, void *files);  /* GET /{path...}: parameter 0 is the path below the directory */

#endif
