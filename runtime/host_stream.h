/* host_stream.h: sys.stdout and sys.stderr of a session: Python text streams over host_event.h. Callers hold the GIL. */
#ifndef PENNY_HOST_STREAM_H
#define PENNY_HOST_STREAM_H

#include <Python.h>
#include <stdbool.h>

/* Makes the types and the two streams, and puts them into `module` as stdout and stderr. Returns 0, or -1 with an exception set. */
int host_stream_init(PyObject *module);

/* `function` puts a fresh sys.stdin and sys.__stdin__ in place. */
void host_stream_set_input(PyObject *function);

/* Installs the three standard streams wherever user code has put something else (which is flushed), and opens them if closed. */
void host_stream_restore(void);

/* Whether all are in place: the case in which host_stream_restore() has nothing to do. */
bool host_stream_in_place(void);

#endif
