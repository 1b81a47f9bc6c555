/* api_plots.h: /api/v1/sessions/{id}/plots and .../{plotId}. Handlers of the route table; `context` is the struct server. */
#ifndef PENNY_API_PLOTS_H
#define PENNY_API_PLOTS_H

#include "http.h"

void api_plots_list(struct http_request *request, void *context); /* GET: {sessionId, plots}, descriptions only */
void api_plots_get(struct http_request *request, void *context);  /* GET .../{plotId}?format=json: the picture itself */

#endif
