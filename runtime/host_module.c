#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_cell.h"
#include "host_deadline.h"
#include "host_event.h"
#include "host_fresh.h"
#include "host_input.h"
#include "host_module.h"
#include "host_names.h"
#include "host_signal.h"
#include "host_stream.h"

static PyObject *show_result; /* output_handler.show_result */

static PyObject *module_send(PyObject *self, PyObject *args)
{
    unsigned char type;
    const char   *payload;
    Py_ssize_t    length;
    (void)self;
    if (!PyArg_ParseTuple(args, "by#:send", &type, &payload, &length))
        return NULL;
    host_event_queue(type, payload, (size_t)length);
    return PyBool_FromLong(host_event_is_owner());
}

static PyObject *module_flush(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    host_event_flush();
    return Py_NewRef(Py_None);
}

static PyObject *module_count(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyLong_FromUnsignedLong(host_cell_count());
}

static PyObject *module_set_count(PyObject *self, PyObject *number)
{
    unsigned long value = PyLong_AsUnsignedLong(number);
    (void)self;
    if (PyErr_Occurred() != NULL)
        return NULL;
    host_cell_set_count((uint32_t)value);
    return Py_NewRef(Py_None);
}

static PyObject *module_ask(PyObject *self, PyObject *args)
{
    const char *payload;
    Py_ssize_t  length;
    (void)self;
    return PyArg_ParseTuple(args, "y#:ask", &payload, &length) ? host_input_ask(payload, (size_t)length) : NULL;
}

static PyObject *module_deadline(PyObject *self, PyObject *milliseconds)
{
    long value = PyLong_AsLong(milliseconds);
    (void)self;
    if (value == -1 && PyErr_Occurred())
        return NULL;
    if (host_deadline_set(value) != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return Py_NewRef(Py_None);
}

static PyObject *module_hold(PyObject *self, PyObject *on)
{
    (void)self;
    host_signal_hold(on == Py_True);
    return Py_NewRef(Py_None);
}

static PyObject *module_displayhook(PyObject *self, PyObject *value)
{
    (void)self;
    if (value == Py_None || show_result == NULL)
        return Py_NewRef(Py_None);
    return PyObject_CallOneArg(show_result, value);
}

static PyObject *module_set_display(PyObject *self, PyObject *function)
{
    (void)self;
    Py_XSETREF(show_result, Py_NewRef(function));
    return Py_NewRef(Py_None);
}

static PyObject *module_settle_names(PyObject *self, PyObject *unused)
{
    PyObject *changed = host_names_changed(NULL);
    (void)self;
    (void)unused;
    Py_XDECREF(changed);
    if (PyErr_Occurred())
        return NULL;
    return Py_NewRef(Py_None);
}

static PyObject *module_set_fresh(PyObject *self, PyObject *args)
{
    PyObject *generators, *reseed, *move;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!OO:set_fresh", &PyList_Type, &generators, &reseed, &move) ||
        host_fresh_init(generators, reseed, move) != 0)
        return NULL;
    return Py_NewRef(Py_None);
}

static PyObject *module_watch_figures(PyObject *self, PyObject *dictionary)
{
    (void)self;
    if (!PyDict_Check(dictionary)) {
        PyErr_SetString(PyExc_TypeError, "watch_figures() takes a dict");
        return NULL;
    }
    host_cell_watch_figures(dictionary);
    return Py_NewRef(Py_None);
}

static PyObject *module_set_input(PyObject *self, PyObject *function)
{
    (void)self;
    host_stream_set_input(function);
    return Py_NewRef(Py_None);
}

static PyObject *module_seed(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (host_fresh_seed() != 0)
        return NULL;
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"send", module_send, METH_VARARGS,
     "send(type, payload): an event, after all text so far; it leaves with the next flush. False in a child, which cannot send"},
    {"flush", module_flush, METH_NOARGS, "send all that waits"},
    {"ask", module_ask, METH_VARARGS, "ask(payload): one line from the client"},
    {"deadline", module_deadline, METH_O, "deadline(ms): the deadline's signal comes after so long, and again until deadline(0)"},
    {"hold", module_hold, METH_O, "hold(True): an interrupt waits for hold(False), which then raises it"},
    {"displayhook", module_displayhook, METH_O, "show the value of a last expression"},
    {"set_display", module_set_display, METH_O, "set_display(function): what displayhook gives values that are not None"},
    {"settle_names", module_settle_names, METH_NOARGS, "what was changed so far is no change of the next cell"},
    {"set_fresh", module_set_fresh, METH_VARARGS, "set_fresh(generators, reseed, move): what each fork must renew"},
    {"watch_figures", module_watch_figures, METH_O, "watch_figures(dict): plots.flush is called after a cell that leaves it not empty"},
    {"set_input", module_set_input, METH_O, "set_input(function): called before a cell when sys.stdin is not as it was"},
    {"seed", module_seed, METH_NOARGS, "new random state everywhere"},
    {"execution_count", module_count, METH_NOARGS, "number of the present cell"},
    {"set_execution_count", module_set_count, METH_O, "set_execution_count(n): the next cell is n + 1"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_penny", .m_size = -1, .m_methods = methods};

static PyObject *create(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && host_stream_init(module) != 0)
        Py_CLEAR(module);
    return module;
}

int host_module_register(void)
{
    return PyImport_AppendInittab("_penny", create);
}
