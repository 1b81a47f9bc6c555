/*
 * notebook.h: a session's history as a Jupyter notebook (nbformat 4.5): a cell for each execution, its outputs in the order in which they
 * came, read back from the event log. What the log has dropped meanwhile is missing there too, and the cell's metadata say so.
 */
#ifndef PENNY_NOTEBOOK_H
#define PENNY_NOTEBOOK_H

#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "event_log.h"

enum {
    NOTEBOOK_OUTPUT_MAX = 16 * 1024 * 1024, /* bytes of outputs in one notebook: the newest cells keep theirs */
    NOTEBOOK_CODE_MAX   = 64 * 1024,        /* bytes of a cell's code that are kept for it */
};

/* The note of an execution's track: its code, or the beginning of it. Appended to *out; false when there is no memory. */
bool notebook_note(struct bytes *out, const char *code, size_t length);

/*
 * Appends the whole document: `before` (cells as JSON with commas between), then the executions from executionCount `since` on (0: all).
 * Returns 0 or -1.
 */
int notebook_write(struct event_log *log, uint64_t since, const struct bytes *before, struct bytes *out, struct err *err);

#endif
