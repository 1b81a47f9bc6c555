/* host_compile.h: the text of a cell made into code. Callers hold the GIL. */
#ifndef PENNY_HOST_COMPILE_H
#define PENNY_HOST_COMPILE_H

#include <Python.h>

struct host_code {
    PyObject *body; /* code object of all statements, or of all but the last; NULL when there is none */
    PyObject *last; /* code object of a last simple statement, whose value is displayed when it is an expression; NULL when there is none */
};

/* `runtime` is our Python module of that name. Returns 0, or -1 with an exception set. */
int host_compile_init(PyObject *runtime);

/*
 * Compiles a cell: plain Python first, and only when that fails what IPython makes of it. Its lines can then be found by tracebacks
 * and inspect under `filename`. Returns 0 (release with host_compile_done), or -1 with an exception set.
 */
int host_compile(const char *source, size_t length, PyObject *filename, struct host_code *ret);

void host_compile_done(struct host_code *code);

#endif
