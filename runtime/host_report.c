#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include "host_report.h"

#include "host_event.h"
#include "shared/wire.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { PLAIN_MAX = 8, TEXT_BYTES = 320, NAME_MAX_BYTES = 100 };

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

/* Not snprintf: see put_text of host_cell.c. */
static char *put(char *to, const char *text)
{
    return mempcpy(to, text, strnlen(text, NAME_MAX_BYTES));
}

static char *put_integer(char *to, long long number)
{
    char               digits[24];
    size_t             at   = sizeof digits;
    unsigned long long rest = number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    return mempcpy(to, digits + at, sizeof digits - at);
}

/* The value in JSON. Returns its end, or NULL with an exception set. */
static char *put_value(char *to, PyObject *value)
{
    char *digits, *end;
    if (value == Py_None || PyBool_Check(value))
        return put(to, value == Py_None ? "null" : value == Py_True ? "true" : "false");
    if (PyLong_CheckExact(value))
        return put_integer(to, PyLong_AsLongLong(value));
    digits = PyOS_double_to_string(PyFloat_AS_DOUBLE(value), 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    end    = digits == NULL ? NULL : put(to, digits);
    PyMem_Free(digits);
    return end;
}

static int report_plain(PyObject *name, PyObject *value)
{
    char  text[TEXT_BYTES];
    char *p = put(put(text, "{\"name\":\""), (const char *)PyUnicode_1BYTE_DATA(name));
    p       = put_value(put(put(put(p, "\",\"type\":\""), Py_TYPE(value)->tp_name), "\",\"value\":"), value);
    if (p == NULL)
        return -1;
    p = put_integer(put(p, ",\"size\":"), (long long)_PySys_GetSizeOf(value));
    host_event_queue(EVENT_VARIABLE, text, (size_t)(put(p, ",\"serializable\":true}") - text));
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
