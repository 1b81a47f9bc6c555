/*
 * http_connection.c: one client: bytes in, requests out to the handler one after the other, answers back in order.
 *
 * A connection is destroyed only from the loop (on_readable, on_writable, the sweep, http_free), never inside a call that a handler
 * makes: such a call only marks it and wakes the loop. So a handler's pointers die when the header says so and at no other moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_internal.h"

void http_connection_wake(struct http_connection *connection)
{
    if (!connection->dispatching)
        event_active(&connection->wake_event, EV_READ, 1);
}

static void expect_head(struct http_connection *connection)
{
    connection->state = HTTP_HEAD_STATE;
    http_guard_init(&connection->guard);
    connection->deadline_ms =
        http_deadline_in(connection->fresh ? connection->http->limits.head_timeout_ms : connection->http->limits.idle_timeout_ms);
}

void http_connection_answered(struct http_connection *connection, bool keep_alive)
{
    http_request_free(connection->request);
    connection->request = NULL;
    connection->http->in_flight--;
    connection->fresh = false;
    connection->closing |= !keep_alive;
    expect_head(connection);
    if (connection->broken || connection->closing || connection->input.length > 0 || !connection->reading)
        http_connection_wake(connection);
}

/* The client sends no more. Whole requests that came before are still answered (settle() ends what is not whole). */
static void on_end(struct http_connection *connection)
{
    connection->peer_eof = true;
    if (connection->state == HTTP_STREAMING || (connection->state == HTTP_HANDLING && connection->request->gone_on_eof))
        connection->broken = true;
}

static void shake_hands(struct http_connection *connection)
{
    int result = http_tls_handshake(connection->tls);

    connection->shaking = result == 0;
    if (result < 0)
        connection->broken = true;
    else if (result == 0 && http_tls_wants_write(connection->tls))
        http_connection_block(connection);
    else
        http_connection_flush(connection);
}

static ssize_t read_some(struct http_connection *connection, size_t room)
{
    ssize_t n = connection->tls != NULL ? http_tls_read(connection->tls, connection->http->scratch, room)
                                        : recv(connection->fd, connection->http->scratch, room, MSG_DONTWAIT);

    connection->read_blocks = connection->tls != NULL && n < 0 && errno == EAGAIN && http_tls_wants_write(connection->tls);
    return n;
}

static void receive(struct http_connection *connection)
{
    struct http *http  = connection->http;
    bool         keeps = connection->state == HTTP_HANDLING || connection->state == HTTP_STREAMING;
    ssize_t      n;

    if (connection->shaking) {
        shake_hands(connection);
        return;
    }
    do
        n = read_some(connection, keeps ? HTTP_INPUT_MAX : sizeof http->scratch);
    while (n < 0 && errno == EINTR);
    if (connection->read_blocks)
        http_connection_block(connection);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            connection->broken = true;
    } else if (n == 0) {
        on_end(connection);
    } else if (connection->state == HTTP_LINGERING) {
        connection->lingered += (uint64_t)n;
    } else if (!connection->closing) {
        http_input_add(connection, http->scratch, (size_t)n);
    }
}

/* The answer is out. The client may still be sending: closing now would reset the connection and lose the answer. */
static void linger(struct http_connection *connection)
{
    connection->state       = HTTP_LINGERING;
    connection->deadline_ms = http_now_ms() + HTTP_LINGER_MS;
    if (connection->tls != NULL)
        http_tls_shutdown(connection->tls);
    shutdown(connection->fd, SHUT_WR);
}

static bool wants_input(const struct http_connection *connection)
{
    if (connection->peer_eof)
        return false;
    switch (connection->state) {
    case HTTP_HEAD_STATE: return !http_input_waits(connection) && http_connection_pending(connection) <= HTTP_OUTPUT_HIGH;
    case HTTP_HANDLING:
    case HTTP_STREAMING: return connection->input.length < HTTP_INPUT_MAX;
    case HTTP_BODY_STATE: return !http_input_is_paused(connection) || connection->input.length < HTTP_INPUT_MAX;
    default: return true;
    }
}

static void settle_reading(struct http_connection *connection)
{
    bool wanted = wants_input(connection);
    if (wanted == connection->reading)
        return;
    connection->reading = wanted;
    if ((wanted ? event_add(&connection->read_event, NULL) : event_del(&connection->read_event)) != 0)
        connection->broken = true;
}

/* The client sends no more, and all that it sent has been used: what is not whole by now never will be. */
static void settle_end(struct http_connection *connection)
{
    if (connection->closing || http_input_waits(connection) || http_input_is_paused(connection))
        return;
    if (connection->state == HTTP_BODY_STATE)
        http_input_refuse(connection, 400, "BAD_REQUEST", "The request ended in the middle of its body");
    else if (connection->state == HTTP_HEAD_STATE && connection->input.length > 0)
        http_input_refuse(connection, 400, "BAD_REQUEST", "The request ended in the middle of its head");
    connection->closing |= connection->state == HTTP_HEAD_STATE;
}

/* Acts on what was marked. May destroy the connection. */
static void settle(struct http_connection *connection)
{
    if (connection->peer_eof && !connection->broken) {
        connection->dispatching = true;
        settle_end(connection);
        connection->dispatching = false;
    }
    if (!connection->blocked)
        http_connection_flush(connection);
    if (connection->state == HTTP_HEAD_STATE && connection->closing && !connection->broken && http_connection_pending(connection) == 0) {
        if (!connection->lingers || connection->peer_eof)
            connection->broken = true;
        else
            linger(connection);
    }
    if (connection->state == HTTP_LINGERING && (connection->peer_eof || connection->lingered > HTTP_LINGER_BYTES))
        connection->broken = true;
    if (!connection->broken)
        settle_reading(connection);
    if (connection->broken)
        http_connection_destroy(connection);
    else if (http_input_waits(connection) && !connection->closing && http_connection_pending(connection) <= HTTP_OUTPUT_HIGH)
        http_connection_wake(connection);
}

static void use_room(struct http_connection *connection)
{
    struct http_stream *stream = &connection->stream;

    http_connection_flush(connection);
    if (connection->state != HTTP_STREAMING || connection->broken || !stream->above ||
        http_connection_pending(connection) > stream->low_water)
        return;
    stream->above = false;
    if (stream->on_drain != NULL)
        stream->on_drain(stream->drain_arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct http_connection *connection = arg;

    (void)fd;
    (void)what;
    connection->dispatching = true;
    http_input_use(connection);
    if (!connection->broken && connection->reading)
        receive(connection);
    connection->dispatching = false;
    settle(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct http_connection *connection = arg;

    (void)fd;
    (void)what;
    connection->dispatching = true;
    if (connection->shaking)
        shake_hands(connection);
    else
        use_room(connection);
    if (connection->read_blocks && !connection->broken)
        receive(connection);
    connection->dispatching = false;
    settle(connection);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct http_connection *connection = arg;

    (void)fd;
    (void)what;
    connection->dispatching = true;
    if (!connection->blocked)
        use_room(connection);
    if (!connection->broken)
        http_input_use(connection);
    connection->dispatching = false;
    settle(connection);
}

static void count_in(struct http *http, struct http_connection *connection)
{
    TAILQ_INSERT_TAIL(&http->connections, connection, link);
    http->connection_count++;
    if (!http->sweeping) {
        http->sweeping = true;
        event_add(http->sweep, &http->sweep_every);
    }
}

void http_connection_accept(struct http *http, int fd, const char *peer)
{
    struct http_connection *connection;
    bool                    over = http->connection_count >= http->limits.connections;

    connection = http->connection_count < (size_t)http->limits.connections + HTTP_REFUSED_MAX ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->http    = http;
    connection->fd      = fd;
    connection->tls     = http->tls != NULL ? http_tls_accept(http->tls, fd) : NULL;
    connection->shaking = connection->tls != NULL;
    if (http->tls != NULL && (connection->tls == NULL || over)) { /* a refusal is not worth a handshake */
        http_tls_end(connection->tls, true);
        free(connection);
        close(fd);
        return;
    }
    strncpy(connection->peer, peer, sizeof connection->peer - 1);
    event_assign(&connection->read_event, http->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->write_event, http->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    event_assign(&connection->wake_event, http->base, -1, 0, on_wake, connection);
    connection->fresh = true;
    expect_head(connection);
    count_in(http, connection);
    connection->dispatching = true;
    if (over)
        http_input_refuse(connection, 503, "TOO_MANY_CONNECTIONS", "The server has too many connections");
    connection->dispatching = false;
    settle(connection);
}

/* Tells the owner of an unfinished answer, once. */
static void tell_gone(struct http_connection *connection)
{
    void (*on_gone)(void *arg) = NULL;
    void *arg                  = NULL;

    if (connection->state == HTTP_STREAMING) {
        on_gone = connection->stream.on_gone;
        arg     = connection->stream.gone_arg;
    } else if (connection->request != NULL) {
        on_gone = connection->request->on_gone;
        arg     = connection->request->on_gone_arg;
    }
    if (connection->state == HTTP_STREAMING || connection->request != NULL)
        connection->http->in_flight--;
    connection->dispatching = true; /* nothing the owner still does wakes this connection */
    if (on_gone != NULL)
        on_gone(arg);
}

void http_connection_destroy(struct http_connection *connection)
{
    struct http *http = connection->http;

    event_del(&connection->read_event);
    event_del(&connection->write_event);
    event_del(&connection->wake_event);
    tell_gone(connection);
    http_request_free(connection->request);
    TAILQ_REMOVE(&http->connections, connection, link);
    http->connection_count--;
    if (connection->output != NULL)
        evbuffer_free(connection->output);
    http_buffer_done(&connection->input);
    http_tls_end(connection->tls, false);
    close(connection->fd);
    free(connection);
}

void http_connection_sweep(struct http_connection *connection, int64_t now_ms)
{
    bool late = connection->deadline_ms != 0 && now_ms >= connection->deadline_ms;

    if (connection->write_deadline_ms != 0 && now_ms >= connection->write_deadline_ms && !http_connection_progresses(connection)) {
        connection->broken = true;
    } else if (late && connection->shaking) {
        connection->broken = true;
    } else if (!late || (connection->state == HTTP_HEAD_STATE && http_connection_pending(connection) > 0)) {
        return;
    } else if (connection->state == HTTP_HEAD_STATE && !connection->closing && (connection->fresh || connection->input.length > 0)) {
        connection->dispatching = true;
        http_input_refuse(connection, 408, "REQUEST_TIMEOUT", "The request did not come in time");
    } else if (connection->state == HTTP_BODY_STATE) {
        connection->dispatching = true;
        http_input_refuse(connection, 408, "REQUEST_TIMEOUT", "The request's body did not come in time");
    } else if (!connection->closing || connection->state == HTTP_LINGERING) {
        connection->broken = true;
    }
    connection->dispatching = false;
    settle(connection);
}
