/*
 * api_drain.h: /api/v1/admin/...: an operator empties this instance: it takes no new sessions and is not ready for a proxy, those that
 * there are go on until they end or are moved (export?move=true, import elsewhere, then move here).
 */
#ifndef PENNY_API_DRAIN_H
#define PENNY_API_DRAIN_H

#include "http.h"

void api_drain_get(struct http_request *request, void *context);
void api_drain_begin(struct http_request *request, void *context);
void api_drain_end(struct http_request *request, void *context);
void api_drain_move(struct http_request *request, void *context); /* it is there: here it ends */
void api_drain_keep(struct http_request *request, void *context); /* it could not be moved: it goes on here */

#endif
