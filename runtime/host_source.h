/* host_source.h: the lines of the cells that ran, where tracebacks and inspect look for them. Callers hold the GIL. */
#ifndef PENNY_HOST_SOURCE_H
#define PENNY_HOST_SOURCE_H

#include <Python.h>

/* Returns 0, or -1 with an exception set. */
int host_source_init(void);

/* Makes the lines of `text` findable under `filename`; those of the oldest cells are forgotten. Returns 0, or -1 with an exception set. */
int host_source_remember(PyObject *filename, PyObject *text);

#endif
