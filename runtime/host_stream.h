/* host_stream.h: sys.stdout and sys.stderr of a session: Python text streams over host_event.h. Callers hold the GIL. */
#ifndef PENNY_HOST_STREAM_H
#define PENNY_HOST_STREAM_H

#include <Python.h>
#include <stdbool.h>

/* Makes the types and the two streams, and puts them into `module` as stdout and stderr. Returns 0, or -1 with an exception set. */
int host_stream_init(PyObject *module);

/* Installs the two as sys.stdout and sys.stderr wherever user code has put something else (which is flushed), and opens them if closed. */
void host_stream_restore(void);

/* Whether both are in place: the case in which host_stream_restore() has nothing to do. */
bool host_stream_in_place(void);

#endif
