/*
 * tenants.h: the API keys. A line of the file is
 *
 *     NAME:SHA256 [sessions=N] [executions=N] [cpu=SECONDS] [requests=N] [profiles=standard,open] [access=all|metrics|operator]
 *
 * where SHA256 is the hash of the key in 64 hexadecimal digits; `penny-sandbox key NAME` prints a new key and its line. A name may have
 * several lines, so that a key can be changed without a pause: they share what belongs to the name. What a line leaves out is as the
 * options say. Lines that are empty or begin with # are left out.
 */
#ifndef PENNY_TENANTS_H
#define PENNY_TENANTS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "err.h"
#include "tenant.h"

struct tenants;

/* Borrows config; reads the keys of SANDBOX_API_KEYS. Returns NULL with err filled. */
struct tenants *tenants_new(const struct config *config, struct err *err);
void            tenants_free(struct tenants *tenants); /* NULL is fine */

/*
 * The keys file, instead of what it said before. A name that is not there any more keeps its sessions, which nobody can reach. Returns
 * 0, or -1 with err ("line 3: ..."), and nothing has changed.
 */
int tenants_load(struct tenants *tenants, const char *text, size_t length, struct err *err);

/* Whether a key is needed. */
bool tenants_are_there(const struct tenants *tenants);
/* Whose key it is; NULL: nobody's. How long that takes does not depend on how much of the key is right. */
struct tenant *tenants_find(struct tenants *tenants, const char *key, size_t length);
/* NULL: there is no such name. */
struct tenant *tenants_named(const struct tenants *tenants, const char *name);
size_t         tenants_count(const struct tenants *tenants); /* with a key */

/* `penny-sandbox key NAME`. Returns 0, or -1 with err. */
int tenants_print_key(const char *name, struct err *err);

#endif
