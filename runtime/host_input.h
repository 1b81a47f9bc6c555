/* host_input.h: input() of user code, answered by the client. */
#ifndef PENNY_HOST_INPUT_H
#define PENNY_HOST_INPUT_H

#include <Python.h>

/*
 * Sends EVENT_INPUT_REQUEST with this payload and waits for the answer. Returns it as a str, or NULL with an exception set: what a
 * signal handler raised, or RuntimeError where nobody can answer (another thread, a child, no cell running).
 */
PyObject *host_input_ask(const char *payload, size_t length);

#endif
