/*
 * text.h: UTF-8 that comes in pieces and cannot be trusted.
 *
 * Invalid input is replaced as the Unicode standard recommends (and Python's errors="replace" does): one U+FFFD for each
 * maximal part of a sequence that is not one. Overlong forms, encoded surrogates and what lies above U+10FFFF are invalid.
 */
#ifndef PENNY_TEXT_H
#define PENNY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

struct text_slice {
    const char *data;
    size_t      length;
};

struct text_pair {
    struct text_slice slice[2];
};

/* The start of a character whose rest has not come yet; one for each source of bytes. All zero is the start. */
struct text_carry {
    char    bytes[4]; /* `length` of them wait */
    char    whole[4]; /* what the last join completed, for its first slice */
    uint8_t length;
};

/*
 * Cuts what a source delivered so that no character is split: returns two slices (either may be empty) to be handled one after the
 * other; what remains at the end of `data` is kept in the carry. The slices hold whole characters, and may hold invalid bytes, which
 * whoever encodes them repairs. They point into `data` and into *carry: use them before the next call.
 */
struct text_pair text_carry_join(struct text_carry *carry, const char *data, size_t length);
/* The source has ended: what was carried can't be completed any more. Empties the carry. The slice is never more than 3 bytes, all invalid. */
struct text_slice text_carry_end(struct text_carry *carry, char ret_bytes[4]);

/* Length of the longest prefix that is plain ASCII. */
size_t text_ascii(const char *data, size_t length);
/* Length of the longest prefix of which every byte is itself in a JSON string: printable ASCII but the quote and the backslash. */
size_t text_plain(const char *data, size_t length);
/* Whether it is valid UTF-8 without control characters (below U+0020). */
bool text_is_line(const char *data, size_t length);
/* Length of the longest prefix that is valid UTF-8. */
size_t text_valid(const char *data, size_t length);
/* The greatest n <= max at which `data` can be cut without splitting a valid character. */
size_t text_cut(const char *data, size_t length, size_t max);
/* Appends `data` with everything invalid replaced; what is valid already is copied as it is. False when there is no memory. */
bool text_repair(struct bytes *out, const char *data, size_t length);

/*
 * Reads one character at `data` (length > 0): returns its length 1..4, or, negative, the length of the invalid part to be replaced.
 * A sequence cut off by the end is invalid in this sense; *ret_incomplete (may be NULL) tells that more bytes could have completed it.
 */
int text_character(const char *data, size_t length, bool *ret_incomplete);

#endif
