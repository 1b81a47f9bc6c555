/*
 * result.h: an ExecutionResult: collected while a cell runs, written once as JSON text when it has ended. Values that came as JSON
 * stay the text they were (they have been read and found to be JSON), so that numbers keep their digits.
 */
#ifndef PENNY_RESULT_H
#define PENNY_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "event.h"

enum {
    RESULT_BRIEF_BYTES = 56 * 1024, /* a brief result is never longer */
    RESULT_KEEP_BYTES  = 16 * 1024, /* of each of stdout and stderr, of results and variables, when the whole is not asked for */
};

/* All zero is empty. */
struct result {
    struct bytes out, err;                  /* text, whole characters, not necessarily valid */
    struct bytes plots, results, variables; /* JSON values (members, for variables), joined by commas */
    struct bytes plots_brief;               /* the plots without their data */
    bool         whole;                     /* keep everything; else only what a brief result needs */
    bool         cut;                       /* something is in the log that is not here */
};

struct result_metrics {
    double   execution_ms, queued_ms;
    uint64_t cpu_user_us, cpu_system_us, memory_bytes, memory_peak_bytes, bytes_out;
    bool     cpu_is_split; /* else cpu_user_us is all of it */
};

struct result_summary {
    const char           *status, *state, *session_id, *execution_id;
    bool                  success;
    int64_t               restored_to;     /* -1: absent */
    uint64_t              execution_count; /* 0: absent, it never ran */
    struct result_metrics metrics;
    const json_t         *error;     /* NULL: absent */
    const json_t         *artifacts; /* NULL: none */
    uint64_t              artifacts_omitted;
    uint64_t              threads;   /* more than one: there can be no checkpoint of this state, and the result says so */
    const char           *notice;    /* NULL: absent */
    bool                  truncated; /* output was lost to the limit */
};

void result_done(struct result *result);

/* Each returns false when there is no memory. */
bool result_add_text(struct result *result, enum event_kind kind, const char *data, size_t length);
/* A plot, result or variable: its text, and the same as read (borrowed). */
bool result_add_value(struct result *result, enum event_kind kind, const char *json, size_t length, const json_t *value);

/* Everything that was kept. */
bool result_write(const struct result *result, const struct result_summary *summary, struct bytes *out);
/* As result_write, but with no plot's data, and with text and values cut until it fits in one event; then "truncated" is true. */
bool result_write_brief(const struct result *result, const struct result_summary *summary, struct bytes *out);

#endif
