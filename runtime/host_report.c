#define PY_SSIZE_T_CLEAN
#include "host_report.h"

#include "host_event.h"
#include "shared/wire.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PLAIN_MAX = 8, TEXT_BYTES = 256, NAME_MAX_BYTES = 100 };

static PyObject *report_any;

/* Integers that a reader with doubles takes unchanged. */
static const long long exact = 1LL << 53;

int host_report_init(PyObject *variables_module)
{
    report_any = PyObject_GetAttrString(variables_module, "report");
    return report_any == NULL ? -1 : 0;
}

static bool is_plain_integer(PyObject *value)
{
    int       overflow;
    long long number = PyLong_CheckExact(value) ? PyLong_AsLongLongAndOverflow(value, &overflow) : exact + 1;
    return number >= -exact && number <= exact && overflow == 0;
}

static bool is_plain(PyObject *name, PyObject *value)
{
    return PyUnicode_IS_ASCII(name) && PyUnicode_GET_LENGTH(name) < NAME_MAX_BYTES && PyUnicode_IsIdentifier(name) &&
           PyUnicode_READ_CHAR(name, 0) != '_' && /* some of those are ours: Python knows which */
           (value == Py_None || PyBool_Check(value) || is_plain_integer(value) ||
            (PyFloat_CheckExact(value) && isfinite(PyFloat_AS_DOUBLE(value))));
}

/* The value in JSON. Returns 0, or -1 with an exception set. */
static int write_value(PyObject *value, char *text, size_t size)
{
    char *digits;
    if (value == Py_None || PyBool_Check(value)) {
        (void)snprintf(text, size, "%s", value == Py_None ? "null" : value == Py_True ? "true" : "false");
    } else if (PyLong_CheckExact(value)) {
        (void)snprintf(text, size, "%lld", PyLong_AsLongLong(value));
    } else {
        digits = PyOS_double_to_string(PyFloat_AS_DOUBLE(value), 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
        if (digits == NULL)
            return -1;
        (void)snprintf(text, size, "%s", digits);
        PyMem_Free(digits);
    }
    return 0;
}

static int report_plain(PyObject *name, PyObject *value)
{
    char number[40], text[TEXT_BYTES];
    int  n;
    if (write_value(value, number, sizeof number) != 0)
        return -1;
    n = snprintf(text, sizeof text, "{\"name\":\"%s\",\"type\":\"%s\",\"value\":%s,\"size\":%zu,\"serializable\":true}",
                 (const char *)PyUnicode_1BYTE_DATA(name), Py_TYPE(value)->tp_name, number, _PySys_GetSizeOf(value));
    host_event_queue(EVENT_VARIABLE, text, (size_t)n);
    return 0;
}

static bool all_plain(PyObject *changed)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(changed); i++) {
        PyObject *pair = PyList_GET_ITEM(changed, i);
        if (!is_plain(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)))
            return false;
    }
    return true;
}

int host_report(PyObject *changed)
{
    PyObject *done;
    if (PyList_GET_SIZE(changed) <= PLAIN_MAX && all_plain(changed)) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(changed); i++) {
            PyObject *pair = PyList_GET_ITEM(changed, i);
            if (report_plain(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)) != 0)
                return -1;
        }
        return 0;
    }
    done = PyObject_CallOneArg(report_any, changed);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}
