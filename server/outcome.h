/* outcome.h: what became of a run: the status and error that are true, from what was seen of its end. */
#ifndef PENNY_OUTCOME_H
#define PENNY_OUTCOME_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum execution_status {
    EXECUTION_QUEUED,
    EXECUTION_RUNNING,
    EXECUTION_INPUT_REQUIRED,
    EXECUTION_OK, /* terminal from here on */
    EXECUTION_ERROR,
    EXECUTION_TIMEOUT,
    EXECUTION_MEMORY,
    EXECUTION_INTERRUPTED,
    EXECUTION_KILLED,
    EXECUTION_REJECTED,
    EXECUTION_LOST,
    EXECUTION_STATUS_COUNT
};

const char *execution_status_name(enum execution_status status);

/* What is left of the session's variables after a run. */
struct execution_state {
    enum { STATE_KEPT, STATE_ROLLED_BACK, STATE_LOST } kind;
    uint64_t restored_to; /* an executionCount, when rolled back */
};

struct outcome {
    enum execution_status status;
    json_t               *error;             /* {type, message, traceback, line?}, owned; NULL: none */
    json_t               *artifacts;         /* [{path, size, mime}], owned; NULL: none */
    uint64_t              artifacts_omitted; /* files beyond these */
    uint64_t              cpu_user_us, cpu_system_us, memory_bytes, memory_peak_bytes;
    bool                  cpu_is_split; /* into user and system; else cpu_user_us is all of it */
    uint64_t              threads;      /* alive at its end; 0: not known */
};

void outcome_done(struct outcome *outcome);

/*
 * From EVENT_DONE. timed_out_ms: the limit, when SIGINT was sent because of it, else 0: then the run was cut off, whatever the program
 * made of it. Returns 0, or -1 when the payload is not what wire.h says.
 */
int outcome_from_done(struct outcome *outcome, const char *payload, size_t length, uint32_t timed_out_ms, struct err *err);

/* How an interpreter, or its whole jail, died. */
struct outcome_death {
    int         status;       /* as from waitpid() */
    uint32_t    timed_out_ms; /* not 0: we killed it for this limit */
    bool        oom;          /* the kernel ended a process for want of memory */
    const char *reason;       /* why we ended it otherwise; NULL: we did not */
};
/* Returns 0, or -1 when there is no memory; the status is right even then. */
int outcome_from_death(struct outcome *outcome, const struct outcome_death *death);

#endif
