/*
 * http_call.h: one HTTP/1.1 request to this service, from the command line's side: plain blocking sockets, one connection a call. Used by
 * `penny-sandbox run` and `mcp`, never by the server. An answer is believed in nothing but its bytes.
 */
#ifndef PENNY_HTTP_CALL_H
#define PENNY_HTTP_CALL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

/* Where the service is. */
struct http_call_target {
    char host[256];
    char port[8];
    char key[256]; /* API key; "": none */
};

struct http_call_request {
    const char *method, *path; /* the path is already percent-encoded */
    const char *accept;        /* NULL: application/json */
    const char *content_type;  /* NULL: application/json */
    const char *headers;       /* more of them, "Name: value\r\n..."; NULL: none */
    const void *body;          /* NULL: none */
    size_t      body_length;
};

enum http_call_phase { CALL_SIZE, CALL_SIZE_REST, CALL_DATA, CALL_DATA_END, CALL_TRAILER, CALL_END };

struct http_call {
    int                  fd; /* -1: not open */
    int                  status;
    bool                 chunked, has_length;
    enum http_call_phase phase;
    uint64_t             left; /* of the chunk, or of the body */
    size_t               line; /* bytes of the present line of chunk framing */
    struct bytes         raw;  /* read and not decoded yet */
    struct bytes         head; /* of the answer */
};

#define HTTP_CALL_INIT                                                                                                                     \
    {                                                                                                                                      \
        .fd = -1                                                                                                                           \
    }

/* "http://host[:port][/]". Returns 0, or -1 with err (https is not spoken here). */
int http_call_parse_url(const char *url, struct http_call_target *ret, struct err *err);

/*
 * Connects, sends the request, reads the head of the answer. `waiting` is the signal mask while it waits (NULL: as it is): a signal that
 * it lets through ends the wait with err->code EINTR. Returns 0, or -1 with err.
 */
int http_call_open(struct http_call *call, const struct http_call_target *target, const struct http_call_request *request,
                   const sigset_t *waiting, struct err *err);

/* Appends what is there of the body, waiting for at least one byte from the socket unless some are buffered. 1: go on; 0: the end; -1 with err. */
int http_call_read(struct http_call *call, struct bytes *out, const sigset_t *waiting, struct err *err);
/* The value of one of the answer's headers to ret_text. Returns false when there is none, or it does not fit. */
bool http_call_header(const struct http_call *call, const char *name, char *ret_text, size_t room);
/* Bytes that http_call_read() would take without waiting. */
bool http_call_is_buffered(const struct http_call *call);
void http_call_close(struct http_call *call);

/*
 * The whole of it: the answer's body (at most `max` bytes) is appended to *out. Returns the status, or -1 with err.
 */
int http_call_do(const struct http_call_target *target, const struct http_call_request *request, size_t max, struct bytes *out,
                 const sigset_t *waiting, struct err *err);

/* Appends `text` percent-encoded; with `slashes` a "/" stays one. Returns false when there is no memory. */
bool http_call_encode(struct bytes *out, const char *text, bool slashes);

#endif
