/* host_guard.h: a look at a cell's code before it runs, in the standard profile. Callers hold the GIL. */
#ifndef PENNY_HOST_GUARD_H
#define PENNY_HOST_GUARD_H

#include <stddef.h>

#include "host_compile.h"

/*
 * Compares the names and texts in the code with those that python/guard.py watches, which costs next to nothing; only when there is one
 * the source is judged. Returns 0, or -1 with PolicyViolation set.
 */
int host_guard(const struct host_code *code, const char *source, size_t length);

#endif
