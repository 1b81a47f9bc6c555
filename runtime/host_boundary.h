/*
 * host_boundary.h: where Python's own output meets output that does not pass through it: C code, child processes, descriptors 1
 * and 2. What Python has printed is sent before anything behind such a boundary can write, so that text keeps its order.
 */
#ifndef PENNY_HOST_BOUNDARY_H
#define PENNY_HOST_BOUNDARY_H

#include <Python.h>

/* Before Python starts: an audit hook, and C's stdout routed into the event buffer. Returns 0, or -1 with errno. */
int host_boundary_init(void);

/* After it has started: os.write, os.writev and os._exit replaced by ones that send first. Returns 0, or -1 with an exception set. */
int host_boundary_install(void);

#endif
