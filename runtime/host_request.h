/* host_request.h: the worker's end of the request pipe. */
#ifndef PENNY_HOST_REQUEST_H
#define PENNY_HOST_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_request {
    uint8_t     type; /* enum request_type */
    uint64_t    execution;
    const char *payload; /* valid until the next read; a NUL follows it */
    size_t      length;
};

/* Makes the pipe that is on its descriptor now the one to read from. */
void host_request_own(void);

/*
 * Waits for the next request, the GIL released meanwhile. Returns false at the end of the pipe. A pipe that says what wire.h does not
 * allow ends the process.
 */
bool host_request_read(struct host_request *ret);

/*
 * As host_request_read, in the middle of a cell: gives up with -1 and an exception set when a signal handler raises one. Returns 1, or 0 at
 * the end of the pipe.
 */
int host_request_read_interruptibly(struct host_request *ret);

#endif
