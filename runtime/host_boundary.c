#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include "host_boundary.h"

#include "host_event.h"
#include "host_files.h"
#include "shared/wire.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Events after which another process, or the end of this one, may write or happen. */
static const char *const boundaries[] = {
    "os.system", "subprocess.Popen",    "os.fork",          "os.forkpty",        "os.posix_spawn",       "os.exec",   "os.kill",
    "os.killpg", "signal.pthread_kill", "ctypes.string_at", "ctypes.wstring_at", "ctypes.call_function", "pty.spawn",
};

/* Functions of C that write to descriptors without C's stdout, should a program look them up through ctypes. */
static const char *const writers[] = {"write", "writev", "pwrite", "dprintf", "syscall", "sendfile", "splice"};

/* Files that are descriptors 1 and 2 by another name. */
static const char *const names[] = {
    "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2",
};

static bool is_among(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

static const char *text_argument(PyObject *args, Py_ssize_t index)
{
    PyObject   *item = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > index ? PyTuple_GET_ITEM(args, index) : NULL;
    const char *text = item != NULL && PyUnicode_Check(item) ? PyUnicode_AsUTF8(item) : NULL;
    if (text == NULL)
        PyErr_Clear();
    return text;
}

static bool is_own_descriptor(PyObject *args)
{
    PyObject *item = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : NULL;
    int       overflow;
    long      fd;
    if (item == NULL || !PyLong_CheckExact(item))
        return false;
    fd = PyLong_AsLongAndOverflow(item, &overflow);
    return overflow == 0 && (fd == STDOUT_FILENO || fd == STDERR_FILENO);
}

static int on_audit(const char *event, PyObject *args, void *unused)
{
    (void)unused;
    host_files_on_audit(event, args);
    switch (event[0]) {
    case 'o':
        if (event[1] == 'p' && strcmp(event, "open") == 0) {
            if (is_own_descriptor(args) || is_among(text_argument(args, 0), names, sizeof names / sizeof names[0]))
                host_event_eager();
            return 0;
        }
        break;
    case 'c':
        if (strcmp(event, "ctypes.dlsym") == 0 && is_among(text_argument(args, 1), writers, sizeof writers / sizeof writers[0]))
            host_event_eager();
        break;
    case 's':
    case 'p': break;
    default: return 0;
    }
    if (is_among(event, boundaries, sizeof boundaries / sizeof boundaries[0]))
        host_event_flush();
    return 0;
}

/* What printf() and its kin write goes where print() writes, in order, and without waiting in a buffer of C's. */
static ssize_t write_stdout(void *unused, const char *text, size_t length)
{
    (void)unused;
    host_event_text(EVENT_STDOUT, text, length);
    return (ssize_t)length;
}

int host_boundary_init(void)
{
    cookie_io_functions_t functions = {.write = write_stdout};
    FILE                 *stream    = fopencookie(NULL, "w", functions);
    if (stream == NULL)
        return -1;
    (void)setvbuf(stream, NULL, _IONBF, 0);
    stdout = stream;
    return PySys_AddAuditHook(on_audit, NULL);
}

static PyObject *original_write, *original_writev;

static PyObject *flush_and_call(PyObject *original, PyObject *const *args, Py_ssize_t count, PyObject *names_of)
{
    if (count > 0 && PyLong_Check(args[0])) {
        int  overflow;
        long fd = PyLong_AsLongAndOverflow(args[0], &overflow);
        if (fd == STDOUT_FILENO || fd == STDERR_FILENO)
            host_event_flush();
    }
    return PyObject_Vectorcall(original, args, (size_t)count, names_of);
}

static PyObject *os_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names_of)
{
    (void)self;
    return flush_and_call(original_write, args, count, names_of);
}

static PyObject *os_writev(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names_of)
{
    (void)self;
    return flush_and_call(original_writev, args, count, names_of);
}

static PyObject *os_exit(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *keys[] = {"status", NULL};
    int          status;
    (void)self;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "i:_exit", keys, &status))
        return NULL;
    host_event_flush();
    _exit(status);
}

typedef PyObject *fast_function(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyCFunction as_function(fast_function *function)
{
    return (PyCFunction)(void (*)(void))function;
}

static int replace(PyMethodDef *definition, PyObject **ret_original)
{
    PyObject *os = PyImport_ImportModule("os"), *posix = PyImport_ImportModule("posix"), *function = NULL, *name = NULL;
    int       result = -1;
    if (os != NULL && posix != NULL && (*ret_original = PyObject_GetAttrString(posix, definition->ml_name)) != NULL &&
        (name = PyUnicode_FromString("posix")) != NULL && (function = PyCFunction_NewEx(definition, posix, name)) != NULL &&
        PyObject_SetAttrString(posix, definition->ml_name, function) == 0)
        result = PyObject_SetAttrString(os, definition->ml_name, function);
    Py_XDECREF(function);
    Py_XDECREF(name);
    Py_XDECREF(posix);
    Py_XDECREF(os);
    return result;
}

int host_boundary_install(void)
{
    static PyObject   *original_exit;
    static PyMethodDef write_method  = {"write", NULL, METH_FASTCALL | METH_KEYWORDS, "Write a bytes object to a file descriptor."};
    static PyMethodDef writev_method = {"writev", NULL, METH_FASTCALL | METH_KEYWORDS,
                                        "Iterate over buffers, and write the contents of each to a file descriptor."};
    static PyMethodDef exit_method   = {"_exit", NULL, METH_VARARGS | METH_KEYWORDS,
                                        "Exit to the system with specified status, without normal exit processing."};
    write_method.ml_meth             = as_function(os_write);
    writev_method.ml_meth            = as_function(os_writev);
    exit_method.ml_meth              = (PyCFunction)(void (*)(void))os_exit;
    return replace(&write_method, &original_write) != 0 || replace(&writev_method, &original_writev) != 0 ||
                   replace(&exit_method, &original_exit) != 0
               ? -1
               : 0;
}
