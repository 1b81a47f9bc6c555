#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include "host_fresh.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { TWISTER_WORDS = 624, KEY_BYTES = 32, PATH_BYTES = 256 };

/* As numpy lays it out; runtime.py has compared it with what numpy says before it gave the address. */
struct twister {
    uint32_t key[TWISTER_WORDS];
    int      position;
};

static PyObject *seeds;                       /* list of (generator, address) */
static PyObject *seed_random;                 /* _random.Random.seed */
static PyObject *reseed_other, *move_process; /* Python functions */
static PyObject *main_thread, *process_config, *key_type, *uuid_module, *tempfile_module;
static char      home[PATH_BYTES], temporary[PATH_BYTES];

static PyObject *loaded(const char *name)
{
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), name);
    return Py_XNewRef(module);
}

static PyObject *attribute_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name), *result = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    return result;
}

/* multiprocessing signs what its processes say with a key that is made at its import: here, once for all forks. */
static int find_process_key(void)
{
    PyObject *module = loaded("multiprocessing.process"), *process;
    int       result = 0;
    if (module == NULL)
        return 0;
    process        = PyObject_CallMethod(module, "current_process", NULL);
    process_config = process == NULL ? NULL : PyObject_GetAttrString(process, "_config");
    key_type       = PyObject_GetAttrString(module, "AuthenticationString");
    if (process_config == NULL || key_type == NULL || !PyDict_Check(process_config))
        result = -1;
    Py_XDECREF(process);
    Py_DECREF(module);
    return result;
}

static void remember_place(void)
{
    const char *h = getenv("HOME"), *t = getenv("TMPDIR");
    (void)PyOS_snprintf(home, sizeof home, "%s", h != NULL ? h : "");
    (void)PyOS_snprintf(temporary, sizeof temporary, "%s", t != NULL ? t : "");
}

int host_fresh_init(PyObject *generators, PyObject *reseed, PyObject *move)
{
    PyObject *type = attribute_of("_random", "Random"), *find = attribute_of("threading", "main_thread");
    seeds           = Py_NewRef(generators);
    reseed_other    = Py_NewRef(reseed);
    move_process    = Py_NewRef(move);
    seed_random     = type == NULL ? NULL : PyObject_GetAttrString(type, "seed");
    main_thread     = find == NULL ? NULL : PyObject_CallNoArgs(find);
    uuid_module     = loaded("uuid");
    tempfile_module = loaded("tempfile");
    remember_place();
    Py_XDECREF(type);
    Py_XDECREF(find);
    return seed_random == NULL || main_thread == NULL || find_process_key() != 0 ? -1 : 0;
}

static void fill(void *bytes, size_t length)
{
    char *p = bytes;
    while (length > 0) {
        ssize_t n = getrandom(p, length, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* a session must not run with random numbers that are not */
        if (n > 0) {
            p += n;
            length -= (size_t)n;
        }
    }
}

static int seed_one(PyObject *generator, void *address)
{
    struct twister *twister = address;
    PyObject       *done;
    if (twister != NULL) {
        fill(twister->key, sizeof twister->key);
        twister->key[0] |= 0x80000000u; /* all zero would be no state */
        twister->position = TWISTER_WORDS;
        return 0;
    }
    done = PyObject_CallOneArg(seed_random, generator);
    if (done == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        done = PyObject_CallOneArg(reseed_other, generator);
    }
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int host_fresh_seed(void)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(seeds); i++) {
        PyObject *pair = PyList_GET_ITEM(seeds, i);
        if (seed_one(PyTuple_GET_ITEM(pair, 0), PyLong_AsVoidPtr(PyTuple_GET_ITEM(pair, 1))) != 0)
            return -1;
    }
    return 0;
}

static int renew_process_key(void)
{
    char      bytes[KEY_BYTES];
    PyObject *key;
    int       result;
    if (process_config == NULL)
        return 0;
    fill(bytes, sizeof bytes);
    key    = PyObject_CallFunction(key_type, "y#", bytes, (Py_ssize_t)sizeof bytes);
    result = key == NULL ? -1 : PyDict_SetItemString(process_config, "authkey", key);
    Py_XDECREF(key);
    return result;
}

static int renew_thread_id(void)
{
    PyObject *id     = PyLong_FromLong(gettid());
    int       result = id == NULL ? -1 : PyObject_SetAttrString(main_thread, "_native_id", id);
    Py_XDECREF(id);
#if PY_VERSION_HEX >= 0x030b0000
    PyThreadState_Get()->native_thread_id = (unsigned long)gettid();
#endif
    return result;
}

/* Sets a name that was made for the zygote, if it was, back to what it is before the first use. */
static int forget(PyObject *module, const char *name)
{
    PyObject *value  = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    int       result = 0;
    if (value != NULL && value != Py_None)
        result = PyObject_SetAttrString(module, name, Py_None);
    Py_XDECREF(value);
    PyErr_Clear(); /* another version of the module may not have the name */
    return result;
}

static int renew_place(void)
{
    const char *h = getenv("HOME"), *t = getenv("TMPDIR");
    PyObject   *done;
    if (h == NULL || t == NULL || (strcmp(h, home) == 0 && strcmp(t, temporary) == 0))
        return 0;
    done = PyObject_CallFunction(move_process, "ss", h, t);
    remember_place();
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

void host_fresh_fork(void)
{
    if (host_fresh_seed() != 0 || renew_thread_id() != 0 || renew_process_key() != 0 || renew_place() != 0 ||
        forget(tempfile_module, "_name_sequence") != 0 || forget(uuid_module, "_node") != 0 || forget(uuid_module, "_last_timestamp") != 0)
        PyErr_Print();
}
