/*
 * host_fresh.h: what a fork must not share with its siblings: random state and what is made of it, and what Python remembers of its
 * process. In C, because a call into Python would make a hundred pages private that most sessions never touch. Callers hold the GIL.
 */
#ifndef PENNY_HOST_FRESH_H
#define PENNY_HOST_FRESH_H

#include <Python.h>

/*
 * In the zygote, when all is imported: `generators` is a list of (object, address of its 624-word Mersenne Twister state or 0), `reseed`
 * is called for those whose address is 0, `move` with HOME and TMPDIR when they have changed. Returns 0, or -1 with an exception set.
 */
int host_fresh_init(PyObject *generators, PyObject *reseed, PyObject *move);

/* New random state. Returns 0, or -1 with an exception set. */
int host_fresh_seed(void);

/* In a fork, before any user code: all of it. What fails is told on standard error. */
void host_fresh_fork(void);

#endif
