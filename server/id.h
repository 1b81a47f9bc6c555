/* id.h: the UUIDs of sessions and executions. */
#ifndef PENNY_ID_H
#define PENNY_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_BYTES = 16, ID_TEXT_BYTES = 37 };

struct id {
    unsigned char bytes[ID_BYTES];
};

/* A new random UUID (version 4). Random bytes are fetched for many ids at a time, so that most calls make no system call. */
void id_make(struct id *ret_id);

/* Reads the 36-character form, either case. Returns false when text (which may be NULL) is not one. */
bool id_parse(const char *text, struct id *ret_id);

/* Writes the lower-case form and a NUL. */
void id_format(const struct id *id, char ret_text[ID_TEXT_BYTES]);

#endif
