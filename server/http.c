/*
 * http.c: listeners, limits of the whole, and time. A connection is http_connection.c, what may be in a head http_guard.c, taking it
 * apart (libevhtp) http_parse.c, answers http_reply.c and http_stream.c.
 */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_internal.h"

struct http_listener {
    struct http_listener  *next;
    struct evconnlistener *accepting;
};

int64_t http_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t http_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t http_deadline_in(uint32_t ms)
{
    return ms > 0 ? http_now_ms() + ms : 0;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct http            *http = arg;
    struct http_connection *connection, *next;
    int64_t                 now = http_now_ms();

    (void)fd;
    (void)what;
    for (connection = TAILQ_FIRST(&http->connections); connection != NULL; connection = next) {
        next = TAILQ_NEXT(connection, link);
        http_connection_sweep(connection, now);
    }
    if (TAILQ_EMPTY(&http->connections)) {
        http->sweeping = false;
        event_del(http->sweep);
    }
}

/* How often deadlines are looked at: a tenth of the shortest. */
static struct event *sweep_new(struct http *http)
{
    uint32_t times[] = {http->limits.head_timeout_ms, http->limits.idle_timeout_ms, http->limits.write_timeout_ms};
    uint32_t every   = 500;

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (times[i] > 0 && times[i] / 10 < every)
            every = times[i] / 10;
    }
    if (every < 10)
        every = 10;
    http->sweep_every.tv_usec = (suseconds_t)every * 1000;
    http->sweep               = event_new(http->base, -1, EV_PERSIST, on_sweep, http);
    return http->sweep;
}

struct http *http_new(struct event_base *base, const struct http_limits *limits, http_handler on_request, void *arg, struct err *err)
{
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL) {
        err_set(err, ENOMEM, "http: out of memory");
        return NULL;
    }
    http->base       = base;
    http->limits     = *limits;
    http->on_request = on_request;
    http->arg        = arg;
    http->spare_fd   = open("/dev/null", O_RDONLY | O_CLOEXEC);
    http->parser     = http_parser_new();
    TAILQ_INIT(&http->connections);
    TAILQ_INIT(&http->spare_requests);
    if (getrandom(http->random, sizeof http->random, 0) != sizeof http->random || http->parser == NULL || sweep_new(http) == NULL) {
        err_set(err, ENOMEM, "http: can't be set up");
        http_free(http);
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    return http;
}

void http_set_on_accept(struct http *http, void (*on_accept)(int fd, void *arg), void *arg)
{
    http->on_accept     = on_accept;
    http->on_accept_arg = arg;
}

void http_set_on_answer(struct http *http, http_on_answer on_answer, void *arg)
{
    http->on_answer     = on_answer;
    http->on_answer_arg = arg;
}

void http_set_tls(struct http *http, struct http_tls *tls)
{
    http->tls = tls;
}

static void peer_text(const struct sockaddr *address, char ret_text[46])
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

    strcpy(ret_text, "unix");
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, ret_text, 46);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], ret_text, 46);
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, ret_text, 46);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length, void *arg)
{
    const struct http *http = arg;
    char               peer[46];
    (void)listener;
    (void)length;
    peer_text(address, peer);
    if (http->on_accept != NULL)
        http->on_accept(fd, http->on_accept_arg);
    http_connection_accept(arg, fd, peer);
}

static void send_no_room(int fd)
{
    static const char body[] = "{\"statusCode\":503,\"code\":\"TOO_MANY_CONNECTIONS\",\"error\":\"Service Unavailable\","
                               "\"message\":\"The server is out of descriptors\",\"retryAfter\":1}";
    char              answer[512];
    int               length = snprintf(answer, sizeof answer,
                                        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n"
                                                      "Retry-After: 1\r\nConnection: close\r\n\r\n%s",
                                        sizeof body - 1, body);
    (void)send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
}

/* Out of descriptors: the one kept for this is given up for a moment, so that the client gets an answer instead of waiting. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct http *http = arg;
    int          fd;

    if (http->spare_fd < 0)
        return;
    close(http->spare_fd);
    fd = accept4(evconnlistener_get_fd(listener), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        send_no_room(fd);
        (void)recv(fd, http->scratch, sizeof http->scratch, MSG_DONTWAIT);
        close(fd);
    }
    http->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Set once on the listening socket: accepted ones inherit them. */
static void set_options(const struct http *http, int fd)
{
    int one = 1, user_timeout = (int)http->limits.write_timeout_ms * 2;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (user_timeout > 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
}

int http_add_listener(struct http *http, int listen_fd, struct err *err)
{
    struct http_listener *listener;

    if (evutil_make_socket_nonblocking(listen_fd) != 0)
        return err_errno(err, "listening socket");
    set_options(http, listen_fd);
    listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return err_set(err, ENOMEM, "http: out of memory");
    listener->accepting = evconnlistener_new(http->base, on_accept, http, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_fd);
    if (listener->accepting == NULL) {
        free(listener);
        return err_set(err, ENOMEM, "http: the listener can't be set up");
    }
    evconnlistener_set_error_cb(listener->accepting, on_accept_error);
    listener->next  = http->listeners;
    http->listeners = listener;
    return 0;
}

static void drop_listeners(struct http *http)
{
    while (http->listeners != NULL) {
        struct http_listener *listener = http->listeners;
        http->listeners                = listener->next;
        evconnlistener_free(listener->accepting);
        free(listener);
    }
}

void http_stream_bodies(struct http *http, bool (*is_streamed)(struct http_request *request, void *arg))
{
    http->is_streamed = is_streamed;
}

void http_stop_listening(struct http *http)
{
    struct http_connection *connection = TAILQ_FIRST(&http->connections);

    drop_listeners(http);
    http->draining = true;
    for (; connection != NULL; connection = TAILQ_NEXT(connection, link)) {
        if (connection->state == HTTP_HEAD_STATE && connection->input.length == 0) {
            connection->closing = true;
            http_connection_wake(connection);
        }
    }
}

size_t http_in_flight(const struct http *http)
{
    return http->in_flight;
}

size_t http_connections(const struct http *http)
{
    return http->connection_count;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    drop_listeners(http);
    while (!TAILQ_EMPTY(&http->connections))
        http_connection_destroy(TAILQ_FIRST(&http->connections));
    while (!TAILQ_EMPTY(&http->spare_requests)) {
        struct http_request *request = TAILQ_FIRST(&http->spare_requests);
        TAILQ_REMOVE(&http->spare_requests, request, spare);
        http_buffer_done(&request->text);
        http_buffer_done(&request->body);
        http_buffer_done(&request->headers);
        free(request);
    }
    if (http->sweep != NULL)
        event_free(http->sweep);
    if (http->spare_fd >= 0)
        close(http->spare_fd);
    http_parser_free(http->parser);
    free(http);
}
