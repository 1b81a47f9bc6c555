/* compat_penny.h: PENNY's python_code tool: POST /api/execute/python. (The rest of PENNY's API is our own, /api/v1.) */
#ifndef PENNY_COMPAT_PENNY_H
#define PENNY_COMPAT_PENNY_H

#include "http.h"

void compat_penny_execute(struct http_request *request, void *server);

#endif
