#define PY_SSIZE_T_CLEAN
#include "host_input.h"

#include "host_cell.h"
#include "host_event.h"
#include "host_request.h"
#include "host_signal.h"
#include "host_worker.h"
#include "shared/wire.h"

#include <stdbool.h>
#include <unistd.h>

static bool can_ask(void)
{
    if (!host_event_is_owner())
        PyErr_SetString(PyExc_EOFError, "a child process has no standard input");
    else if (!host_signal_is_main_thread())
        PyErr_SetString(PyExc_RuntimeError, "input() works in the main thread only");
    else if (host_cell_execution() == 0)
        PyErr_SetString(PyExc_RuntimeError, "input() works while a cell runs");
    else
        return true;
    return false;
}

PyObject *host_input_ask(const char *payload, size_t length)
{
    struct host_request request;
    int                 present;
    if (!can_ask())
        return NULL;
    host_event_queue(EVENT_INPUT_REQUEST, payload, length);
    host_event_flush();
    while ((present = host_request_read_interruptibly(&request)) > 0) {
        if (request.type == REQUEST_PING) {
            host_event_queue(EVENT_PONG, "input", 5);
            host_event_flush();
            continue;
        }
        if (request.type != REQUEST_INPUT)
            _exit(HOST_EXIT_PROTOCOL);
        if (request.execution == host_cell_execution())
            return PyUnicode_DecodeUTF8(request.payload, (Py_ssize_t)request.length, "replace");
    }
    if (present == 0)
        _exit(0);
    return NULL;
}
