/* http_internal.h: what http*.c share: buffers, requests, connections. Nobody else includes it. */
#ifndef PENNY_HTTP_INTERNAL_H
#define PENNY_HTTP_INTERNAL_H

#include <sys/queue.h> /* before libevent's, which then leaves its macros alone */

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "http.h"
#include "http_guard.h"
#include "http_tls.h"

enum {
    HTTP_SCRATCH_BYTES   = 65536,
    HTTP_INPUT_MAX       = 32768,    /* pipelined bytes kept while a request is being answered; then reading rests */
    HTTP_OUTPUT_HIGH     = 262144,   /* unread answers above which no further pipelined request is taken */
    HTTP_OUTPUT_MAX      = 16 << 20, /* a stream's unread bytes above which its reader is dropped */
    HTTP_LINGER_MS       = 5000,     /* after an error answer: how long, and how much, is still read and thrown away, */
    HTTP_LINGER_BYTES    = 64 << 20, /* so that the answer is not lost to a reset */
    HTTP_BODIES_MAX      = 1 << 29,  /* bytes of all bodies together; a request beyond is answered 503 */
    HTTP_REFUSED_MAX     = 64,       /* connections above the limit that get a 503 at the same time */
    HTTP_TURN_REQUESTS   = 32,       /* pipelined requests served before the others get their turn */
    HTTP_PARAMETERS_MAX  = 8,
    HTTP_QUERY_MAX       = 64,
    HTTP_SPARE_REQUESTS  = 64,
    HTTP_ID_BYTES        = 65,
    HTTP_BODY_STEP_BYTES = 65536, /* a body must bring this much per head_timeout_ms */
};

struct http_buffer {
    char  *data;
    size_t length, room;
};

/* Makes room for `more` bytes and a NUL. Returns 0 or -1. */
int  http_buffer_reserve(struct http_buffer *buffer, size_t more);
int  http_buffer_add(struct http_buffer *buffer, const void *data, size_t length);
void http_buffer_drop(struct http_buffer *buffer, size_t length); /* from the front */
void http_buffer_done(struct http_buffer *buffer);

struct http_pair {
    uint32_t name, value; /* offsets into the request's text */
};

struct http_request {
    struct http_connection *connection;
    TAILQ_ENTRY(http_request) spare;
    enum http_method               method;
    uint8_t                        minor;
    bool                           keep_alive, gone_on_eof;
    bool                           own_policy, own_cache; /* the handler set Content-Security-Policy, Cache-Control */
    bool                           streamed;              /* delivered before its body */
    bool                           paused, given;         /* of on_body: nothing may come; the last piece has come */
    bool                           wants_continue;        /* the client waits to be told that its body is wanted */
    struct http_buffer             text;                  /* decoded path, query, header names and values: NUL-terminated, by offset */
    uint32_t                       path;
    struct http_pair               fields[GUARD_FIELDS_MAX + 1], queries[HTTP_QUERY_MAX];
    size_t                         field_count, query_count;
    char                          *parameters[HTTP_PARAMETERS_MAX];
    json_t                        *json, *notes;
    unsigned                       tag;
    void                          *caller;
    const struct http_error_shape *error_shape;   /* NULL: ours */
    int64_t                        come_us;       /* monotonic: when it had come */
    struct http_buffer             body, headers; /* headers: of the answer, as text */
    uint64_t                       body_bytes;    /* that have come */
    http_on_body                   on_body;
    void                          *on_body_arg;
    char                           id[HTTP_ID_BYTES];
    void (*on_gone)(void *arg);
    void *on_gone_arg;
};

struct http_stream {
    struct http_connection *connection;
    bool                    chunked, silent, above; /* silent: HEAD */
    bool                    sized;
    bool                    is_last, is_finished; /* the next write is the last; the end of the answer went with it */
    uint64_t                left;                 /* to be written, when sized */
    size_t                  low_water;
    void (*on_drain)(void *arg);
    void (*on_gone)(void *arg);
    void *drain_arg, *gone_arg;
};

struct http_inner; /* http_inner.h */

enum http_state { HTTP_HEAD_STATE, HTTP_BODY_STATE, HTTP_HANDLING, HTTP_STREAMING, HTTP_LINGERING };

struct http_connection {
    struct http *http;
    TAILQ_ENTRY(http_connection) link;
    int                      fd;
    struct http_tls_session *tls;   /* NULL: plain */
    struct http_inner       *inner; /* not NULL: no client's, but the server's own: nothing is read or written */
    enum http_state          state;
    struct event             read_event, write_event;
    struct event             wake_event;  /* for event_active(): libevent does not poll for an event that is added while it is active */
    bool                     reading;     /* read_event is added */
    bool                     blocked;     /* the socket took less than it was given; write_event is added */
    bool                     fresh;       /* no request has been answered yet */
    bool                     shaking;     /* its TLS handshake is not done */
    bool                     read_blocks; /* TLS has something to write before it can read on */
    bool                     dispatching; /* inside on_readable: it settles what has changed when it is done */
    bool                     peer_eof, broken, closing, lingers;
    struct http_guard        guard;
    struct http_chunked      chunked;
    struct http_buffer       input;
    struct evbuffer         *output;
    struct http_request     *request; /* being read or answered */
    struct http_stream       stream;
    uint64_t                 lingered;
    uint64_t                 body_step;                      /* body length at which the deadline moves on */
    int64_t                  deadline_ms, write_deadline_ms; /* 0: none */
    int                      untaken; /* bytes the client had not taken when its progress was last looked at; -1: not yet */
    char                     peer[46];
};

TAILQ_HEAD(http_connections, http_connection);
TAILQ_HEAD(http_requests, http_request);

struct http {
    struct event_base *base;
    struct http_limits limits;
    http_handler       on_request;
    struct http_tls   *tls; /* NULL: plain */
    http_on_answer     on_answer;
    void              *on_answer_arg;
    void (*on_accept)(int fd, void *arg);
    void *on_accept_arg;
    bool (*is_streamed)(struct http_request *request, void *arg);
    void                   *arg;
    struct http_connections connections;
    size_t                  connection_count, in_flight;
    size_t                  bodies; /* bytes of all bodies that have come and are not answered yet */
    struct http_requests    spare_requests;
    size_t                  spare_count;
    struct http_listener   *listeners;
    struct event           *sweep;
    struct timeval          sweep_every;
    bool                    sweeping, draining;
    int                     spare_fd; /* given up for a moment when descriptors run out, to refuse politely */
    uint64_t                random[2];
    int64_t                 date_second;
    char                    date[40];
    void                   *parser; /* libevhtp's, shared: it only ever gets whole heads */
    char                    scratch[HTTP_SCRATCH_BYTES];
};

int64_t http_now_ms(void);
int64_t http_now_us(void);
int64_t http_deadline_in(uint32_t ms); /* 0 ms: 0, none */

/* http_parse.c: takes a judged head apart into the request. Returns 0, or -1 with *ret_refusal. */
void *http_parser_new(void);
void  http_parser_free(void *parser);
int   http_parse_head(struct http_request *request, void *parser, const char *data, const struct http_head *head,
                      struct http_refusal *ret_refusal);

/* http_request.c */
struct http_request *http_request_new(struct http_connection *connection); /* NULL: no memory */
void                 http_request_free(struct http_request *request);
void                 http_request_settle_id(struct http_request *request);

/* http_reply.c */
void http_reply_settle(struct http_request *request); /* whether the connection may go on after the answer that follows */
void http_reply_refusal(struct http_request *request, const struct http_refusal *refusal);
int  http_reply_head(struct http_request *request, int status, const char *content_type, int64_t length, struct http_buffer *ret_head);

/* http_output.c */
/* Sends, or queues what the socket does not take. The last vector is freed with free() when `owned`. */
void http_connection_write(struct http_connection *connection, struct iovec *vectors, int count, bool owned);
void http_connection_write_buffer(struct http_connection *connection, struct iovec *vectors, int count, struct evbuffer *moved_from);
/* Queues without sending: it goes with the next write, at the latest when the loop turns. */
void   http_connection_hold(struct http_connection *connection, const void *data, size_t length);
size_t http_connection_pending(const struct http_connection *connection);
/* Called at write_deadline_ms: whether the client has taken anything since the last look; then the deadline is moved on. */
bool http_connection_progresses(struct http_connection *connection);
void http_connection_block(struct http_connection *connection); /* waits until the socket takes something */
void http_connection_flush(struct http_connection *connection); /* writes what is queued, as far as the socket takes it */

/* http_input.c */
/* New bytes, behind what was kept. */
void http_input_add(struct http_connection *connection, const char *data, size_t length);
/* Goes on with what was kept, when a request can be taken now. */
void http_input_use(struct http_connection *connection);
/* The client is told to send the body it announced. */
void http_input_continue(struct http_connection *connection);
/* A body is under way that its handler does not take at the moment. */
bool http_input_is_paused(const struct http_connection *connection);
/* True when there are kept bytes that nobody has looked at yet. */
bool http_input_waits(const struct http_connection *connection);
/* The present request, or one made for the purpose, is refused; what the client still sends is thrown away. */
void http_input_refuse(struct http_connection *connection, int status, const char *code, const char *message);

/* http_inner.c: in the stead of what writes to a connection, where it is not one */
void                http_inner_reply(struct http_request *request, int status, const void *body, size_t length);
struct http_stream *http_inner_begin(struct http_request *request, int status);
size_t              http_inner_write(struct http_stream *stream, const void *data, size_t length);
void                http_inner_end(struct http_stream *stream, bool whole);

/* http_connection.c */
void http_connection_accept(struct http *http, int fd, const char *peer);
void http_connection_destroy(struct http_connection *connection);
void http_connection_sweep(struct http_connection *connection, int64_t now_ms); /* may destroy it */
/* The answer is complete: the request (or stream) is over. */
void http_connection_answered(struct http_connection *connection, bool keep_alive);
/* Lets the loop look at the connection again soon. */
void http_connection_wake(struct http_connection *connection);

#endif
