/* policy_packages.h: policies/packages.json: which packages may be installed, and what an installation may use. */
#ifndef PENNY_POLICY_PACKAGES_H
#define PENNY_POLICY_PACKAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "policy_file.h"

struct policy_packages {
    bool     enabled;
    bool     listed_dependencies; /* a dependency must be on the list, too */
    uint32_t install_time_ms;
    uint64_t install_bytes, file_bytes, memory_bytes;
    uint64_t layers_bytes; /* of all layers together */
    uint32_t concurrent_installs;
    uint32_t per_session;
    uint32_t resolution_ms; /* for how long the same request gets the same versions */
    json_t  *root;          /* as read; each name in it is canonical. Owned */
};

/* Returns 0, or -1 with "path:line: reason". */
int  policy_packages_read(struct policy_packages *packages, const struct policy_file *file, struct err *err);
void policy_packages_done(struct policy_packages *packages);

/* The rule of a canonical name; NULL: there is none. Borrowed. */
const json_t *policy_packages_rule(const struct policy_packages *packages, const char *name);
/* Why it is never to be installed, whoever needs it; NULL: it is not on the list of those. */
const char *policy_packages_blocked(const struct policy_packages *packages, const char *name);
/* One of the five categories; what no rule puts elsewhere is "utility". */
const char *policy_packages_category(const struct policy_packages *packages, const char *name);

enum { POLICY_PACKAGES_CATEGORIES = 5 };
extern const char *const policy_packages_categories[POLICY_PACKAGES_CATEGORIES + 1]; /* ends with NULL */

#endif
