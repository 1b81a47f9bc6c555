/* host_encode.h: text of Python as UTF-8, in pieces. */
#ifndef PENNY_HOST_ENCODE_H
#define PENNY_HOST_ENCODE_H

#include <Python.h>
#include <stdint.h>

/* Gives host_event_text the UTF-8 of a str that is ready; lone surrogates as \\udcxx. The caller holds the GIL. */
void host_encode_text(uint8_t type, PyObject *text);

#endif
