/*
 * host_files.h: which files a cell has made or changed. They are looked for only when the audit hook has noted something that can
 * write, or the workspace's own directory has changed; a cell that does neither pays for one stat(). Callers hold the GIL.
 */
#ifndef PENNY_HOST_FILES_H
#define PENNY_HOST_FILES_H

#include <Python.h>

/* `package` is our Python package. Returns 0, or -1 with an exception set. */
int host_files_init(PyObject *package);

/* In a worker, once: what is in $HOME by now is no doing of its cells. */
void host_files_start(void);

/* From the audit hook, for each event. */
void host_files_on_audit(const char *event, PyObject *args);

/* After a cell: bytes `,"artifacts":[...]` for EVENT_DONE, a new reference; or NULL: nothing, or an exception is set. */
PyObject *host_files_changed(void);

#endif
