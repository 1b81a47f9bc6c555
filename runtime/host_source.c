#define PY_SSIZE_T_CLEAN
#include "host_source.h"

#include <string.h>

enum { CELLS_KEPT = 512, BYTES_KEPT = 16 * 1024 * 1024 };

static PyObject *cache; /* linecache.cache */

static struct {
    PyObject  *filename; /* NULL: free */
    Py_ssize_t bytes;
} kept[CELLS_KEPT];

static size_t     oldest, newest; /* indices into kept; equal: none is kept */
static Py_ssize_t kept_bytes;

int host_source_init(void)
{
    PyObject *module = PyImport_ImportModule("linecache");
    cache            = module == NULL ? NULL : PyObject_GetAttrString(module, "cache");
    Py_XDECREF(module);
    return cache == NULL ? -1 : 0;
}

/* The next line with its break, which is "\n" whatever the text has: traceback counts on it. */
static PyObject *next_line(const char **text, const char *end)
{
    const char *start = *text, *p = start;
    PyObject   *line;
    while (p < end && *p != '\n' && *p != '\r')
        p++;
    line = PyUnicode_DecodeUTF8(start, p - start, "replace");
    if (line != NULL)
        PyUnicode_AppendAndDel(&line, PyUnicode_FromString("\n"));
    if (p < end)
        p += *p == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
    *text = p;
    return line;
}

static PyObject *split_lines(const char *text, Py_ssize_t length)
{
    PyObject   *lines = PyList_New(0);
    const char *end   = text + length;
    while (lines != NULL && text < end) {
        PyObject *line = next_line(&text, end);
        if (line == NULL || PyList_Append(lines, line) != 0)
            Py_CLEAR(lines);
        Py_XDECREF(line);
    }
    return lines;
}

static void forget_oldest(void)
{
    PyObject *filename = kept[oldest].filename;
    if (PyDict_DelItem(cache, filename) != 0)
        PyErr_Clear(); /* the program has cleared the cache itself */
    kept_bytes -= kept[oldest].bytes;
    Py_CLEAR(kept[oldest].filename);
    oldest = (oldest + 1) % CELLS_KEPT;
}

static void note(PyObject *filename, Py_ssize_t bytes)
{
    kept[newest].filename = Py_NewRef(filename);
    kept[newest].bytes    = bytes;
    kept_bytes += bytes;
    newest = (newest + 1) % CELLS_KEPT;
    while (newest == oldest || (kept_bytes > BYTES_KEPT && (oldest + 1) % CELLS_KEPT != newest))
        forget_oldest();
}

int host_source_remember(PyObject *filename, PyObject *text)
{
    Py_ssize_t  length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    PyObject   *lines = bytes == NULL ? NULL : split_lines(bytes, length), *entry;
    int         result;
    if (lines == NULL)
        return -1;
    entry  = Py_BuildValue("nONO", length, Py_None, lines, filename);
    result = entry == NULL ? -1 : PyDict_SetItem(cache, filename, entry);
    Py_XDECREF(entry);
    if (result == 0)
        note(filename, length);
    return result;
}
