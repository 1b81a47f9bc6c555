/*
 * json_said.h: JSON that cannot be trusted to be small once it is values: three bytes, "[],", take more than a hundred. What a text would take
 * is known before it is read.
 */
#ifndef PENNY_JSON_SAID_H
#define PENNY_JSON_SAID_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_SAID_BYTES_MAX = 64 << 20 /* of memory for the values of one text; a tenth of a second to make them */ };

/* By estimate. The text need not be JSON. */
bool json_said_is_too_much(const char *text, size_t length);
/* What a session says: NUL in strings is permitted, and whole numbers too long for 64 bits are read as floating point. NULL: it is not JSON,
 * or too much. */
json_t *json_said_read(const char *text, size_t length);

#endif
