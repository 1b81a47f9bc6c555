/* api_stats.h: GET .../stats: a session's counters, and what the kernel says of it at this moment. */
#ifndef PENNY_API_STATS_H
#define PENNY_API_STATS_H

#include "http.h"

void api_stats(struct http_request *request, void *context);

#endif
