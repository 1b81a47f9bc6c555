#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host.h"
#include "host_adopt.h"
#include "host_boundary.h"
#include "host_cell.h"
#include "host_compile.h"
#include "host_event.h"
#include "host_files.h"
#include "host_image.h"
#include "host_leftover.h"
#include "host_mappings.h"
#include "host_memory.h"
#include "host_module.h"
#include "host_names.h"
#include "host_pages.h"
#include "host_program.h"
#include "host_report.h"
#include "host_source.h"
#include "host_worker.h"

#include <stdio.h>
#include <string.h>

/* Our files are one package of this name, outside of sys.path: no module of the user can meet one of ours. */
static const char package_name[] = "penny_runtime";

static void make_one_line(struct err *err)
{
    if (err == NULL)
        return;
    for (char *p = err->message; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
}

/* Turns the present exception into an err; returns -1. */
static int fail(struct err *err, const char *what)
{
    PyObject   *type, *value, *traceback, *text = NULL;
    const char *message = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL)
        text = PyUnicode_FromFormat("%s: %S", ((PyTypeObject *)type)->tp_name, value);
    if (text != NULL)
        message = PyUnicode_AsUTF8(text);
    (void)err_set(err, 0, "%s: %s", what, message != NULL ? message : "unknown error");
    make_one_line(err);
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return -1;
}

static int fail_status(struct err *err, PyStatus status)
{
    return err_set(err, 0, "Python does not start: %s", status.err_msg != NULL ? status.err_msg : "unknown error");
}

static int start_python(const struct policy *policy, struct err *err)
{
    PyPreConfig before;
    PyConfig    config;
    PyStatus    status;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    status           = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return fail_status(err, status);
    PyConfig_InitPythonConfig(&config);
    config.use_environment     = 0;
    config.user_site_directory = 0;
    config.write_bytecode      = 0;
    config.parse_argv          = 0;
    config.safe_path           = 1;
    status                     = PyConfig_SetBytesString(&config, &config.program_name, policy->python);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(&config, &config.executable, policy->python);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return PyStatus_Exception(status) ? fail_status(err, status) : 0;
}

/* Imports runtime/python/__init__.py as a package, from its file, and returns it. */
static PyObject *import_package(const char *directory)
{
    static const char code[] = "import importlib.util, sys\n"
                               "spec = importlib.util.spec_from_file_location(name, directory + '/__init__.py',\n"
                               "                                              submodule_search_locations=[directory])\n"
                               "package = importlib.util.module_from_spec(spec)\n"
                               "sys.modules[name] = package\n"
                               "spec.loader.exec_module(package)\n";
    PyObject *names = Py_BuildValue("{s:s,s:s,s:O}", "name", package_name, "directory", directory, "__builtins__", PyEval_GetBuiltins());
    PyObject *done = names == NULL ? NULL : PyRun_String(code, Py_file_input, names, names), *package = NULL;
    if (done != NULL)
        package = Py_XNewRef(PyDict_GetItemString(names, "package"));
    Py_XDECREF(done);
    Py_XDECREF(names);
    return package;
}

static PyObject *preload_list(const struct policy *policy)
{
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list != NULL && i < policy->preload_count && i < POLICY_PRELOAD_MAX; i++) {
        PyObject *name = PyUnicode_FromString(policy->preload[i]);
        if (name == NULL || PyList_Append(list, name) != 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* Python's part: preload, shell, warm-ups. The package says how (runtime.start). */
static int start_runtime(PyObject *package, const struct policy *policy, const char *imports_json)
{
    PyObject *runtime = PyObject_GetAttrString(package, "runtime"), *list = preload_list(policy), *done = NULL;
    if (runtime != NULL && list != NULL)
        done = PyObject_CallMethod(runtime, "start", "Oss", list, imports_json, policy->profile);
    if (done != NULL && (host_source_init() != 0 || host_compile_init(runtime) != 0))
        Py_CLEAR(done);
    Py_XDECREF(list);
    Py_XDECREF(runtime);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int init_names(PyObject *package)
{
    PyObject *main_module = PyImport_AddModule("__main__"), *variables = PyObject_GetAttrString(package, "variables");
    int       result = main_module == NULL || variables == NULL ? -1 : host_names_init(PyModule_GetDict(main_module), variables);
    if (result == 0)
        result = host_report_init(variables);
    Py_XDECREF(variables);
    return result;
}

int host_start(const struct policy *policy, const char *imports_json, struct err *err)
{
    PyObject *package;
    int       number;
    host_leftover_note();
    if (host_memory_init(err) != 0)
        return -1;
    if ((number = host_event_init()) != 0)
        return err_set(err, number, "pthread_atfork: %s", strerror(number));
    if (host_boundary_init() != 0)
        return err_errno(err, "the audit hook");
    host_adopt_init();
    if (host_module_register() != 0)
        return err_set(err, 0, "the module _penny could not be registered");
    if (start_python(policy, err) != 0)
        return -1;
    package = import_package(policy->python_library);
    if (package == NULL)
        return fail(err, policy->python_library);
    if (start_runtime(package, policy, imports_json) != 0)
        return fail(err, "starting the Python side");
    if (host_boundary_install() != 0 || init_names(package) != 0 || host_cell_init(package) != 0 || host_files_init(package) != 0 ||
        host_worker_init(package) != 0)
        return fail(err, "our Python package is incomplete");
    return host_leftover_check(err);
}

void host_settle(const char *program)
{
    host_cell_rehearse();
    host_mappings_merge();
    host_memory_settle();
    host_worker_settle();
    host_program_map(program);
    if (host_image_seal())
        host_pages_learn(host_worker_rehearse, host_worker_rehearse_cell);
    else
        host_memory_collapse();
    host_program_name();
}

const char *host_version(void)
{
    return Py_GetVersion();
}
