#define PY_SSIZE_T_CLEAN
#include "host_stream.h"

#include "host_encode.h"
#include "host_event.h"
#include "shared/wire.h"

#include <structmember.h>
#include <unistd.h>

struct stream {
    PyObject *encoding, *errors, *buffer; /* buffer is NULL in the binary stream */
    uint8_t   type;
    bool      closed, is_plain; /* is_plain: UTF-8 and backslashreplace, which this file encodes itself */
};

static PyTypeObject *text_type, *binary_type;
static Py_ssize_t    text_offset, binary_offset;
static PyObject     *streams[2];
static PyObject     *restore_input;
static PyObject     *name_stdout, *name_stderr, *name_stdin, *name_first_stdin, *name_flush;
static PyObject     *sys_names; /* of module sys; PySys_GetObject() would make a string for each look */

static struct stream *stream_of(PyObject *self)
{
    return (struct stream *)((char *)self + (PyObject_TypeCheck(self, text_type) ? text_offset : binary_offset));
}

static struct stream *open_stream_of(PyObject *self)
{
    struct stream *s = stream_of(self);
    if (!s->closed)
        return s;
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return NULL;
}

/* For a program that has asked for another encoding or error handler. */
static int write_converted(struct stream *s, PyObject *text)
{
    const char *encoding = PyUnicode_AsUTF8(s->encoding), *errors = PyUnicode_AsUTF8(s->errors);
    PyObject   *bytes = encoding != NULL && errors != NULL ? PyUnicode_AsEncodedString(text, encoding, errors) : NULL;
    if (bytes == NULL)
        return -1;
    host_event_text(s->type, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return 0;
}

static int write_text(struct stream *s, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "write() argument must be str, not %.200s", Py_TYPE(text)->tp_name);
        return -1;
    }
    if (PyUnicode_READY(text) != 0)
        return -1;
    if (!s->is_plain)
        return write_converted(s, text);
    if (PyUnicode_IS_ASCII(text))
        host_event_text(s->type, PyUnicode_DATA(text), (size_t)PyUnicode_GET_LENGTH(text));
    else
        host_encode_text(s->type, text);
    return 0;
}

static PyObject *text_write(PyObject *self, PyObject *text)
{
    struct stream *s = open_stream_of(self);
    if (s == NULL || write_text(s, text) != 0)
        return NULL;
    return PyLong_FromSsize_t(PyUnicode_GET_LENGTH(text));
}

static PyObject *binary_write(PyObject *self, PyObject *bytes)
{
    struct stream *s = open_stream_of(self);
    Py_buffer      view;
    Py_ssize_t     length;
    if (s == NULL || PyObject_GetBuffer(bytes, &view, PyBUF_CONTIG_RO) != 0)
        return NULL;
    length = view.len;
    host_event_text(s->type, view.buf, (size_t)length);
    PyBuffer_Release(&view);
    return PyLong_FromSsize_t(length);
}

static PyObject *stream_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iterator = PyObject_GetIter(lines), *line;
    if (iterator == NULL)
        return NULL;
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *result = PyObject_TypeCheck(self, text_type) ? text_write(self, line) : binary_write(self, line);
        Py_DECREF(line);
        if (result == NULL)
            break;
        Py_DECREF(result);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    return Py_NewRef(Py_None);
}

static PyObject *stream_flush(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (open_stream_of(self) == NULL)
        return NULL;
    host_event_flush();
    return Py_NewRef(Py_None);
}

static PyObject *stream_close(PyObject *self, PyObject *unused)
{
    struct stream *s = stream_of(self);
    (void)unused;
    host_event_flush();
    s->closed = true;
    if (s->buffer != NULL)
        stream_of(s->buffer)->closed = true;
    return Py_NewRef(Py_None);
}

static PyObject *stream_fileno(PyObject *self, PyObject *unused)
{
    struct stream *s = open_stream_of(self);
    (void)unused;
    return s == NULL ? NULL : PyLong_FromLong(s->type == EVENT_STDERR ? STDERR_FILENO : STDOUT_FILENO);
}

static PyObject *stream_isatty(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (open_stream_of(self) == NULL)
        return NULL;
    return Py_NewRef(Py_False);
}

static PyObject *stream_writable(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (open_stream_of(self) == NULL)
        return NULL;
    return Py_NewRef(Py_True);
}

static int set_text(PyObject **slot, PyObject *value)
{
    if (value == NULL || value == Py_None)
        return 0;
    if (!PyUnicode_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "reconfigure() takes strings for encoding and errors");
        return -1;
    }
    Py_INCREF(value);
    Py_SETREF(*slot, value);
    return 0;
}

static PyObject *text_reconfigure(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char   *names[]  = {"encoding", "errors", "newline", "line_buffering", "write_through", NULL};
    struct stream *s        = open_stream_of(self);
    PyObject      *encoding = NULL, *errors = NULL, *ignored[3];
    PyObject      *probe;
    if (s == NULL || !PyArg_ParseTupleAndKeywords(args, keywords, "|$OOOOO:reconfigure", names, &encoding, &errors, &ignored[0],
                                                  &ignored[1], &ignored[2]))
        return NULL;
    host_event_flush();
    if (set_text(&s->encoding, encoding) != 0 || set_text(&s->errors, errors) != 0)
        return NULL;
    probe = PyUnicode_AsEncodedString(name_stdout, PyUnicode_AsUTF8(s->encoding), PyUnicode_AsUTF8(s->errors));
    if (probe == NULL)
        return NULL;
    Py_DECREF(probe);
    s->is_plain =
        PyUnicode_CompareWithASCIIString(s->errors, "backslashreplace") == 0 &&
        (PyUnicode_CompareWithASCIIString(s->encoding, "utf-8") == 0 || PyUnicode_CompareWithASCIIString(s->encoding, "utf8") == 0);
    return Py_NewRef(Py_None);
}

static PyObject *stream_repr(PyObject *self)
{
    struct stream *s    = stream_of(self);
    const char    *name = s->type == EVENT_STDERR ? "<stderr>" : "<stdout>";
    if (s->buffer == NULL)
        return PyUnicode_FromFormat("<_penny.BinaryStream name='%s'>", name);
    return PyUnicode_FromFormat("<_penny.TextStream name='%s' mode='w' encoding=%R>", name, s->encoding);
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(stream_of(self)->type == EVENT_STDERR ? "<stderr>" : "<stdout>");
}

static PyObject *get_mode(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(stream_of(self)->buffer == NULL ? "wb" : "w");
}

static PyObject *get_closed(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(stream_of(self)->closed);
}

static PyObject *get_encoding(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(stream_of(self)->encoding);
}

static PyObject *get_errors(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(stream_of(self)->errors);
}

static PyObject *get_buffer(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(stream_of(self)->buffer);
}

static PyObject *get_self(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(self);
}

static PyObject *get_false(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return Py_NewRef(Py_False);
}

static PyMethodDef text_methods[] = {
    {"write", text_write, METH_O, NULL},
    {"writelines", stream_writelines, METH_O, NULL},
    {"flush", stream_flush, METH_NOARGS, NULL},
    {"close", stream_close, METH_NOARGS, NULL},
    {"fileno", stream_fileno, METH_NOARGS, NULL},
    {"isatty", stream_isatty, METH_NOARGS, NULL},
    {"writable", stream_writable, METH_NOARGS, NULL},
    {"reconfigure", (PyCFunction)(void (*)(void))text_reconfigure, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef binary_methods[] = {
    {"write", binary_write, METH_O, NULL},
    {"writelines", stream_writelines, METH_O, NULL},
    {"flush", stream_flush, METH_NOARGS, NULL},
    {"close", stream_close, METH_NOARGS, NULL},
    {"fileno", stream_fileno, METH_NOARGS, NULL},
    {"isatty", stream_isatty, METH_NOARGS, NULL},
    {"writable", stream_writable, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef text_attributes[] = {
    {"name", get_name, NULL, NULL, NULL},
    {"mode", get_mode, NULL, NULL, NULL},
    {"closed", get_closed, NULL, NULL, NULL},
    {"encoding", get_encoding, NULL, NULL, NULL},
    {"errors", get_errors, NULL, NULL, NULL},
    {"buffer", get_buffer, NULL, NULL, NULL},
    {"line_buffering", get_false, NULL, NULL, NULL},
    {"write_through", get_false, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef binary_attributes[] = {
    {"name", get_name, NULL, NULL, NULL}, {"mode", get_mode, NULL, NULL, NULL}, {"closed", get_closed, NULL, NULL, NULL},
    {"raw", get_self, NULL, NULL, NULL},  {NULL, NULL, NULL, NULL, NULL},
};

/* The io base classes give what is not here: with-statement, iteration, readable(), detach() and their errors. */
static PyTypeObject *make_type(const char *name, const char *base_name, PyMethodDef *methods, PyGetSetDef *attributes,
                               Py_ssize_t *ret_offset)
{
    PyObject   *io      = PyImport_ImportModule("_io");
    PyObject   *base    = io != NULL ? PyObject_GetAttrString(io, base_name) : NULL;
    PyType_Slot slots[] = {{Py_tp_methods, methods}, {Py_tp_getset, attributes}, {Py_tp_repr, stream_repr}, {0, NULL}};
    PyType_Spec spec    = {.name = name, .flags = Py_TPFLAGS_DEFAULT, .slots = slots};
    PyObject   *type    = NULL;
    if (base != NULL) {
        *ret_offset    = ((PyTypeObject *)base)->tp_basicsize;
        spec.basicsize = (int)(*ret_offset + (Py_ssize_t)sizeof(struct stream));
        type           = PyType_FromSpecWithBases(&spec, base);
    }
    Py_XDECREF(base);
    Py_XDECREF(io);
    return (PyTypeObject *)type;
}

static PyObject *make_stream(PyTypeObject *type, uint8_t event_type, PyObject *buffer)
{
    PyObject      *self = PyType_GenericAlloc(type, 0);
    struct stream *s;
    if (self == NULL)
        return NULL;
    s           = stream_of(self);
    s->type     = event_type;
    s->buffer   = buffer;
    s->is_plain = true;
    s->encoding = PyUnicode_InternFromString("utf-8");
    s->errors   = PyUnicode_InternFromString("backslashreplace");
    return self;
}

static PyObject *make_pair(uint8_t event_type)
{
    PyObject *binary = make_stream(binary_type, event_type, NULL);
    return binary == NULL ? NULL : make_stream(text_type, event_type, binary);
}

static PyObject *find_sys_names(void)
{
    PyObject *module = PyImport_ImportModule("sys"), *names = module == NULL ? NULL : Py_XNewRef(PyModule_GetDict(module));
    Py_XDECREF(module);
    return names;
}

int host_stream_init(PyObject *module)
{
    text_type        = make_type("_penny.TextStream", "_TextIOBase", text_methods, text_attributes, &text_offset);
    binary_type      = make_type("_penny.BinaryStream", "_BufferedIOBase", binary_methods, binary_attributes, &binary_offset);
    name_stdout      = PyUnicode_InternFromString("stdout");
    name_stderr      = PyUnicode_InternFromString("stderr");
    name_stdin       = PyUnicode_InternFromString("stdin");
    name_flush       = PyUnicode_InternFromString("flush");
    name_first_stdin = PyUnicode_InternFromString("__stdin__");
    sys_names        = find_sys_names();
    if (text_type == NULL || binary_type == NULL || name_stdout == NULL || name_stderr == NULL || name_stdin == NULL ||
        name_flush == NULL || name_first_stdin == NULL || sys_names == NULL)
        return -1;
    streams[0] = make_pair(EVENT_STDOUT);
    streams[1] = make_pair(EVENT_STDERR);
    if (streams[0] == NULL || streams[1] == NULL)
        return -1;
    if (PyModule_AddObjectRef(module, "stdout", streams[0]) != 0 || PyModule_AddObjectRef(module, "stderr", streams[1]) != 0)
        return -1;
    return 0;
}

static PyObject *standard(PyObject *name)
{
    PyObject *present = PyDict_GetItemWithError(sys_names, name);
    if (present == NULL)
        PyErr_Clear(); /* deleted */
    return present;
}

static void restore(PyObject *name, PyObject *stream)
{
    PyObject      *present = standard(name);
    struct stream *s       = stream_of(stream);
    if (present != NULL && present != stream && present != Py_None) {
        PyObject *done = PyObject_CallMethodNoArgs(present, name_flush);
        if (done == NULL)
            PyErr_Clear(); /* user code's own object: it may be closed, or no stream at all */
        Py_XDECREF(done);
    }
    s->closed = stream_of(s->buffer)->closed = false;
    (void)PySys_SetObject(PyUnicode_AsUTF8(name), stream);
}

/* Standard input is Python's own (user_input.py); whoever closes it takes it out of sys.__stdin__. */
static bool is_input_in_place(void)
{
    PyObject *present = standard(name_stdin);
    return present != NULL && present == standard(name_first_stdin);
}

bool host_stream_in_place(void)
{
    return is_input_in_place() && standard(name_stdout) == streams[0] && standard(name_stderr) == streams[1] &&
           !stream_of(streams[0])->closed && !stream_of(streams[1])->closed;
}

void host_stream_restore(void)
{
    restore(name_stdout, streams[0]);
    restore(name_stderr, streams[1]);
    if (!is_input_in_place()) {
        PyObject *done = PyObject_CallNoArgs(restore_input);
        if (done == NULL)
            PyErr_Print();
        Py_XDECREF(done);
    }
}

void host_stream_set_input(PyObject *function)
{
    Py_XSETREF(restore_input, Py_NewRef(function));
}
