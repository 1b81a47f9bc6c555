/* options.h: what is set up before a cell runs (REQUEST_SETUP), from the session and from the request. */
#ifndef PENNY_OPTIONS_H
#define PENNY_OPTIONS_H

#include <jansson.h>

/*
 * The members of `base` with those of `over` (either may be NULL) put over them; objects in both, such as envVars, are merged member
 * by member. Returns a new reference, NULL when both are NULL or memory is short.
 */
json_t *options_merge(const json_t *base, json_t *over);

#endif
