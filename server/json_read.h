/*
 * json_read.h: JSON texts of a cell's hot path, read in one pass over their bytes.
 *
 * The same texts are JSON here as for json_loadb(), and become the same values; jansson itself goes through its lexer byte by byte with calls, fifty
 * instructions for each. tests/fuzz/fuzz_json.c holds the two against each other.
 */
#ifndef PENNY_JSON_READ_H
#define PENNY_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_READ_DEPTH_MAX = 1000 }; /* of objects and arrays in each other, where nobody says less; jansson's own limit is 2,048 */

/*
 * An object or array, to be released, or NULL: it is not JSON, is deeper than `depth_max`, or there is no memory. `flags`: JSON_ALLOW_NUL (\u0000 in strings, not in names),
 * JSON_DECODE_INT_AS_REAL.
 */
json_t *json_read(const char *text, size_t length, int depth_max, size_t flags);

/*
 * Whether json_read() with JSON_READ_DEPTH_MAX, JSON_ALLOW_NUL and JSON_DECODE_INT_AS_REAL would give an object; nothing is made. *ret_is_line: no line break and no other
 * control character stands between its parts, and so nowhere in it.
 */
bool json_read_is_object(const char *text, size_t length, bool *ret_is_line);

#endif
