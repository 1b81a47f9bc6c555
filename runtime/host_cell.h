/* host_cell.h: one cell from its text to its EVENT_DONE. Callers hold the GIL. */
#ifndef PENNY_HOST_CELL_H
#define PENNY_HOST_CELL_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* `package` is our Python package. Returns 0, or -1 with an exception set. */
int host_cell_init(PyObject *package);

/* The dictionary of figures that are open: where it is empty at the end of a cell, nothing has to be shown. */
void host_cell_watch_figures(PyObject *dictionary);

/* Runs a cell and sends all its events, EVENT_DONE last. */
void host_cell_run(const char *source, size_t length, uint64_t execution);

/* Runs an assignment and a print into nothing, so that the first real cell finds its memory private and its caches warm. */
void host_cell_rehearse(void);

/* The server's number of the cell that runs, or 0. */
uint64_t host_cell_execution(void);

/* A REQUEST_SETUP came for the next cell; wants_variables says whether its changes shall be reported. */
void host_cell_set_up(bool wants_variables);

/* The setup has failed with the present exception: the next cell ends with it. */
void host_cell_fail_setup(void);

/* How many cells this interpreter has begun. */
uint32_t host_cell_count(void);

/* Another interpreter, of which this one has the variables, had begun so many. */
void host_cell_set_count(uint32_t number);

#endif
