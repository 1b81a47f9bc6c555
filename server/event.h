/*
 * event.h: what an execution tells its watchers. (Not libevent's struct event; not the frames of wire.h, which are what a worker says.)
 */
#ifndef PENNY_EVENT_H
#define PENNY_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_KIND_NONE = 0,
    EVENT_KIND_START,         /* {executionCount, ...}: the first event, when the run begins */
    EVENT_KIND_OUT,           /* "stdout", data is a string */
    EVENT_KIND_ERR,           /* "stderr", data is a string */
    EVENT_KIND_PLOT,          /* PlotData */
    EVENT_KIND_RESULT,        /* MimeBundle */
    EVENT_KIND_VARIABLE,      /* VariableData with name */
    EVENT_KIND_PART,          /* a slice of a plot, result or variable that is too long for one event: see sse.h */
    EVENT_KIND_INPUT_REQUEST, /* {prompt, password} */
    EVENT_KIND_TRUNCATED,     /* {reason: "limit"|"storage", message, ...}: see event_log.h */
    EVENT_KIND_GAP,           /* {after, next, reason}: the point asked for is not there any more: see watcher.h */
    EVENT_KIND_COMPLETE,      /* ExecutionResult; terminal */
    EVENT_KIND_ERROR,         /* {error, message}: the service failed; terminal */
    EVENT_KIND_COUNT
};

/* The name on the wire ("stdout", "inputRequest", ...); "" for NONE and what is no kind. */
const char *event_kind_name(enum event_kind kind);
/* complete and error: exactly one ends every execution. */
bool event_kind_is_terminal(enum event_kind kind);
/* stdout and stderr: data is text, not JSON. */
bool event_kind_is_text(enum event_kind kind);
/* What counts against, and is dropped beyond, an execution's output limit: text, plot, result, variable and part. */
bool event_kind_is_output(enum event_kind kind);

/* One encoded event, borrowed. */
struct event_view {
    uint64_t        seq; /* from 1 in each execution, without holes except those a `gap` announces */
    enum event_kind kind;
    const char     *sse; /* "id: ...\n\n", whole */
    size_t          sse_length;
    const char     *json; /* inside sse: the object and one newline, that is, the NDJSON line */
    size_t          json_length;
    uint64_t        offset; /* of its record in the log */
};

/* The text of the event's `data`, inside of json. Returns false when there is none. */
bool event_view_data(const struct event_view *event, const char **ret_text, size_t *ret_length);

#endif
