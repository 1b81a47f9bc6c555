#define PY_SSIZE_T_CLEAN
#include "host_encode.h"

#include "host_event.h"

enum { CHUNK_BYTES = 8192, ESCAPE_BYTES = 10 };

static size_t encode(Py_UCS4 c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c >= 0xd800 && c < 0xe000)
        return (size_t)PyOS_snprintf(out, ESCAPE_BYTES, "\\u%04x", (unsigned)c);
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Encodes by pieces: PyUnicode_AsUTF8 would keep a second copy of a big text alive inside the string. */
void host_encode_text(uint8_t type, PyObject *text)
{
    char        chunk[CHUNK_BYTES];
    size_t      used   = 0;
    Py_ssize_t  length = PyUnicode_GET_LENGTH(text);
    int         kind   = (int)PyUnicode_KIND(text);
    const void *data   = PyUnicode_DATA(text);
    for (Py_ssize_t i = 0; i < length; i++) {
        used += encode(PyUnicode_READ(kind, data, i), chunk + used);
        if (used > CHUNK_BYTES - ESCAPE_BYTES) {
            host_event_text(type, chunk, used);
            used = 0;
        }
    }
    host_event_text(type, chunk, used);
}
