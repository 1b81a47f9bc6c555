/* confine.h: a filter that takes away system calls that a process which only reads, writes and connects has no use for. */
#ifndef PENNY_CONFINE_H
#define PENNY_CONFINE_H

#include "err.h"

/* For the calling process, for ever; it must have no_new_privs. Returns 0 or -1. */
int confine_system_calls(struct err *err);

#endif
