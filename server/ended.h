/* ended.h: what is still known of sessions that are over, for an hour: so that a client can be told why and when. */
#ifndef PENNY_ENDED_H
#define PENNY_ENDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "id.h"
#include "tenant.h"

struct ended_session {
    TAILQ_ENTRY(ended_session) entry;
    struct id      id;
    struct tenant *owner;                                  /* whose it was; NULL: there are no keys */
    const char    *reason;                                 /* a constant: "deleted", "expired", ... */
    int64_t        created_us, last_activity_us, ended_ms; /* since 1970 */
    bool           has_moved;                              /* it goes on elsewhere, */
    struct id      moved_to;                               /* as this one */
};
TAILQ_HEAD(ended_list, ended_session);

struct ended; /* all of them */

struct ended *ended_new(void); /* NULL: no memory */
void          ended_free(struct ended *ended);

/* Adds a record (copied; memory short: it is not kept) and drops those older than an hour, or beyond ENDED_MAX. */
enum { ENDED_MAX = 16384, ENDED_KEEP_MS = 3600 * 1000 };
void ended_add(struct ended *ended, const struct ended_session *session);
/* NULL: not known. */
const struct ended_session *ended_find(const struct ended *ended, const struct id *id);
/* Drops what is older than an hour at `now_ms`. */
void                     ended_sweep(struct ended *ended, int64_t now_ms);
const struct ended_list *ended_list(const struct ended *ended); /* oldest first */

#endif
