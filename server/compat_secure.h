/*
 * compat_secure.h: secure-python-sandbox: POST /execute {code, timeout?, allow_network?, files?} -> {stdout, stderr, return_code, output_files},
 * and POST /execute-with-files, the same as a form. Its GET / and GET /health are ours.
 */
#ifndef PENNY_COMPAT_SECURE_H
#define PENNY_COMPAT_SECURE_H

#include "http.h"

void compat_secure_execute(struct http_request *request, void *server);
void compat_secure_execute_form(struct http_request *request, void *server);

#endif
