/* result_read.h: the whole ExecutionResult of an execution that has ended, from its events in the log. */
#ifndef PENNY_RESULT_READ_H
#define PENNY_RESULT_READ_H

#include <stdbool.h>

#include "bytes.h"
#include "err.h"
#include "event_log.h"
#include "result.h"

/*
 * Appends the result as JSON text to *out. *ret_failed: the execution ended with an `error` event, and the text is that event's
 * {error, message}. What the log has dropped meanwhile is missing, and "truncated" says so. Returns 0 or -1.
 */
int result_read(struct event_track *track, struct bytes *out, bool *ret_failed, struct err *err);

/* What the execution has printed so far, as UTF-8, appended: of these streams together, in the order in which it did. Returns 0 or -1. */
enum { RESULT_TEXT_OUT = 1, RESULT_TEXT_ERR = 2 };
int result_read_text(struct event_track *track, unsigned streams, struct bytes *out, struct err *err);
/* How one has ended. */
struct result_end {
    bool    failed; /* by an `error` event, which says `message` */
    char    status[16], message[256];
    double  execution_ms;
    int64_t ended_ms; /* since 1970 */
};
/* Returns 0 or -1. */
int result_read_end(struct event_track *track, struct result_end *ret);
/* What one that goes on has said so far, added to *result. Returns 0 or -1. */
int result_read_so_far(struct event_track *track, struct result *result);

/* Each plot and result of it, with the seq from which on it is in the log. */
void result_read_values(struct event_track *track, void (*on_value)(enum event_kind kind, const json_t *value, uint64_t seq, void *arg),
                        void               *arg);

#endif
