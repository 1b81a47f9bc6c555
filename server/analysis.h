/*
 * analysis.h: looking at code without running it. Python's own parser does it, and since a parser is code that strangers feed, it runs
 * in a jailed worker of its own, never in the server or the zygote. The worker is replaced when it dies, hangs or has served long.
 */
#ifndef PENNY_ANALYSIS_H
#define PENNY_ANALYSIS_H

#include <event2/event.h>
#include <jansson.h>
#include <stddef.h>

#include "err.h"
#include "pool.h"
#include "tenant.h"

enum {
    ANALYSIS_QUEUE_MAX  = 64,
    ANALYSIS_LIMIT_MS   = 10000,
    ANALYSIS_WORKER_USE = 5000, /* analyses by one worker */
};

struct analysis;

enum analysis_end {
    ANALYSIS_DONE,
    ANALYSIS_FAILED,      /* over this code: the interpreter died of it, or took too long */
    ANALYSIS_UNAVAILABLE, /* no interpreter can be had */
};

/* `text`: when DONE the result, found to be JSON; else why there is none. Borrowed. */
typedef void (*analysis_on_result)(enum analysis_end end, const char *text, size_t length, void *arg);

/* The pool is borrowed. Returns NULL with err filled. */
struct analysis *analysis_new(struct event_base *base, struct pool *pool, struct err *err);
void             analysis_free(struct analysis *analysis); /* without callbacks; NULL is fine */
/* Sends no more to a worker and lets go of it; who waits is told. */
void analysis_stop(struct analysis *analysis);

/*
 * Asks {"op":"analyze", ...} (owned); its time is charged to the owner (NULL: nobody). on_result is called once, possibly before this returns. Returns 0, or -1 with err and it is not
 * called: ENOBUFS (too many wait), ENOMEM, ESHUTDOWN.
 */
int  analysis_ask(struct analysis *analysis, json_t *request, struct tenant *owner, analysis_on_result on_result, void *arg,
                  struct err *err);
void analysis_forget(struct analysis *analysis, const void *arg); /* who asked has left */

#endif
