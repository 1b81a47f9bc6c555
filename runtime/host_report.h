/* host_report.h: EVENT_VARIABLE for the plainest values, without a call into Python. The caller holds the GIL. */
#ifndef PENNY_HOST_REPORT_H
#define PENNY_HOST_REPORT_H

#include <Python.h>

/* `report` is variables.report, which reports any value. Returns 0, or -1 with an exception set. */
int host_report_init(PyObject *variables_module);

/* Queues an event for each of a list of (name, value). Returns 0, or -1 with an exception set. */
int host_report(PyObject *changed);

#endif
