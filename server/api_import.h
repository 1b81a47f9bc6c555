/* api_import.h: POST /api/v1/sessions/import: a new session from an archive (archive.h). */
#ifndef PENNY_API_IMPORT_H
#define PENNY_API_IMPORT_H

#include "http.h"

void api_import(struct http_request *request, void *context);

#endif
