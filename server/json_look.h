/*
 * json_look.h: whether a text is plain JSON, in one pass over its bytes; nothing is made of it.
 *
 * For what a session says on the hot path when only its text is wanted. Whatever becomes a value is read by jansson, and so is what is not plain:
 * with escapes in strings, exponents, numbers of very many digits or deep nesting. tests/fuzz/fuzz_json_look.c holds the two against each other.
 */
#ifndef PENNY_JSON_LOOK_H
#define PENNY_JSON_LOOK_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_LOOK_DEPTH_MAX = 32 /* of objects and arrays in each other */ };

/* True: it is an object, without a line break or another control character in it. False: jansson must say. */
bool json_look_is_line(const char *text, size_t length);

#endif
