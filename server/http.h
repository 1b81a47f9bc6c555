/*
 * http.h: HTTP for the rest of the server. Only http_parse.c knows libevhtp.
 *
 * One loop, no threads. A request is delivered whole (body read, within limits) to the handler that http_new was given: route_dispatch.
 * A handler answers at once or later: it may keep the pointer until it has called one http_reply_* function or
 * http_stream_end(), or until its on_gone callback has run (the client left); after either the pointer is dead.
 */
#ifndef PENNY_HTTP_H
#define PENNY_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

struct http;         /* all listeners */
struct http_request; /* one request, until it is answered */
struct http_stream;  /* one answer that goes on: SSE, NDJSON, a big file */

enum http_method {
    HTTP_GET     = 1,
    HTTP_HEAD    = 2,
    HTTP_POST    = 4,
    HTTP_PUT     = 8,
    HTTP_PATCH   = 16,
    HTTP_DELETE  = 32,
    HTTP_OPTIONS = 64,
};

struct http_limits {
    size_t   body_bytes;       /* 413 above */
    size_t   head_bytes;       /* 431 above, request line and all headers */
    uint32_t head_timeout_ms;  /* a head (or body) that dribbles longer than this is answered 408 and closed */
    uint32_t idle_timeout_ms;  /* keep-alive */
    uint32_t connections;      /* accepted at once; 503 above */
    uint32_t write_timeout_ms; /* a reader that takes nothing for this long is dropped */
};

typedef void (*http_handler)(struct http_request *request, void *arg);

/* `on_request` gets every well-formed request. Returns NULL with err filled when it can't be made. */
struct http *http_new(struct event_base *base, const struct http_limits *limits, http_handler on_request, void *arg, struct err *err);
/* Serves connections of an already listening socket (owned from then on). Returns 0 or -1. */
int http_add_listener(struct http *http, int listen_fd, struct err *err);
/*
 * on_answer is called when the head of an answer is written, with the time since the request had come whole (since its head had, where
 * the body comes in pieces). It may look at the request and nothing else.
 */
typedef void (*http_on_answer)(const struct http_request *request, int status, uint64_t us, void *arg);
void http_set_on_answer(struct http *http, http_on_answer on_answer, void *arg);
/* on_accept is called with the descriptor of each new connection, before anything is done with it: to be looked at. */
void http_set_on_accept(struct http *http, void (*on_accept)(int fd, void *arg), void *arg);
/* Connections accepted from now on speak TLS. Borrowed; NULL: plain. */
struct http_tls;
void http_set_tls(struct http *http, struct http_tls *tls);
/* Stops accepting; requests in flight go on. */
void http_stop_listening(struct http *http);
/* Requests and streams not yet finished. */
size_t http_in_flight(const struct http *http);
/* Connections open. After http_stop_listening each is closed when its last answer has been sent. */
size_t http_connections(const struct http *http);
void   http_free(struct http *http); /* drops what is left; NULL is fine */
/*
 * Bodies in pieces: is_streamed is asked when a head is whole and a body follows. Where it says yes the request is delivered at once, and
 * its handler calls http_request_take_body() or answers without the body. No limit of body_bytes then: the handler counts. It may set the
 * shape of errors, for what is wrong with the body.
 */
void http_stream_bodies(struct http *http, bool (*is_streamed)(struct http_request *request, void *arg));

/* The request. Strings are borrowed, valid while the request is. Absent: NULL. */
enum http_method http_request_method(const struct http_request *request);
const char      *http_request_path(const struct http_request *request); /* percent-decoded, starts with '/' */
/* Appends path and query, percent-encoded, with the first `from` of the path as `to`. False: it is not there, or no memory. */
bool        http_request_write_target(const struct http_request *request, const char *from, const char *to, struct bytes *out);
const char *http_request_header(const struct http_request *request, const char *name); /* case-insensitive */
const char *http_request_query(const struct http_request *request, const char *name);  /* percent-decoded */
const char *http_request_id(const struct http_request *request);                       /* X-Request-Id given (if well-formed) or made */
const char *http_request_peer(const struct http_request *request);                     /* address as text */
const void *http_request_body(const struct http_request *request, size_t *ret_length); /* never NULL */
/* As announced; -1: it comes in chunks. */
int64_t http_request_body_length(const struct http_request *request);
/*
 * on_body gets the body piece by piece as it comes, `last` with the last piece, which may be empty; never before this returns. It may
 * answer the request at any time: what the client still sends is then thrown away. A body that does not come to its end ends in on_gone.
 */
typedef void (*http_on_body)(const void *data, size_t length, bool last, void *arg);
void http_request_take_body(struct http_request *request, http_on_body on_body, void *arg);
void http_request_pause_body(struct http_request *request, bool paused); /* no piece comes while paused: the client waits */
/* What a handler or the route table wants to find again: a number (0 until it is set) and whoever sent the request (borrowed; NULL). */
unsigned http_request_tag(const struct http_request *request);
void     http_request_set_tag(struct http_request *request, unsigned tag);
void    *http_request_caller(const struct http_request *request);
void     http_request_set_caller(struct http_request *request, void *caller);
/* A JSON object that handlers may add to until they answer; NULL when memory is short. For on_answer: NULL until somebody asked for it. */
json_t *http_request_notes(struct http_request *request);
json_t *http_request_notes_given(const struct http_request *request);
/* What the route table put there: the n-th {parameter} of the matched pattern, and the parsed JSON body (borrowed; an empty body is {}). */
const char *http_request_parameter(const struct http_request *request, size_t n);
json_t     *http_request_json(const struct http_request *request);
void        http_request_set_parameter(struct http_request *request, size_t n, const char *value); /* copies */
void        http_request_set_json(struct http_request *request, json_t *owned);
/*
 * Called once if the client leaves before the answer is complete (also after http_stream_begin). Always from the loop, never from inside
 * a call of this header. A client that only closed its sending side still gets its answer, unless http_request_gone_on_eof() was called;
 * a reader that closes its sending side while a stream is under way counts as gone.
 */
void http_request_on_gone(struct http_request *request, void (*on_gone)(void *arg), void *arg);
void http_request_gone_on_eof(struct http_request *request);

/* Answers. Headers must be added before. Each frees the request. */
void http_request_add_header(struct http_request *request, const char *name, const char *value);
void http_reply_json(struct http_request *request, int status, json_t *owned);
void http_reply_buffer(struct http_request *request, int status, const char *content_type,
                       struct evbuffer *moved_from); /* drained, no copy */
void http_reply_bytes(struct http_request *request, int status, const char *content_type, const void *data, size_t length);
/* The error shape of every endpoint: {statusCode, code, error, message, validationErrors?, retryAfter?}. `code` is a constant such as
 * "SESSION_NOT_FOUND"; `error` the HTTP reason phrase is derived from status. details (owned, may be NULL) is merged in. retry_after_s > 0 adds Retry-After. */
void http_reply_error(struct http_request *request, int status, const char *code, const char *message, json_t *details, int retry_after_s);
/*
 * How the clients of one path want to see an error, where it is not as above. `write` takes that object (owned) and gives theirs (owned; NULL:
 * memory is short); it may look at the request and change the status. The shape is borrowed for ever.
 */
struct http_error_shape {
    const char *content_type;
    json_t *(*write)(const struct http_request *request, json_t *error, int *status);
};
void http_request_set_error_shape(struct http_request *request, const struct http_error_shape *shape); /* NULL: ours */

/* An answer in pieces (chunked for HTTP/1.1, until close for 1.0). From here the stream stands for the request; the pointer `request` is dead. */
struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type);
/* As http_stream_begin, with a Content-Length: less than that before http_stream_end() cuts the connection, so that the client notices. */
struct http_stream *http_stream_begin_sized(struct http_request *request, int status, const char *content_type, uint64_t length);
/* on_drain: what is queued has fallen below `low_water` bytes after having been above; on_gone: the client left, the stream is dead after it. Either may be NULL. */
void http_stream_set_callbacks(struct http_stream *stream, size_t low_water, void (*on_drain)(void *arg), void (*on_gone)(void *arg),
                               void *arg);
/* Queues bytes; one call is one chunk and reaches the socket in one write where the socket takes it. Returns bytes now queued (0: all is in the kernel). */
size_t http_stream_write(struct http_stream *stream, const void *data, size_t length);
size_t http_stream_write_buffer(struct http_stream *stream, struct evbuffer *moved_from);
size_t http_stream_pending(const struct http_stream *stream);
/* The next write is the last one: the end of the answer goes with it. http_stream_end() must follow it, without another write. */
void http_stream_last(struct http_stream *stream);
void http_stream_end(struct http_stream *stream); /* finishes and frees */
void http_stream_cut(struct http_stream *stream); /* frees, and ends the connection so that the client sees an answer that is not whole */

#endif
