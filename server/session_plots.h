/*
 * session_plots.h: the pictures that a session's executions have shown, by id: plots of matplotlib, and results that are images or
 * plotly figures. What is kept here is their description; the picture itself stays in the event log, for as long as that keeps it.
 */
#ifndef PENNY_SESSION_PLOTS_H
#define PENNY_SESSION_PLOTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "event.h"
#include "id.h"

struct session;
struct session_plots;

/* At most `max` are kept; the oldest go first. NULL: no memory. */
struct session_plots *session_plots_new(uint32_t max);
void                  session_plots_free(struct session_plots *plots); /* NULL is fine */

/* A value that an execution has shown; `seq`: its first event in the execution's track. What is no picture is passed over. */
void session_plots_note(struct session_plots *plots, const struct id *execution, enum event_kind kind, const json_t *value, uint64_t seq);

/* [{id, format, metadata, timestamp, executionId}], oldest first; NULL: no memory. */
json_t *session_plots_list(const struct session *session);

struct session_picture {
    const char  *content_type; /* a constant */
    bool         is_active;    /* could run scripts where it is shown */
    struct bytes data;
};

/*
 * The picture; as_json: a plotly figure as JSON instead of a page. Returns 0 (release with bytes_done); or -1 with err: ENOENT (no such
 * plot), ESTALE (the log keeps it no longer), EINVAL (it has no such form), another errno.
 */
int session_plots_read(struct session *session, const struct id *id, bool as_json, struct session_picture *ret, struct err *err);

#endif
