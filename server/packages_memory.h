/* packages_memory.h: requests for packages that were answered, and how; and the newest layer of each package. */
#ifndef PENNY_PACKAGES_MEMORY_H
#define PENNY_PACKAGES_MEMORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { PACKAGES_MEMORY_MAX = 2000 /* answers */ };

struct packages_answer {
    json_t *layers, *satisfied;
};

struct packages_memory {
    TAILQ_HEAD(, packages_remembered) answers;
    size_t  count;
    int64_t lasts_ms;
    json_t *newest; /* {canonical: layer} */
};

/* An answer is good for `lasts_ms`. Returns false when there is no memory. */
bool packages_memory_init(struct packages_memory *memory, int64_t lasts_ms);
void packages_memory_done(struct packages_memory *memory);
/* The answer is borrowed, and there until the next call of this header; NULL: none that is good still. */
const struct packages_answer *packages_memory_find(struct packages_memory *memory, const char *key);
/* Without memory it is forgotten: it is asked again the next time. */
void packages_memory_add(struct packages_memory *memory, const char *key, const struct packages_answer *answer);

#endif
