/* event_fit.h: an ExecutionResult small enough for one event. */
#ifndef PENNY_EVENT_FIT_H
#define PENNY_EVENT_FIT_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Shortens an ExecutionResult until it fits in one event: output.stdout and output.stderr keep their beginnings (the whole text was
 * in stdout and stderr events), then output.results, output.variables, output.plots and artifacts are emptied, then error.traceback
 * keeps its end. `truncated`: true is set when anything was taken away. The value is changed in place. Returns whether it fits.
 */
bool event_fit(json_t *result);

#endif
