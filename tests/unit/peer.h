/* peer.h: an HTTP layer over real sockets with a handler, and clients in the same loop. One at a time. */
#ifndef PENNY_PEER_H
#define PENNY_PEER_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "http.h"

#define H "Host: localhost\r\n"

extern struct event_base *peer_base;
extern struct http       *peer_http;
extern in_port_t          peer_port; /* in network order */

/* What the handler has seen; `stream` is that of /holdstream and /flood. */
extern struct peer_seen {
    int                 requests, gone, drains;
    struct http_stream *stream;
    size_t              pending;
} peer_seen;

int peer_set_up_with(const struct http_limits *limits);
int peer_set_up_serving(const struct http_limits *limits,
                        void (*on_request)(struct http_request *request, void *arg)); /* a test's own handler */
int peer_set_up(void **state);
int peer_set_up_hasty(void **state); /* with time limits that a test can wait for */
int peer_tear_down(void **state);

void   peer_turn(void); /* the loop, without waiting */
double peer_now_s(void);
void   peer_run_for(double seconds);

/* A client's side of a connection: the caller closes it. */
int peer_dial(void);
/* Sends all of it in pieces of `step`; the loop turns between them. A server that closes early is fine. */
void peer_say(int fd, const char *text, size_t length, size_t step);
void peer_tell(int fd, const char *text);
/* Everything until the server closes, or until `seconds` have passed without a byte (then *ret_open, where given, is true). Owned. */
char *peer_hear(int fd, double seconds, bool *ret_open, size_t *ret_length);
/* One connection: all of `text` in pieces of `step`, and the answer until the server closes. Owned. */
char *peer_converse(const char *text, size_t step);

int peer_status(const char *answer); /* 0: it is none */
/* The JSON behind the head; owned. An error answer must be the error shape. */
json_t     *peer_body(const char *answer);
const char *peer_text(const json_t *json, const char *key);
void        peer_expect(const char *request, int status);

#endif
