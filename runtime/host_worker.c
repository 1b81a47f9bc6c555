#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host.h"
#include "host_account.h"
#include "host_adopt.h"
#include "host_cell.h"
#include "host_event.h"
#include "host_files.h"
#include "host_fresh.h"
#include "host_pages.h"
#include "host_park.h"
#include "host_request.h"
#include "host_signal.h"
#include "host_worker.h"
#include "shared/wire.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTLING_STARTS = 2 /* with none 84 pages of a start stay changed, with one 72, with two or more 66 */ };

static PyObject *setup, *inspect;
static bool      is_used; /* something has been asked of it that runs code */

static PyObject *attribute(PyObject *package, const char *module, const char *name)
{
    PyObject *m = PyObject_GetAttrString(package, module), *result = m == NULL ? NULL : PyObject_GetAttrString(m, name);
    Py_XDECREF(m);
    return result;
}

int host_worker_init(PyObject *package)
{
    setup   = attribute(package, "runtime", "setup");
    inspect = attribute(package, "runtime", "inspect");
    return setup == NULL || inspect == NULL ? -1 : 0;
}

static PyObject *call(PyObject *function, const struct host_request *request)
{
    PyObject *argument = PyBytes_FromStringAndSize(request->payload, (Py_ssize_t)request->length);
    PyObject *result   = argument == NULL ? NULL : PyObject_CallOneArg(function, argument);
    Py_XDECREF(argument);
    return result;
}

static void set_up(const struct host_request *request)
{
    PyObject *wants_variables = call(setup, request);
    if (wants_variables == NULL)
        host_cell_fail_setup();
    else
        host_cell_set_up(PyObject_IsTrue(wants_variables) == 1);
    Py_XDECREF(wants_variables);
}

static void answer_inspect(const struct host_request *request)
{
    static const char failed[] = "{\"ok\":false,\"error\":{\"type\":\"RuntimeError\",\"message\":\"the inspection failed\"}}";
    PyObject         *reply;
    char             *text;
    Py_ssize_t        length;
    host_event_begin(request->execution);
    host_signal_enter(request->execution);
    reply = call(inspect, request);
    if (reply == NULL)
        PyErr_Print(); /* inspect() answers failures itself: this one is a fault of ours and must be seen */
    host_signal_leave();
    if (reply != NULL && PyBytes_AsStringAndSize(reply, &text, &length) == 0)
        host_event_queue(EVENT_REPLY, text, (size_t)length);
    else
        host_event_queue(EVENT_REPLY, failed, sizeof failed - 1);
    PyErr_Clear();
    Py_XDECREF(reply);
    host_event_flush();
}

static void answer_ping(void)
{
    host_event_queue(EVENT_PONG, "idle", 4);
    host_event_flush();
}

static void send_ready(int restored)
{
    char text[128];
    int  n = restored < 0 ? snprintf(text, sizeof text, "{\"python\":\"%s\",\"pid\":%d}", PY_VERSION, getpid())
                          : snprintf(text, sizeof text, "{\"python\":\"%s\",\"pid\":%d,\"restored\":%d}", PY_VERSION, getpid(), restored);
    host_event_begin(0);
    host_event_queue(EVENT_READY, text, (size_t)n);
    host_event_flush();
}

/* What a start does to Python's memory. Done a few times over, it leaves most of it as it was before: free lists and counters go round. */
static void start_afresh(void)
{
    host_fresh_fork();
    host_cell_rehearse();
}

void host_worker_settle(void)
{
    for (int i = 0; i < SETTLING_STARTS; i++)
        start_afresh();
}

/* This process is the session's worker from now on: a fork of the zygote, or a parked copy that was woken (restored >= 0). */
static void become_ready(int restored)
{
    host_event_own();
    host_request_own();
    host_signal_start();
    if (restored < 0) {
        start_afresh();
        host_adopt_own();
        host_account_start();
        host_files_start();
    } else {
        host_fresh_fork();
        host_account_renew();
    }
    send_ready(restored);
    if (restored < 0)
        host_pages_prepare();
}

void host_worker_rehearse(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null_fd >= 0 && fd < WORKER_FD_END; fd++)
        (void)dup2(null_fd, fd);
    become_ready(-1);
}

void host_worker_rehearse_cell(void)
{
    static const char text[] = "print(1)";
    host_cell_run(text, sizeof text - 1, 0);
}

static void shed(void)
{
    if (!is_used)
        host_pages_give_back();
}

static void handle(const struct host_request *request)
{
    is_used = is_used || (request->type != REQUEST_SHED && request->type != REQUEST_PING);
    switch (request->type) {
    case REQUEST_SETUP: set_up(request); break;
    case REQUEST_EXECUTE: host_cell_run(request->payload, request->length, request->execution); break;
    case REQUEST_INSPECT: answer_inspect(request); break;
    case REQUEST_PARK:
        if (host_park())
            become_ready((int)host_cell_count());
        break;
    case REQUEST_PING: answer_ping(); break;
    case REQUEST_SHED: shed(); break;
    case REQUEST_INPUT: break; /* the cell that asked has ended meanwhile */
    default: _exit(HOST_EXIT_PROTOCOL);
    }
}

_Noreturn void host_worker_main(void)
{
    struct host_request request;
    become_ready(-1);
    while (host_request_read(&request))
        handle(&request);
    _exit(0);
}
