#define PY_SSIZE_T_CLEAN
#include "host_names.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ITEMS = 64, SET_SLOTS = 256, BYTES_WHOLE = 4096, BYTES_ENDS = 256 };

static PyObject *names;      /* the session's namespace */
static PyObject *marks;      /* name -> int: what its value looked like */
static PyObject *deep_marks; /* name -> object: the same, made by Python for what this file cannot look into */
static PyObject *touched;

int host_names_init(PyObject *namespace, PyObject *variables_module)
{
    PyObject *list;
    names      = Py_NewRef(namespace);
    marks      = PyDict_New();
    deep_marks = PyDict_New();
    touched    = PyObject_GetAttrString(variables_module, "touched");
    if (marks == NULL || deep_marks == NULL || touched == NULL)
        return -1;
    list = host_names_changed(NULL);
    Py_XDECREF(list);
    return PyErr_Occurred() ? -1 : 0;
}

static uint64_t mix(uint64_t mark, uint64_t value)
{
    mark = (mark ^ value) * 0x9e3779b97f4a7c15u;
    return mark ^ mark >> 29;
}

static uint64_t mix_pointers(uint64_t mark, PyObject *const *items, Py_ssize_t count)
{
    Py_ssize_t step = count > ITEMS ? count / ITEMS : 1;
    for (Py_ssize_t i = 0; i < count; i += step)
        mark = mix(mark, (uintptr_t)items[i]);
    return count > 0 ? mix(mark, (uintptr_t)items[count - 1]) : mark;
}

static uint64_t mix_bytes(uint64_t mark, const char *bytes, size_t length)
{
    uint64_t word;
    size_t   step = 8;
    if (length > BYTES_WHOLE) {
        mark = mix_bytes(mark, bytes, BYTES_ENDS);
        mark = mix_bytes(mark, bytes + length - BYTES_ENDS, BYTES_ENDS);
        step = length / ITEMS;
    }
    for (size_t i = 0; i < length; i += step) {
        word = 0;
        memcpy(&word, bytes + i, length - i < 8 ? length - i : 8);
        mark = mix(mark, word);
    }
    return mark;
}

static uint64_t mark_set(uint64_t mark, const PySetObject *set)
{
    Py_ssize_t slots = set->mask + 1 < SET_SLOTS ? set->mask + 1 : SET_SLOTS;
    mark             = mix(mark, (uint64_t)set->used);
    for (Py_ssize_t i = 0; i < slots; i++)
        mark = mix(mark, (uintptr_t)set->table[i].key);
    return mark;
}

static uint64_t mark_buffer(uint64_t mark, PyObject *value)
{
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_FULL_RO) != 0) {
        PyErr_Clear();
        return mark;
    }
    mark = mix(mix(mark, (uintptr_t)view.buf), (uint64_t)view.len);
    for (int i = 0; i < view.ndim && view.shape != NULL; i++)
        mark = mix(mark, (uint64_t)view.shape[i]);
    if (view.buf != NULL && PyBuffer_IsContiguous(&view, 'A'))
        mark = mix_bytes(mark, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return mark;
}

static uint64_t mark_dict(uint64_t mark, PyObject *value)
{
#if PY_VERSION_HEX < 0x030c0000
    return mix(mark, ((PyDictObject *)value)->ma_version_tag);
#else
    return mix(mark, (uint64_t)PyDict_GET_SIZE(value));
#endif
}

static uint64_t mark_of(PyObject *value)
{
    uint64_t mark = mix(0, (uintptr_t)value);
    if (PyList_CheckExact(value))
        return mix_pointers(mix(mark, (uint64_t)PyList_GET_SIZE(value)), ((PyListObject *)value)->ob_item, PyList_GET_SIZE(value));
    if (PyDict_CheckExact(value))
        return mark_dict(mark, value);
    if (PySet_CheckExact(value))
        return mark_set(mark, (PySetObject *)value);
    if (!PyBytes_CheckExact(value) && PyObject_CheckBuffer(value))
        return mark_buffer(mark, value);
    return mark;
}

/* Whether changes inside it need Python to be seen: objects with attributes, which a pointer does not tell. */
static bool is_deep(PyObject *value)
{
    return !PyList_CheckExact(value) && !PyDict_CheckExact(value) && !PyAnySet_CheckExact(value) && !PyUnicode_CheckExact(value) &&
           !PyLong_CheckExact(value) && !PyFloat_CheckExact(value) && !PyTuple_CheckExact(value) && !PyBool_Check(value) &&
           value != Py_None && !PyModule_Check(value) && !PyFunction_Check(value) && !PyType_Check(value) && !PyCFunction_Check(value) &&
           !PyObject_CheckBuffer(value);
}

static bool is_internal(PyObject *name)
{
    return !PyUnicode_CheckExact(name) ||
           (PyUnicode_GET_LENGTH(name) > 1 && PyUnicode_READ_CHAR(name, 0) == '_' && PyUnicode_READ_CHAR(name, 1) == '_');
}

/* Returns 1 when the name's mark differs from the one kept (which is replaced), 0 when not, -1 with an exception set. */
static int renew(PyObject *name, PyObject *value)
{
    uint64_t  mark = mark_of(value);
    PyObject *old  = PyDict_GetItemWithError(marks, name), *number;
    int       result;
    if (old != NULL && PyLong_AsUnsignedLongLongMask(old) == mark)
        return 0;
    number = PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(mark);
    if (number == NULL)
        return -1;
    result = PyDict_SetItem(marks, name, number) == 0 ? 1 : -1;
    Py_DECREF(number);
    return result;
}

static int add_pair(PyObject **list, PyObject *name, PyObject *value)
{
    PyObject *pair = PyTuple_Pack(2, name, value);
    int       result;
    if (*list == NULL)
        *list = PyList_New(0);
    result = pair == NULL || *list == NULL ? -1 : PyList_Append(*list, pair);
    Py_XDECREF(pair);
    return result;
}

/* The outer changes into *changed, and what of them has an inside into *deep. */
static int scan(PyObject **changed, PyObject **deep)
{
    PyObject  *name, *value;
    Py_ssize_t position = 0, seen = 0;
    while (PyDict_Next(names, &position, &name, &value)) {
        int differs;
        if (is_internal(name))
            continue;
        seen++;
        differs = renew(name, value);
        if (differs < 0 || (differs > 0 && add_pair(changed, name, value) != 0))
            return -1;
        if (differs > 0 && is_deep(value) && add_pair(deep, name, value) != 0)
            return -1;
    }
    return PyDict_GET_SIZE(marks) > seen;
}

/* Forgets what has been deleted from the namespace. */
static int purge(PyObject *kept)
{
    PyObject *list   = PyDict_Keys(kept);
    int       result = list == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *name = PyList_GET_ITEM(list, i);
        if (!PyDict_Contains(names, name))
            result = PyDict_DelItem(kept, name);
    }
    Py_XDECREF(list);
    return result;
}

/* Adds those of the names in a code object that are bound to something with an inside; of functions also the names they use. */
static int add_used(PyObject *code, PyObject **deep, int depth)
{
    PyObject *used = ((PyCodeObject *)code)->co_names;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(used); i++) {
        PyObject *name = PyTuple_GET_ITEM(used, i), *value = PyDict_GetItemWithError(names, name);
        if (value == NULL)
            continue;
        if (PyFunction_Check(value) && depth > 0 && add_used(PyFunction_GET_CODE(value), deep, depth - 1) != 0)
            return -1;
        if (is_deep(value) && !is_internal(name) && add_pair(deep, name, value) != 0)
            return -1;
    }
    return 0;
}

static int contains(PyObject *list, PyObject *pair)
{
    for (Py_ssize_t i = 0; list != NULL && i < PyList_GET_SIZE(list); i++)
        if (PyTuple_GET_ITEM(PyList_GET_ITEM(list, i), 0) == PyTuple_GET_ITEM(pair, 0))
            return 1;
    return 0;
}

/* Asks Python which of `deep` have changed inside, and adds those to *changed. */
static int look_inside(PyObject *deep, PyObject **changed)
{
    PyObject *found  = PyObject_CallFunctionObjArgs(touched, deep, deep_marks, NULL);
    int       result = found == NULL || !PyList_Check(found) ? -1 : 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(found); i++) {
        PyObject *pair = PyList_GET_ITEM(found, i);
        if (contains(*changed, pair))
            continue;
        if (*changed == NULL && (*changed = PyList_New(0)) == NULL)
            result = -1;
        else
            result = PyList_Append(*changed, pair);
    }
    Py_XDECREF(found);
    return result;
}

PyObject *host_names_changed(const struct host_code *code)
{
    PyObject *changed = NULL, *deep = NULL;
    int       result = scan(&changed, &deep);
    if (result > 0)
        result = purge(marks) != 0 || purge(deep_marks) != 0 ? -1 : 0;
    if (result == 0 && code != NULL && code->body != NULL)
        result = add_used(code->body, &deep, 1);
    if (result == 0 && code != NULL && code->last != NULL)
        result = add_used(code->last, &deep, 1);
    if (result == 0 && deep != NULL)
        result = look_inside(deep, &changed);
    Py_XDECREF(deep);
    if (result != 0)
        Py_CLEAR(changed);
    return changed;
}
