/* api_metrics.h: GET /metrics, for Prometheus. Handler of the route table; `context` is the struct server. */
#ifndef PENNY_API_METRICS_H
#define PENNY_API_METRICS_H

#include "http.h"

void api_metrics(struct http_request *request, void *context);

#endif
