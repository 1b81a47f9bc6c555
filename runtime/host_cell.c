#define PY_SSIZE_T_CLEAN
#include "host_cell.h"

#include "host_account.h"
#include "host_compile.h"
#include "host_event.h"
#include "host_files.h"
#include "host_guard.h"
#include "host_names.h"
#include "host_report.h"
#include "host_signal.h"
#include "host_stream.h"
#include "shared/wire.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DONE_BYTES = 320, NAME_BYTES = 80, STATUS_BYTES = 16, NUMBER_BYTES = 20 };

static PyObject *globals, *run_async, *show_figures, *end_run, *describe;
static PyObject *figures; /* pyplot's dictionary of open figures, once there is one */
static uint32_t  count;
static uint64_t  running;
static bool      is_set_up, skips_variables;
static PyObject *setup_error[3]; /* type, value, traceback */
static PyObject *artifacts;      /* bytes of EVENT_DONE; NULL: no file was made or changed */

static PyObject *attribute(PyObject *package, const char *module, const char *name)
{
    PyObject *m = PyObject_GetAttrString(package, module), *result = m == NULL ? NULL : PyObject_GetAttrString(m, name);
    Py_XDECREF(m);
    return result;
}

int host_cell_init(PyObject *package)
{
    PyObject *main_module = PyImport_AddModule("__main__");
    globals               = main_module == NULL ? NULL : Py_XNewRef(PyModule_GetDict(main_module));
    run_async             = attribute(package, "runtime", "run_async");
    show_figures          = attribute(package, "plots", "flush");
    end_run               = attribute(package, "runtime", "end_run");
    describe              = attribute(package, "errors", "describe");
    return globals == NULL || run_async == NULL || show_figures == NULL || end_run == NULL || describe == NULL ? -1 : 0;
}

void host_cell_watch_figures(PyObject *dictionary)
{
    Py_XSETREF(figures, Py_NewRef(dictionary));
}

uint64_t host_cell_execution(void)
{
    return running;
}

void host_cell_set_up(bool wants_variables)
{
    is_set_up       = true;
    skips_variables = !wants_variables;
}

void host_cell_fail_setup(void)
{
    is_set_up = true;
    Py_XDECREF(setup_error[0]);
    Py_XDECREF(setup_error[1]);
    Py_XDECREF(setup_error[2]);
    PyErr_Fetch(&setup_error[0], &setup_error[1], &setup_error[2]);
}

/* Whether the cell's setup has failed: then that is how the cell ends, before it begins. */
static bool raise_setup_error(void)
{
    if (setup_error[0] == NULL)
        return false;
    PyErr_Restore(setup_error[0], setup_error[1], setup_error[2]);
    setup_error[0] = setup_error[1] = setup_error[2] = NULL;
    return true;
}

uint32_t host_cell_count(void)
{
    return count;
}

void host_cell_set_count(uint32_t number)
{
    count = number;
}

/* Returns 0, or -1 with an exception set. */
static int settle(PyObject *result)
{
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    return 0;
}

static bool is_coroutine(PyObject *code)
{
    return code != NULL && (((PyCodeObject *)code)->co_flags & CO_COROUTINE) != 0;
}

static int execute(PyObject *code, PyObject *names)
{
    return code == NULL ? 0 : settle(PyEval_EvalCode(code, names, names));
}

static int run(const struct host_code *code, PyObject *names)
{
    if (is_coroutine(code->body) || is_coroutine(code->last))
        return settle(PyObject_CallFunction(run_async, "OOO", code->body != NULL ? code->body : Py_None,
                                            code->last != NULL ? code->last : Py_None, names));
    return execute(code->body, names) != 0 ? -1 : execute(code->last, names);
}

/* The last resort, when an error cannot be described: its type's name, as far as that is plain text. */
static PyObject *describe_type(PyObject *type)
{
    char        name[NAME_BYTES];
    size_t      used  = 0;
    const char *whole = PyType_Check(type) ? ((PyTypeObject *)type)->tp_name : "Exception", *dot = strrchr(whole, '.');
    for (const char *p = dot != NULL ? dot + 1 : whole; *p != '\0' && used < sizeof name - 1; p++)
        if (isalnum((unsigned char)*p) || *p == '_')
            name[used++] = *p;
    name[used] = '\0';
    return Py_BuildValue("sN", "error", PyBytes_FromFormat("{\"type\":\"%s\",\"message\":\"\",\"traceback\":\"\"}", name));
}

/* Describing runs user code too (__str__), so it can be interrupted or fail itself: then that is what is described. */
static PyObject *describe_error(void)
{
    PyObject *type = NULL, *result = NULL;
    for (int attempt = 0; attempt < 3 && result == NULL; attempt++) {
        PyObject *value, *traceback;
        Py_XDECREF(type);
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        result =
            PyObject_CallFunctionObjArgs(describe, type, value != NULL ? value : Py_None, traceback != NULL ? traceback : Py_None, NULL);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    if (result == NULL) {
        PyErr_Clear();
        result = describe_type(type);
    }
    Py_XDECREF(type);
    return result;
}

/* Not snprintf: a library in the zygote has registered a conversion of its own, and since then the C library reads every format twice. */
static char *put_text(char *to, const char *text, size_t most)
{
    return mempcpy(to, text, strnlen(text, most));
}

static char *put_number(char *to, const char *name, uint64_t number)
{
    char   digits[NUMBER_BYTES];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return mempcpy(put_text(to, name, NAME_BYTES), digits + at, sizeof digits - at);
}

static size_t write_done(char to[DONE_BYTES], const char *status, const struct host_account *used, const char *end)
{
    char *p = put_text(put_text(to, "{\"status\":\"", NAME_BYTES), status, STATUS_BYTES);
    p       = put_number(p, "\",\"executionCount\":", count);
    p       = put_number(p, ",\"cpuUser\":", used->cpu_user_us);
    p       = put_number(p, ",\"cpuSystem\":", used->cpu_system_us);
    p       = put_number(p, ",\"memoryPeak\":", used->memory_peak_bytes);
    p       = put_number(p, ",\"memory\":", used->memory_bytes);
    p       = put_number(p, ",\"threads\":", used->threads);
    return (size_t)(put_text(p, end, NAME_BYTES) - to);
}

static void send_done(const char *status, const char *error, size_t error_length)
{
    struct host_account used;
    char                fixed[DONE_BYTES];
    const char         *files        = artifacts != NULL ? PyBytes_AS_STRING(artifacts) : "";
    size_t              files_length = artifacts != NULL ? (size_t)PyBytes_GET_SIZE(artifacts) : 0, n;
    PyObject           *bytes;
    host_account_end(&used);
    n = write_done(fixed, status, &used, error_length > 0 ? ",\"error\":" : files_length > 0 ? "" : "}");
    if (error_length + files_length == 0) {
        host_event_queue(EVENT_DONE, fixed, n);
    } else if ((bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n + error_length + files_length + 1))) != NULL) {
        char *p = mempcpy(PyBytes_AS_STRING(bytes), fixed, n);
        p       = mempcpy(p, error, error_length);
        memcpy(mempcpy(p, files, files_length), "}", 1);
        host_event_queue(EVENT_DONE, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
        Py_DECREF(bytes);
    } else {
        PyErr_Clear();
        host_event_queue(EVENT_DONE, fixed,
                         (size_t)snprintf(fixed, sizeof fixed,
                                          "{\"status\":\"error\",\"executionCount\":%" PRIu32
                                          ",\"error\":{\"type\":\"MemoryError\",\"message\":\"\","
                                          "\"traceback\":\"\"}}",
                                          count));
    }
    host_event_flush();
}

static void done_with_error(PyObject *description)
{
    static const char unknown[] = "{\"type\":\"Exception\",\"message\":\"the error could not be described\",\"traceback\":\"\"}";
    const char       *status = "error", *error = unknown;
    Py_ssize_t        length = (Py_ssize_t)sizeof unknown - 1;
    PyObject         *bytes  = NULL;
    if (description == NULL || !PyArg_ParseTuple(description, "sO", &status, &bytes))
        PyErr_Clear();
    else if (bytes == Py_None)
        length = 0;
    else if (PyBytes_AsStringAndSize(bytes, (char **)&error, &length) != 0)
        PyErr_Clear();
    send_done(status, error, (size_t)length);
    Py_XDECREF(description);
}

/* A child that user code forked and that ran to the end of the cell: it has no part in what follows. */
static _Noreturn void leave_child(int failed)
{
    host_event_flush();
    _exit(failed != 0);
}

/* Our own Python around a cell. It runs no user code, so what it raises is a fault of ours, and shown as one. */
static void call_own(PyObject *function)
{
    if (settle(PyObject_CallNoArgs(function)) != 0)
        PyErr_WriteUnraisable(function);
}

static void prepare(uint64_t execution)
{
    count++;
    running = execution;
    host_event_begin(execution);
    if (!host_stream_in_place())
        host_stream_restore();
    host_account_begin();
}

/* Figures left open, then variables. Returns 0, or -1 when an interrupt ended it (KeyboardInterrupt is set). */
static int conclude(const struct host_code *code)
{
    PyObject *changed = NULL;
    if (figures != NULL && PyDict_GET_SIZE(figures) > 0)
        (void)settle(PyObject_CallNoArgs(show_figures));
    if (!PyErr_Occurred())
        changed = host_names_changed(code);
    if (changed != NULL && !skips_variables)
        (void)host_report(changed);
    Py_XDECREF(changed);
    if (!PyErr_Occurred())
        artifacts = host_files_changed();
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        PyErr_WriteUnraisable(show_figures);
    return PyErr_Occurred() ? -1 : 0;
}

static void end(int failed, PyObject *description)
{
    host_signal_leave();
    if (is_set_up)
        call_own(end_run);
    is_set_up = skips_variables = false;
    if (failed != 0)
        done_with_error(description);
    else
        send_done("ok", "", 0);
    Py_CLEAR(artifacts);
    running = 0;
}

static PyObject *cell_name(void)
{
    char  name[NAME_BYTES];
    char *end = put_text(put_number(name, "<cell ", count), ">", 1);
    return PyUnicode_FromStringAndSize(name, end - name);
}

void host_cell_run(const char *source, size_t length, uint64_t execution)
{
    struct host_code code = {NULL, NULL};
    PyObject        *filename, *description = NULL;
    int              failed = -1;
    prepare(execution);
    filename = cell_name();
    host_signal_enter(execution);
    if (filename != NULL && !raise_setup_error() && !host_signal_pending() && host_compile(source, length, filename, &code) == 0 &&
        host_guard(&code, source, length) == 0)
        failed = run(&code, globals);
    if (failed != 0)
        description = describe_error();
    if (!host_event_is_owner())
        leave_child(failed);
    if (conclude(&code) != 0) {
        if (failed == 0)
            description = describe_error();
        failed = -1;
        PyErr_Clear();
    }
    host_compile_done(&code);
    Py_XDECREF(filename);
    end(failed, description);
}

void host_cell_rehearse(void)
{
    static const char text[] = "x = 1\nx += 1\nprint(x)\n";
    struct host_code  code   = {NULL, NULL};
    PyObject         *names = PyDict_New(), *filename = PyUnicode_FromString("<rehearsal>");
    host_event_mute(true);
    if (names == NULL || filename == NULL || PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) != 0 ||
        host_compile(text, sizeof text - 1, filename, &code) != 0 || run(&code, names) != 0)
        PyErr_Clear();
    host_compile_done(&code);
    Py_XDECREF(names);
    Py_XDECREF(filename);
    host_event_mute(false);
}
