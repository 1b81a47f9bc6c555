#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "host_request.h"
#include "host_worker.h"
#include "shared/wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A buffer that has grown beyond this for one big request is given back. */
enum { KEEP_BYTES = 65536, REQUEST_MAX = 256 * 1024 * 1024 };

static char  *buffer;
static size_t capacity;
static ino_t  inode; /* of the request pipe */

static void reserve(size_t bytes)
{
    char *larger;
    if (bytes <= capacity)
        return;
    larger = realloc(buffer, bytes);
    if (larger == NULL)
        _exit(HOST_EXIT_PROTOCOL);
    buffer   = larger;
    capacity = bytes;
}

/* Returns true, or false when the pipe has ended. */
static bool read_all(void *data, size_t length)
{
    char *p = data;
    while (length > 0) {
        ssize_t n = read(WORKER_REQUEST_FD, p, length);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = WORKER_REQUEST_FD, .events = POLLIN};
            (void)poll(&ready, 1, -1);
        }
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            _exit(HOST_EXIT_PROTOCOL);
        if (n == 0)
            return false;
        p += n;
        length -= (size_t)n;
    }
    return true;
}

static bool read_frames(struct host_request *ret)
{
    struct frame_head head;
    size_t            used = 0;
    do {
        if (!read_all(&head, sizeof head))
            return false;
        if (head.length > FRAME_PAYLOAD_MAX || used + head.length > REQUEST_MAX || (head.flags & ~FRAME_MORE) != 0)
            _exit(HOST_EXIT_PROTOCOL);
        reserve(used + head.length + 1);
        if (!read_all(buffer + used, head.length))
            return false;
        used += head.length;
    } while ((head.flags & FRAME_MORE) != 0);
    buffer[used] = '\0';
    *ret         = (struct host_request){.type = head.type, .execution = head.execution, .payload = buffer, .length = used};
    return true;
}

void host_request_own(void)
{
    struct stat present;
    if (fstat(WORKER_REQUEST_FD, &present) != 0)
        _exit(HOST_EXIT_PROTOCOL);
    inode = present.st_ino;
}

/* User code can close the pipe, and open something else in its place. */
static void check_pipe(void)
{
    struct stat present;
    if (fstat(WORKER_REQUEST_FD, &present) != 0 || present.st_ino != inode)
        _exit(HOST_EXIT_PROTOCOL);
}

bool host_request_read(struct host_request *ret)
{
    PyThreadState *state;
    bool           present;
    check_pipe();
    if (capacity > KEEP_BYTES) {
        free(buffer);
        buffer   = NULL;
        capacity = 0;
    }
    state   = PyEval_SaveThread();
    present = read_frames(ret);
    PyEval_RestoreThread(state);
    return present;
}

/* Signals are let in only while it waits, so that none can be handled just before and be forgotten in the wait. */
static int wait_for_request(void)
{
    struct pollfd ready = {.fd = WORKER_REQUEST_FD, .events = POLLIN};
    sigset_t      all, before;
    int           n = -1;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    if (PyErr_CheckSignals() == 0) {
        PyThreadState *state = PyEval_SaveThread();
        n                    = ppoll(&ready, 1, NULL, &before);
        PyEval_RestoreThread(state);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

int host_request_read_interruptibly(struct host_request *ret)
{
    while (wait_for_request() <= 0)
        if (PyErr_Occurred() || PyErr_CheckSignals() != 0)
            return -1;
    return host_request_read(ret) ? 1 : 0;
}
