/* id.h: the UUIDs of sessions and executions. */
#ifndef PENNY_ID_H
#define PENNY_ID_H

#include <stdbool.h>
#include <stddef.h>

enum { ID_BYTES = 16, ID_TEXT_BYTES = 37 };

struct id {
    unsigned char bytes[ID_BYTES];
};

/*
 * Which of several instances this process is: ids that it makes carry the number in their first four digits, which are decimal then
 * ("0012a1b2-..."), so that a proxy finds it without asking anybody. ID_NO_INSTANCE (as at the start): all of an id is random.
 */
enum { ID_NO_INSTANCE = -1, ID_INSTANCE_MAX = 9999 };
void id_set_own_instance(int instance);
int  id_own_instance(void);
/* The instance that an id names; ID_NO_INSTANCE: its digits are no number. */
int id_instance(const struct id *id);
/* Whether the id may be of a session or execution here: there are no instances, or it names this one. */
bool id_is_own(const struct id *id);

/* A new random UUID (version 4). Random bytes are fetched for many ids at a time, so that most calls make no system call. */
void id_make(struct id *ret_id);

/* Reads the 36-character form, either case. Returns false when text (which may be NULL) is not one. */
bool id_parse(const char *text, struct id *ret_id);

/* Writes the lower-case form and a NUL. */
void id_format(const struct id *id, char ret_text[ID_TEXT_BYTES]);

#endif
