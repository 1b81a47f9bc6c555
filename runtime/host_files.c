#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include "host_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 512, WRITING = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND };

/* Events, beside open(), after which a file may be new or other than it was. What starts a process may do anything. */
static const char *const events[] = {
    "os.rename",      "os.link", "os.truncate",      "os.system", "os.fork",         "os.forkpty",
    "os.posix_spawn", "os.exec", "subprocess.Popen", "pty.spawn", "sqlite3.connect", "ctypes.call_function",
};

static PyObject       *scan, *take;
static char            place[PATH_BYTES];
static bool            noted;
static struct timespec seen; /* change of the workspace's directory, when last looked at */

int host_files_init(PyObject *package)
{
    PyObject *artifacts = PyObject_GetAttrString(package, "artifacts");
    scan                = artifacts == NULL ? NULL : PyObject_GetAttrString(artifacts, "scan");
    take                = artifacts == NULL ? NULL : PyObject_GetAttrString(artifacts, "take");
    Py_XDECREF(artifacts);
    return scan == NULL || take == NULL ? -1 : 0;
}

static bool opens_for_writing(PyObject *args)
{
    PyObject *flags = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 2 ? PyTuple_GET_ITEM(args, 2) : NULL;
    long      value = flags != NULL && PyLong_Check(flags) ? PyLong_AsLong(flags) : 0;
    if (value == -1)
        PyErr_Clear();
    return (value & WRITING) != 0;
}

void host_files_on_audit(const char *event, PyObject *args)
{
    if (noted || (event[0] != 'o' && event[0] != 's' && event[0] != 'p' && event[0] != 'c'))
        return;
    if (strcmp(event, "open") == 0) {
        noted = opens_for_writing(args);
        return;
    }
    for (size_t i = 0; i < sizeof events / sizeof *events && !noted; i++)
        noted = strcmp(event, events[i]) == 0;
}

/* Files that appear, go or are renamed right in the workspace change its directory, whoever does it. */
static bool directory_has_changed(void)
{
    struct stat st;
    bool        changed;
    if (place[0] == '\0' || stat(place, &st) != 0)
        return false;
    changed = st.st_ctim.tv_sec != seen.tv_sec || st.st_ctim.tv_nsec != seen.tv_nsec;
    seen    = st.st_ctim;
    return changed;
}

static bool is_empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    int  entries   = 0;
    if (directory == NULL)
        return true;
    while (entries < 3 && readdir(directory) != NULL)
        entries++;
    (void)closedir(directory);
    return entries < 3;
}

void host_files_start(void)
{
    const char *home = getenv("HOME");
    PyObject   *done;
    (void)PyOS_snprintf(place, sizeof place, "%s", home != NULL ? home : "");
    (void)directory_has_changed();
    done = PyObject_CallFunction(take, "sO", place, is_empty_directory(place) ? Py_False : Py_True);
    if (done == NULL)
        PyErr_Print();
    Py_XDECREF(done);
    noted = false;
}

PyObject *host_files_changed(void)
{
    PyObject *found;
    bool      changed = directory_has_changed();
    if (!noted && !changed)
        return NULL;
    found = PyObject_CallNoArgs(scan);
    noted = false; /* the scan's own opening is none */
    if (found != NULL && (!PyBytes_Check(found) || PyBytes_GET_SIZE(found) == 0))
        Py_CLEAR(found);
    return found;
}
