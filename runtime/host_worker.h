/* host_worker.h: the request loop's parts that other files of the host need. Callers hold the GIL. */
#ifndef PENNY_HOST_WORKER_H
#define PENNY_HOST_WORKER_H

#include <Python.h>

enum { HOST_EXIT_PROTOCOL = 70 };

/* `package` is our Python package. Returns 0, or -1 with an exception set. */
int host_worker_init(PyObject *package);

/* Gives this fork random state, ids and caches of its own. */
void host_worker_fix(void);

/* Sends EVENT_READY; restored is an execution count, or negative in a fresh worker. */
void host_worker_ready(int restored);

#endif
