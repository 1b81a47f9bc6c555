#define PY_SSIZE_T_CLEAN
#include "host_compile.h"

#include "host_source.h"
#include "host_split.h"

#include <stdbool.h>
#include <string.h>

static PyObject *transform, *compile_function, *expression_type, *interactive_type;
static PyObject *name_body, *name_end_line, *name_end_column, *text_exec, *text_single;
static int       future_flags; /* from __future__ import holds for the cells that follow */

static const int base_flags = PyCF_SOURCE_IS_UTF8 | PyCF_IGNORE_COOKIE | PyCF_ALLOW_TOP_LEVEL_AWAIT;

int host_compile_init(PyObject *runtime)
{
    PyObject *ast    = PyImport_ImportModule("_ast");
    transform        = PyObject_GetAttrString(runtime, "transform");
    compile_function = PyDict_GetItemString(PyEval_GetBuiltins(), "compile");
    expression_type  = ast == NULL ? NULL : PyObject_GetAttrString(ast, "Expr");
    interactive_type = ast == NULL ? NULL : PyObject_GetAttrString(ast, "Interactive");
    name_body        = PyUnicode_InternFromString("body");
    name_end_line    = PyUnicode_InternFromString("end_lineno");
    name_end_column  = PyUnicode_InternFromString("end_col_offset");
    text_exec        = PyUnicode_InternFromString("exec");
    text_single      = PyUnicode_InternFromString("single");
    Py_XINCREF(compile_function);
    Py_XDECREF(ast);
    return transform == NULL || compile_function == NULL || interactive_type == NULL ? -1 : 0;
}

static PyObject *decode(const char *source, size_t length)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (length >= 3 && memcmp(source, mark, 3) == 0) {
        source += 3;
        length -= 3;
    }
    if (memchr(source, '\0', length) != NULL) {
        PyErr_SetString(PyExc_SyntaxError, "source code cannot contain null bytes");
        return NULL;
    }
    return PyUnicode_DecodeUTF8(source, (Py_ssize_t)length, "strict");
}

static PyObject *parse(PyObject *source, PyObject *filename)
{
    PyCompilerFlags flags = {.cf_flags = base_flags | PyCF_ONLY_AST | future_flags, .cf_feature_version = PY_MINOR_VERSION};
    const char     *text  = PyUnicode_AsUTF8(source);
    return text == NULL ? NULL : Py_CompileStringObject(text, filename, Py_file_input, &flags, -1);
}

/* What is not Python may be IPython's: *source becomes the Python it stands for. The first error stays when it is neither. */
static PyObject *parse_or_transform(PyObject **source, PyObject *filename)
{
    PyObject *type, *value, *traceback, *other, *tree = parse(*source, filename);
    if (tree != NULL || !PyErr_ExceptionMatches(PyExc_SyntaxError))
        return tree;
    PyErr_Fetch(&type, &value, &traceback);
    other = PyObject_CallOneArg(transform, *source);
    if (other == NULL || other == Py_None) {
        if (other != NULL)
            PyErr_Restore(type, value, traceback);
        Py_XDECREF(other);
        return NULL;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    Py_SETREF(*source, other);
    return parse(other, filename);
}

static Py_ssize_t number(PyObject *node, PyObject *name)
{
    PyObject  *value  = PyObject_GetAttr(node, name);
    Py_ssize_t result = value == NULL ? -1 : PyLong_AsSsize_t(value);
    Py_XDECREF(value);
    return result;
}

/* Whether a semicolon follows the last expression: then its value is not wanted. */
static bool is_silenced(PyObject *source, PyObject *last)
{
    Py_ssize_t  line = number(last, name_end_line), column = number(last, name_end_column), length;
    const char *text = PyUnicode_AsUTF8AndSize(source, &length), *end;
    if (text == NULL || line < 0 || column < 0) {
        PyErr_Clear();
        return false;
    }
    end = text + length;
    for (; line > 1 && text != NULL; line--) {
        const char *next = strpbrk(text, "\r\n");
        text             = next == NULL ? NULL : next + (next[0] == '\r' && next[1] == '\n' ? 2 : 1);
    }
    if (text == NULL || end - text < column)
        return false;
    text += column;
    return text[strspn(text, " \t\f\\\r\n")] == ';';
}

static PyObject *compile_tree(PyObject *tree, PyObject *filename, PyObject *mode)
{
    PyObject *flags = PyLong_FromLong((base_flags & PyCF_ALLOW_TOP_LEVEL_AWAIT) | future_flags), *code = NULL;
    if (flags != NULL)
        code = PyObject_CallFunctionObjArgs(compile_function, tree, filename, mode, flags, Py_True, NULL);
    if (code != NULL)
        future_flags |= ((PyCodeObject *)code)->co_flags & PyCF_MASK;
    Py_XDECREF(flags);
    return code;
}

static PyObject *compile_last(PyObject *statement, PyObject *filename)
{
    PyObject *list = PyList_New(1), *tree, *code;
    if (list == NULL)
        return NULL;
    PyList_SET_ITEM(list, 0, Py_NewRef(statement));
    tree = PyObject_CallOneArg(interactive_type, list);
    code = tree == NULL ? NULL : compile_tree(tree, filename, text_single);
    Py_XDECREF(tree);
    Py_DECREF(list);
    return code;
}

/* Takes a last expression that shall be displayed out of the tree. Returns it, or NULL (no exception set). */
static PyObject *take_last(PyObject *body, PyObject *source)
{
    Py_ssize_t count = PyList_GET_SIZE(body);
    PyObject  *last  = count == 0 ? NULL : PyList_GET_ITEM(body, count - 1);
    if (last == NULL || (PyObject *)Py_TYPE(last) != expression_type || is_silenced(source, last))
        return NULL;
    Py_INCREF(last);
    if (PyList_SetSlice(body, count - 1, count, NULL) != 0) {
        PyErr_Clear();
        Py_CLEAR(last);
    }
    return last;
}

static int compile_parts(PyObject *tree, PyObject *source, PyObject *filename, struct host_code *ret)
{
    PyObject *body   = PyObject_GetAttr(tree, name_body), *last;
    int       result = 0;
    if (body == NULL)
        return -1;
    last = take_last(body, source);
    if (PyList_GET_SIZE(body) > 0 && (ret->body = compile_tree(tree, filename, text_exec)) == NULL)
        result = -1;
    if (result == 0 && last != NULL && (ret->last = compile_last(last, filename)) == NULL)
        result = -1;
    Py_XDECREF(last);
    Py_DECREF(body);
    if (result != 0)
        host_compile_done(ret);
    return result;
}

/* Compiles a part of the text as it stands in it: `line` line breaks go before, so that its lines have their numbers. */
static PyObject *compile_text(const char *text, size_t length, size_t line, PyObject *filename, int mode)
{
    PyCompilerFlags flags  = {.cf_flags = base_flags | future_flags, .cf_feature_version = PY_MINOR_VERSION};
    char           *buffer = PyMem_Malloc(line + length + 1);
    PyObject       *code;
    if (buffer == NULL)
        return PyErr_NoMemory();
    memset(buffer, '\n', line);
    memcpy(buffer + line, text, length);
    buffer[line + length] = '\0';
    code                  = Py_CompileStringObject(buffer, filename, mode, &flags, -1);
    PyMem_Free(buffer);
    if (code != NULL)
        future_flags |= ((PyCodeObject *)code)->co_flags & PyCF_MASK;
    return code;
}

/* Without a tree, whose making costs more than all else in a short cell. Returns 0; -1 (no exception set) when it must be made. */
static int compile_quickly(PyObject *source, PyObject *filename, struct host_code *ret)
{
    Py_ssize_t           length;
    const char          *text = PyUnicode_AsUTF8AndSize(source, &length);
    struct host_split    split;
    enum host_split_kind kind = text == NULL ? HOST_SPLIT_UNSURE : host_split(text, (size_t)length, &split);
    if (kind == HOST_SPLIT_WHOLE) {
        ret->body = compile_text(text, (size_t)length, 0, filename, Py_file_input);
    } else if (kind == HOST_SPLIT_LAST) {
        if (split.offset > 0)
            ret->body = compile_text(text, split.offset, 0, filename, Py_file_input);
        if (split.offset == 0 || ret->body != NULL)
            ret->last = compile_text(text + split.offset, (size_t)length - split.offset, split.line, filename, Py_single_input);
    }
    if (kind != HOST_SPLIT_UNSURE && !PyErr_Occurred())
        return 0;
    PyErr_Clear();
    host_compile_done(ret);
    return -1;
}

int host_compile(const char *source, size_t length, PyObject *filename, struct host_code *ret)
{
    PyObject *text   = decode(source, length), *tree;
    int       result = -1;
    *ret             = (struct host_code){NULL, NULL};
    if (text == NULL)
        return -1;
    if (host_source_remember(filename, text) != 0) {
        result = -1;
    } else if (compile_quickly(text, filename, ret) == 0) {
        result = 0;
    } else if ((tree = parse_or_transform(&text, filename)) != NULL) {
        result = compile_parts(tree, text, filename, ret);
        Py_DECREF(tree);
    }
    Py_DECREF(text);
    return result;
}

void host_compile_done(struct host_code *code)
{
    Py_CLEAR(code->body);
    Py_CLEAR(code->last);
}
