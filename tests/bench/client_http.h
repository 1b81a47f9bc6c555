/*
 * client_http.h: one keep-alive connection of the measuring client, on a raw blocking socket, one request at a time.
 */
#ifndef PENNY_BENCH_CLIENT_HTTP_H
#define PENNY_BENCH_CLIENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum { CONNECTIONS_MAX = 256, ANSWER_MAX = 65536 };

struct connection {
    int    fd;
    double sent_us;            /* when the present request was sent */
    char   answer[ANSWER_MAX]; /* head and body, as far as they have come, and a NUL */
    size_t have;
};

/* Microseconds of the monotonic clock. */
double now_us(void);

/* Says what failed, and why by errno; ends the program. */
_Noreturn void die(const char *what);

/* Connects to loopback, without Nagle's delay. Returns the socket; ends the program when it can't. */
int dial(int port);

/* A whole request as bytes, to be freed; `*ret_length` without the NUL. An empty body is sent as none. */
char *request_text(const char *method, const char *path, const char *body, size_t *ret_length);

/* The connections, all dialled, in one piece to be freed. */
struct connection *connections_new(int port, int count);

void connection_send(struct connection *c, const char *request, size_t length);

/* Reads once. Returns the status of the answer when it is whole, else 0. */
int connection_receive(struct connection *c);

/* An epoll descriptor that knows all of them by their number. */
int connections_poll(const struct connection *all, int count);

#endif
