/* notebook_cell.h: one execution as a notebook's cell. */
#ifndef PENNY_NOTEBOOK_CELL_H
#define PENNY_NOTEBOOK_CELL_H

#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "event_log.h"

/*
 * Appends the cell as JSON. One that has not begun, or whose executionCount is below `since`, appends nothing. Outputs beyond `room` bytes
 * are left out and the cell's metadata say so. Returns 0 or -1.
 */
int notebook_cell_write(struct event_track *track, uint64_t since, size_t room, struct bytes *out, struct err *err);

#endif
