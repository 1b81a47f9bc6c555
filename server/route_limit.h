/* route_limit.h: requests per window and client address. */
#ifndef PENNY_ROUTE_LIMIT_H
#define PENNY_ROUTE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct route_limit;

/* At most `max` requests per window. NULL when memory is short. */
struct route_limit *route_limit_new(uint32_t max, uint32_t window_ms);
void                route_limit_free(struct route_limit *limit);

/* Counts one request. Returns false when it is one too many. The window of a client starts with its first request. */
bool route_limit_take(struct route_limit *limit, const char *peer, int64_t now_ms, uint32_t *ret_remaining, uint32_t *ret_reset_s);

#endif
