/* file_range.h: what a client says of a file it may have already: ranges, entity tags, dates. Pure functions. */
#ifndef PENNY_FILE_RANGE_H
#define PENNY_FILE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

enum { FILE_TAG_BYTES = 80, FILE_DATE_BYTES = 32 };

enum file_range { FILE_RANGE_NONE, FILE_RANGE_PART, FILE_RANGE_UNSATISFIABLE };

/*
 * A Range header (may be NULL) against a file of `size` bytes. PART: *ret_from and *ret_length. NONE: the whole is to be sent; so too for
 * what is malformed, other units, and several ranges, as RFC 9110 permits.
 */
enum file_range file_range_read(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_length);

/*
 * The entity tag of a file. It is weak while the file was changed within the last moments (now_ns, since 1970): another change might leave
 * the same times.
 */
void file_range_tag(const struct control_file_reply *file, int64_t now_ns, char ret_tag[FILE_TAG_BYTES]);

/* Whether a list of tags, or "*", has this one. `strong`: weak ones are never equal (If-Range); else their weakness does not matter. */
bool file_range_has_tag(const char *list, const char *tag, bool strong);

/* "Sun, 06 Nov 1994 08:49:37 GMT" and back; -1: not such a date. */
void    file_range_date(int64_t time_ns, char ret_text[FILE_DATE_BYTES]);
int64_t file_range_parse_date(const char *text); /* s since 1970 */

#endif
