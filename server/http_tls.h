/*
 * http_tls.h: HTTPS by OpenSSL, TLS 1.2 and newer, on the same events as plain HTTP. http_tls.c is the only file that knows OpenSSL's
 * connections. A connection reads and writes through a session whose calls behave like recv() and send() on a non-blocking socket.
 */
#ifndef PENNY_HTTP_TLS_H
#define PENNY_HTTP_TLS_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "err.h"

struct http_tls;         /* certificate and key */
struct http_tls_session; /* of one connection */

/* PEM texts. Returns NULL with err filled. */
struct http_tls *http_tls_new(const char *cert, size_t cert_length, const char *key, size_t key_length, struct err *err);
void             http_tls_free(struct http_tls *tls); /* NULL is fine */
/* Another certificate for connections that are yet to come. Returns 0; or -1 with err, and the former one stays. */
int http_tls_replace(struct http_tls *tls, const char *cert, size_t cert_length, const char *key, size_t key_length, struct err *err);

/* On a connected, non-blocking socket, which stays the caller's. NULL: no memory. */
struct http_tls_session *http_tls_accept(struct http_tls *tls, int fd);
/* quietly: no word to the client. NULL is fine. */
void http_tls_end(struct http_tls_session *session, bool quietly);

/* 1: done; 0: not yet (see http_tls_wants_write); -1: it failed, the client has been told. */
int http_tls_handshake(struct http_tls_session *session);
/* As recv(): bytes, 0 at the client's end, -1 with errno (EAGAIN, ECONNRESET). `room` must be 16384 or more: a whole record. */
ssize_t http_tls_read(struct http_tls_session *session, void *data, size_t room);
/* As sendmsg(), but perhaps only a part of what the socket would take. After EAGAIN the same bytes must come first in the next call. */
ssize_t http_tls_write(struct http_tls_session *session, const struct iovec *vectors, int count);
/* As evbuffer_write(). */
ssize_t http_tls_write_buffer(struct http_tls_session *session, struct evbuffer *buffer);
/* Nothing more will be written. */
void http_tls_shutdown(struct http_tls_session *session);
/* The last call that said EAGAIN, or "not yet", waits for room to write. */
bool http_tls_wants_write(const struct http_tls_session *session);

#endif
