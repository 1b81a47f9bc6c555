/*
 * json_slice.h: parts of a JSON text as they stand there, so that numbers keep their digits on the way through. The text must have been
 * read and found to be JSON.
 */
#ifndef PENNY_JSON_SLICE_H
#define PENNY_JSON_SLICE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The value of a member of the object that `text` is. `name` is found as it is written between quotes, without escapes in it. Returns
 * false when there is none. When there are several the last one counts, as it does for jansson.
 */
bool json_slice_member(const char *text, size_t length, const char *name, const char **ret_value, size_t *ret_length);

#endif
