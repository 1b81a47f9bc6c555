#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_cell.h"
#include "host_event.h"
#include "host_module.h"
#include "host_stream.h"

static PyObject *module_send(PyObject *self, PyObject *args)
{
    unsigned char type;
    const char   *payload;
    Py_ssize_t    length;
    (void)self;
    if (!PyArg_ParseTuple(args, "by#:send", &type, &payload, &length))
        return NULL;
    host_event_queue(type, payload, (size_t)length);
    Py_RETURN_NONE;
}

static PyObject *module_flush(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    host_event_flush();
    Py_RETURN_NONE;
}

static PyObject *module_count(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyLong_FromUnsignedLong(host_cell_count());
}

static PyMethodDef methods[] = {
    {"send", module_send, METH_VARARGS, "send(type, payload): an event, after all text so far; it leaves with the next flush"},
    {"flush", module_flush, METH_NOARGS, "send all that waits"},
    {"execution_count", module_count, METH_NOARGS, "number of the present cell"},
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
