/* compat_error.h: our errors, which are the same everywhere, as the clients of another system's paths expect them. */
#ifndef PENNY_COMPAT_ERROR_H
#define PENNY_COMPAT_ERROR_H

#include "http.h"

/* Of a route with these flags (ROUTE_ERRORS_*). NULL: ours. */
const struct http_error_shape *compat_error_shape(unsigned flags);
/* For a path, or a method of it, that no route has. NULL: ours. */
const struct http_error_shape *compat_error_shape_of_path(const char *path);

#endif
