/*
 * compat_secure.h: secure-python-sandbox: POST /execute {code, timeout?, allow_network?, files?} -> {stdout, stderr, return_code, output_files},
 * and POST /execute-with-files, the same as a form. Its GET / and GET /health are ours.
 */
#ifndef PENNY_COMPAT_SECURE_H
#define PENNY_COMPAT_SECURE_H

#include <jansson.h>

#include "compat.h"
#include "http.h"

void compat_secure_execute(struct http_request *request, void *server);
void compat_secure_execute_form(struct http_request *request, void *server);

/* ---- compat_secure_form.c ---- */

/*
 * The form of the request's body: text fields into an object, which becomes the request's JSON, and the files of "files" into *ret_files (owned;
 * NULL: none). Returns false when it is not right: the request has been answered.
 */
bool compat_secure_read_form(struct http_request *request, const struct policies *policies, struct files_given **ret_files);

#endif
