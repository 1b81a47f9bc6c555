/* api_export.h: GET /api/v1/sessions/{id}/export: a session as an archive. */
#ifndef PENNY_API_EXPORT_H
#define PENNY_API_EXPORT_H

#include "http.h"

void api_export(struct http_request *request, void *context);

#endif
