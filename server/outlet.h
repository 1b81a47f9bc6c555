/*
 * outlet.h: writing a request that is too long for one atomic write, so that after the process's death it is known exactly how much of it
 * the session's pipe has taken: each portion is put into a pipe of ours (keep.h) and spliced from there; what is left in it tells.
 */
#ifndef PENNY_OUTLET_H
#define PENNY_OUTLET_H

#include <stddef.h>
#include <sys/types.h>

#include "keep.h"

/* As write() on a non-blocking pipe; counts in request->sent. */
ssize_t outlet_write(struct keep *keep, struct keep_request *request, int fd, const void *data, size_t length);
/* After a takeover: makes request->sent right. */
void outlet_recover(struct keep *keep, struct keep_request *request);

#endif
