/* compat_flask.h: the Flask sandbox: POST /api/execute {code} -> {status: "Success"|"Error", output}. */
#ifndef PENNY_COMPAT_FLASK_H
#define PENNY_COMPAT_FLASK_H

#include "http.h"

void compat_flask_execute(struct http_request *request, void *server);

#endif
