/* host_worker.h: the request loop's parts that other files of the host need. Callers hold the GIL. */
#ifndef PENNY_HOST_WORKER_H
#define PENNY_HOST_WORKER_H

#include <Python.h>

enum { HOST_EXIT_PROTOCOL = 70 };

/* `package` is our Python package. Returns 0, or -1 with an exception set. */
int host_worker_init(PyObject *package);

/* In the zygote, before its memory is sealed: brings it to where a worker's start leaves it, as nearly as that goes. */
void host_worker_settle(void);
/* All that a worker does until it waits for its first request, with nobody at the other end. For a process that ends then. */
void host_worker_rehearse(void);
/* After that: a first cell. */
void host_worker_rehearse_cell(void);

#endif
