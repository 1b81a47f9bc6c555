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

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

void http_connection_wake(struct http_connection *connection)
{
    if (!connection->dispatching)
        event_active(&connection->wake_event, EV_READ, 1);
}

/* ---- In ---- */

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

/* The present request, or one made for the purpose, is refused; what the client still sends is thrown away. */
static void refuse(struct http_connection *connection, const struct http_refusal *refusal)
{
    if (connection->request == NULL) {
        connection->request = http_request_new(connection);
        if (connection->request == NULL) {
            connection->broken = true;
            return;
        }
        connection->http->in_flight++;
    }
    connection->state = HTTP_HANDLING;
    http_reply_refusal(connection->request, refusal);
}

static void refuse_with(struct http_connection *connection, int status, const char *code, const char *message)
{
    struct http_refusal refusal = {status, code, message};
    refuse(connection, &refusal);
}

static void deliver(struct http_connection *connection)
{
    struct http *http = connection->http;

    connection->state       = HTTP_HANDLING;
    connection->deadline_ms = 0;
    http_request_settle_id(connection->request);
    http->on_request(connection->request, http->arg);
}

static void send_continue(struct http_connection *connection)
{
    struct iovec vector = {(void *)"HTTP/1.1 100 Continue\r\n\r\n", 25};
    http_connection_write(connection, &vector, 1, false);
}

/* A whole head. The body follows, or the request is delivered. */
static void begin_request(struct http_connection *connection, const char *data, bool more_follows)
{
    struct http            *http = connection->http;
    const struct http_head *head = &connection->guard.head;
    struct http_refusal     refusal;

    connection->request = http_request_new(connection);
    if (connection->request == NULL) {
        connection->broken = true;
        return;
    }
    http->in_flight++;
    if (http_parse_head(connection->request, http->parser, data, head, &refusal) != 0) {
        refuse(connection, &refusal);
        return;
    }
    if (head->has_length && head->content_length > http->limits.body_bytes) {
        refuse_with(connection, 413, "PAYLOAD_TOO_LARGE", "The request's body is too large");
        return;
    }
    if (!head->chunked && head->content_length == 0) {
        deliver(connection);
        return;
    }
    connection->state       = HTTP_BODY_STATE;
    connection->chunked     = (struct http_chunked){0};
    connection->body_step   = HTTP_BODY_STEP_BYTES;
    connection->deadline_ms = http_deadline_in(http->limits.head_timeout_ms);
    if (head->expect_continue && !more_follows)
        send_continue(connection);
}

static void add_body(struct http_connection *connection, const char *data, size_t length)
{
    struct http_buffer *body = &connection->request->body;

    if (http_buffer_add(body, data, length) != 0) {
        refuse_with(connection, 503, "OUT_OF_MEMORY", "The server is short of memory");
        return;
    }
    if (body->length >= connection->body_step) {
        connection->body_step   = body->length + HTTP_BODY_STEP_BYTES;
        connection->deadline_ms = http_deadline_in(connection->http->limits.head_timeout_ms);
    }
}

static size_t take_plain_body(struct http_connection *connection, const char *data, size_t length)
{
    uint64_t left = connection->guard.head.content_length - connection->request->body.length;
    size_t   n    = left < length ? (size_t)left : length;

    add_body(connection, data, n);
    if (n == left && connection->state == HTTP_BODY_STATE)
        deliver(connection);
    return n;
}

/* Whether the body that has come, with the chunk that is coming, is more than is taken. */
static bool is_too_large(const struct http_connection *connection, size_t piece_length)
{
    size_t limit = connection->http->limits.body_bytes, have = connection->request->body.length + piece_length;
    return have > limit || connection->chunked.left > limit - have;
}

static size_t take_chunked_body(struct http_connection *connection, const char *data, size_t length)
{
    size_t left = length;

    while (connection->state == HTTP_BODY_STATE) {
        const char       *piece;
        size_t            piece_length = 0;
        enum chunk_result result       = http_chunked_next(&connection->chunked, &data, &left, &piece, &piece_length);
        if (is_too_large(connection, piece_length))
            refuse_with(connection, 413, "PAYLOAD_TOO_LARGE", "The request's body is too large");
        else if (result == CHUNK_BAD)
            refuse_with(connection, 400, "BAD_REQUEST", "The chunked body is not well-formed");
        else if (result == CHUNK_DATA)
            add_body(connection, piece, piece_length);
        else if (result == CHUNK_END)
            deliver(connection);
        if (result == CHUNK_MORE)
            break;
    }
    return length - left;
}

static size_t take_head(struct http_connection *connection, const char *data, size_t length)
{
    struct http_refusal refusal;
    size_t              head;

    if (connection->guard.scanned == 0 && !connection->fresh)
        connection->deadline_ms = http_deadline_in(connection->http->limits.head_timeout_ms);
    switch (http_guard_head(&connection->guard, data, length, connection->http->limits.head_bytes, &refusal)) {
    case GUARD_MORE: return 0;
    case GUARD_REFUSED: refuse(connection, &refusal); return length;
    default: break;
    }
    head = connection->guard.head.length;
    begin_request(connection, data, length > head);
    return head;
}

/* Takes as much as can be used now; returns how much that was. */
static size_t take(struct http_connection *connection, const char *data, size_t length)
{
    size_t   used   = 0;
    unsigned served = 0;

    while (used < length && !connection->broken && !connection->closing) {
        size_t n;
        if (connection->state == HTTP_HEAD_STATE) {
            if (served++ == HTTP_TURN_REQUESTS || http_connection_pending(connection) > HTTP_OUTPUT_HIGH)
                break;
            n = take_head(connection, data + used, length - used);
            if (n == 0)
                break;
            used += n;
        } else if (connection->state == HTTP_BODY_STATE) {
            used += connection->guard.head.chunked ? take_chunked_body(connection, data + used, length - used)
                                                   : take_plain_body(connection, data + used, length - used);
        } else {
            break;
        }
    }
    return connection->closing ? length : used;
}

/* New bytes, behind what was kept. Bytes that come whole in one read are used where they lie. */
static void take_new(struct http_connection *connection, const char *data, size_t length)
{
    struct http_buffer *input = &connection->input;
    size_t              used;

    if (input->length > 0 || connection->state == HTTP_HANDLING || connection->state == HTTP_STREAMING) {
        if (http_buffer_add(input, data, length) != 0)
            connection->broken = true;
        http_buffer_drop(input, take(connection, input->data, input->length));
        return;
    }
    used = take(connection, data, length);
    if (used < length && http_buffer_add(input, data + used, length - used) != 0)
        connection->broken = true;
}

/* The client sends no more. Whole requests that came before are still answered (settle() ends what is not whole). */
static void on_end(struct http_connection *connection)
{
    connection->peer_eof = true;
    if (connection->state == HTTP_STREAMING || (connection->state == HTTP_HANDLING && connection->request->gone_on_eof))
        connection->broken = true;
}

static void receive(struct http_connection *connection)
{
    struct http *http = connection->http;
    ssize_t      n;

    do
        n = recv(connection->fd, http->scratch, sizeof http->scratch, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            connection->broken = true;
    } else if (n == 0) {
        on_end(connection);
    } else if (connection->state == HTTP_LINGERING) {
        connection->lingered += (uint64_t)n;
    } else if (!connection->closing) {
        take_new(connection, http->scratch, (size_t)n);
    }
}

/* ---- The loop's side ---- */

/* The answer is out. The client may still be sending: closing now would reset the connection and lose the answer. */
static void linger(struct http_connection *connection)
{
    connection->state       = HTTP_LINGERING;
    connection->deadline_ms = http_now_ms() + HTTP_LINGER_MS;
    shutdown(connection->fd, SHUT_WR);
}

static bool wants_input(const struct http_connection *connection)
{
    if (connection->peer_eof)
        return false;
    if (connection->state == HTTP_HEAD_STATE && http_connection_pending(connection) > HTTP_OUTPUT_HIGH)
        return false;
    return connection->input.length < HTTP_INPUT_MAX;
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

/* There are kept bytes that nobody has looked at yet. */
static bool has_input(const struct http_connection *connection)
{
    return connection->input.length > 0 && (connection->state == HTTP_BODY_STATE ||
                                            (connection->state == HTTP_HEAD_STATE && connection->guard.scanned < connection->input.length));
}

/* The client sends no more, and all that it sent has been used: what is not whole by now never will be. */
static void settle_end(struct http_connection *connection)
{
    if (connection->closing || has_input(connection))
        return;
    if (connection->state == HTTP_BODY_STATE)
        refuse_with(connection, 400, "BAD_REQUEST", "The request ended in the middle of its body");
    else if (connection->state == HTTP_HEAD_STATE && connection->input.length > 0)
        refuse_with(connection, 400, "BAD_REQUEST", "The request ended in the middle of its head");
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
    else if (has_input(connection) && !connection->closing && http_connection_pending(connection) <= HTTP_OUTPUT_HIGH)
        http_connection_wake(connection);
}

static void use_input(struct http_connection *connection)
{
    if (connection->input.length > 0 && (connection->state == HTTP_HEAD_STATE || connection->state == HTTP_BODY_STATE))
        http_buffer_drop(&connection->input, take(connection, connection->input.data, connection->input.length));
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
    use_input(connection);
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
    use_room(connection);
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
        use_input(connection);
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
    connection->http = http;
    connection->fd   = fd;
    strncpy(connection->peer, peer, sizeof connection->peer - 1);
    event_assign(&connection->read_event, http->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
    event_assign(&connection->write_event, http->base, fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    event_assign(&connection->wake_event, http->base, -1, 0, on_wake, connection);
    connection->fresh = true;
    expect_head(connection);
    count_in(http, connection);
    connection->dispatching = true;
    if (over)
        refuse_with(connection, 503, "TOO_MANY_CONNECTIONS", "The server has too many connections");
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
    close(connection->fd);
    free(connection);
}

void http_connection_sweep(struct http_connection *connection, int64_t now_ms)
{
    bool late = connection->deadline_ms != 0 && now_ms >= connection->deadline_ms;

    if (connection->write_deadline_ms != 0 && now_ms >= connection->write_deadline_ms && !http_connection_progresses(connection)) {
        connection->broken = true;
    } else if (!late || (connection->state == HTTP_HEAD_STATE && http_connection_pending(connection) > 0)) {
        return;
    } else if (connection->state == HTTP_HEAD_STATE && !connection->closing && (connection->fresh || connection->input.length > 0)) {
        connection->dispatching = true;
        refuse_with(connection, 408, "REQUEST_TIMEOUT", "The request did not come in time");
    } else if (connection->state == HTTP_BODY_STATE) {
        connection->dispatching = true;
        refuse_with(connection, 408, "REQUEST_TIMEOUT", "The request's body did not come in time");
    } else if (!connection->closing || connection->state == HTTP_LINGERING) {
        connection->broken = true;
    }
    connection->dispatching = false;
    settle(connection);
}
