#define PY_SSIZE_T_CLEAN
#include "host_guard.h"

#include <stdbool.h>

enum { DEPTH_MAX = 200 }; /* code nested deeper than this is judged without a look */

static bool is_watched_code(PyObject *code, PyObject *watched, int depth);

static bool is_watched(PyObject *items, PyObject *watched, int depth)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        if (PyUnicode_CheckExact(item) && PySet_Contains(watched, item) != 0)
            return true;
        if (PyCode_Check(item) && is_watched_code(item, watched, depth + 1))
            return true;
        if (PyTuple_CheckExact(item) && is_watched(item, watched, depth + 1))
            return true;
    }
    return false;
}

static bool is_watched_code(PyObject *code, PyObject *watched, int depth)
{
    const PyCodeObject *c = (PyCodeObject *)code;
    return depth > DEPTH_MAX || is_watched(c->co_names, watched, depth) || is_watched(c->co_consts, watched, depth);
}

static int judge(PyObject *guard, const char *source, size_t length)
{
    PyObject *done = PyObject_CallMethod(guard, "check_cell", "s#", source, (Py_ssize_t)length);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int host_guard(const struct host_code *code, const char *source, size_t length)
{
    static PyObject *guard, *name;
    PyObject        *watched;
    int              result = 0;

    if (guard == NULL && (guard = PyImport_ImportModule("penny_runtime.guard")) == NULL)
        return -1;
    if (name == NULL && (name = PyUnicode_InternFromString("watched")) == NULL)
        return -1;
    watched = PyObject_GetAttr(guard, name);
    if (watched == NULL)
        return -1;
    if (watched != Py_None && ((code->body != NULL && is_watched_code(code->body, watched, 0)) ||
                               (code->last != NULL && is_watched_code(code->last, watched, 0))))
        result = judge(guard, source, length);
    Py_DECREF(watched);
    if (result == 0 && PyErr_Occurred())
        result = -1;
    return result;
}
