/*
 * host_names.h: which of the user's names a cell has created or changed. Rebinding is always seen; a change inside an object is seen
 * by its size and by samples of it, at a cost that does not grow with the object. Callers hold the GIL.
 */
#ifndef PENNY_HOST_NAMES_H
#define PENNY_HOST_NAMES_H

#include <Python.h>

#include "host_compile.h"

/* `namespace` is the session's. Returns 0, or -1 with an exception set. */
int host_names_init(PyObject *namespace, PyObject *variables_module);

/*
 * A new list of (name, value), in the order of the namespace, of what has changed since the last call; NULL when nothing has (an
 * exception is set only when there was no memory). `code` is the cell that ran: the names it uses are looked at more closely; may
 * be NULL.
 */
PyObject *host_names_changed(const struct host_code *code);

#endif
