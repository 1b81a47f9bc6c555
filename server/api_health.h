/* api_health.h: GET /health and GET /ready. Handlers of the route table. */
#ifndef PENNY_API_HEALTH_H
#define PENNY_API_HEALTH_H

#include "http.h"

void api_health(struct http_request *request,
                void                *context);                              /* 200 always while the server answers; status healthy | degraded | draining */
void api_ready(struct http_request *request, void *context); /* 200 when a session could be had now, else 503 */

#endif
