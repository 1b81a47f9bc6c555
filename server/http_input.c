/* http_input.c: bytes in: heads and bodies taken from what has come, and whole requests delivered, one at a time. */
#include <string.h>

#include "http_internal.h"

/* A request that its handler has already and that won't be whole. */
static void take_back(struct http_request *request)
{
    void (*on_gone)(void *arg) = request->on_gone;
    request->on_gone           = NULL;
    request->on_body           = NULL;
    if (request->streamed && on_gone != NULL)
        on_gone(request->on_gone_arg);
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
    take_back(connection->request);
    connection->state = HTTP_HANDLING;
    http_reply_refusal(connection->request, refusal);
}

void http_input_refuse(struct http_connection *connection, int status, const char *code, const char *message)
{
    struct http_refusal refusal = {status, code, message};
    refuse(connection, &refusal);
}

static void deliver(struct http_connection *connection)
{
    struct http *http = connection->http;

    connection->state       = HTTP_HANDLING;
    connection->deadline_ms = 0;
    if (connection->request->body_bytes > 0)
        connection->request->come_us = http_now_us();
    http_request_settle_id(connection->request);
    http->on_request(connection->request, http->arg);
}

void http_input_continue(struct http_connection *connection)
{
    struct iovec vector = {(void *)"HTTP/1.1 100 Continue\r\n\r\n", 25};
    http_connection_write(connection, &vector, 1, false);
}

/* Before its body: the handler decides what becomes of that. */
static void deliver_streamed(struct http_connection *connection, bool wants_continue)
{
    struct http_request *request = connection->request;

    request->streamed       = true;
    request->wants_continue = wants_continue;
    connection->deadline_ms = 0;
    http_request_settle_id(request);
    connection->http->on_request(request, connection->http->arg);
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
    if (!head->chunked && head->content_length == 0) {
        deliver(connection);
        return;
    }
    connection->state       = HTTP_BODY_STATE;
    connection->chunked     = (struct http_chunked){0};
    connection->body_step   = HTTP_BODY_STEP_BYTES;
    connection->deadline_ms = http_deadline_in(http->limits.head_timeout_ms);
    if (http->is_streamed != NULL && http->is_streamed(connection->request, http->arg))
        deliver_streamed(connection, head->expect_continue && !more_follows);
    else if (head->has_length && head->content_length > http->limits.body_bytes)
        http_input_refuse(connection, 413, "PAYLOAD_TOO_LARGE", "The request's body is too large");
    else if (head->expect_continue && !more_follows)
        http_input_continue(connection);
}

static void keep_body(struct http_connection *connection, const char *data, size_t length)
{
    struct http *http = connection->http;

    if (http->bodies + length > HTTP_BODIES_MAX || http_buffer_add(&connection->request->body, data, length) != 0)
        http_input_refuse(connection, 503, "OUT_OF_MEMORY", "The server has no room for another request of this size");
    else
        http->bodies += length;
}

/* The request may be answered, and gone, afterwards. */
static void add_body(struct http_connection *connection, const char *data, size_t length)
{
    struct http_request *request = connection->request;

    request->body_bytes += length;
    if (request->body_bytes >= connection->body_step) {
        connection->body_step   = request->body_bytes + HTTP_BODY_STEP_BYTES;
        connection->deadline_ms = http_deadline_in(connection->http->limits.head_timeout_ms);
    }
    if (!request->streamed)
        keep_body(connection, data, length);
    else if (length > 0)
        request->on_body(data, length, false, request->on_body_arg);
}

static void end_body(struct http_connection *connection)
{
    struct http_request *request = connection->request;

    if (!request->streamed) {
        deliver(connection);
        return;
    }
    connection->state       = HTTP_HANDLING;
    connection->deadline_ms = 0;
    request->given          = true;
    request->on_body("", 0, true, request->on_body_arg);
}

bool http_input_is_paused(const struct http_connection *connection)
{
    const struct http_request *request = connection->request;
    return connection->state == HTTP_BODY_STATE && request->streamed && (request->on_body == NULL || request->paused);
}

/* A handler wants the body of a request that was delivered with it, or has none. */
static bool owes_body(const struct http_connection *connection)
{
    const struct http_request *request = connection->request;
    return connection->state == HTTP_HANDLING && request->on_body != NULL && !request->paused && !request->given;
}

static void give_body(struct http_request *request)
{
    request->given = true;
    request->on_body(request->body.length > 0 ? request->body.data : "", request->body.length, true, request->on_body_arg);
}

static bool is_taking(const struct http_connection *connection)
{
    return connection->state == HTTP_BODY_STATE && !http_input_is_paused(connection);
}

static size_t take_plain_body(struct http_connection *connection, const char *data, size_t length)
{
    uint64_t left = connection->guard.head.content_length - connection->request->body_bytes;
    size_t   n    = left < length ? (size_t)left : length;

    if (n > 0)
        add_body(connection, data, n);
    if (n == left && is_taking(connection))
        end_body(connection);
    return n;
}

/* Whether the body that has come, with the chunk that is coming, is more than is taken. */
static bool is_too_large(const struct http_connection *connection, size_t piece_length)
{
    size_t limit = connection->http->limits.body_bytes, have = connection->request->body.length + piece_length;
    if (connection->request->streamed)
        return false;
    return have > limit || connection->chunked.left > limit - have;
}

static size_t take_chunked_body(struct http_connection *connection, const char *data, size_t length)
{
    size_t left = length;

    while (is_taking(connection)) {
        const char       *piece;
        size_t            piece_length = 0;
        enum chunk_result result       = http_chunked_next(&connection->chunked, &data, &left, &piece, &piece_length);
        if (is_too_large(connection, piece_length))
            http_input_refuse(connection, 413, "PAYLOAD_TOO_LARGE", "The request's body is too large");
        else if (result == CHUNK_BAD)
            http_input_refuse(connection, 400, "BAD_REQUEST", "The chunked body is not well-formed");
        else if (result == CHUNK_DATA)
            add_body(connection, piece, piece_length);
        else if (result == CHUNK_END)
            end_body(connection);
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
        } else if (is_taking(connection)) {
            used += connection->guard.head.chunked ? take_chunked_body(connection, data + used, length - used)
                                                   : take_plain_body(connection, data + used, length - used);
        } else {
            break;
        }
    }
    return connection->closing ? length : used;
}

/* New bytes, behind what was kept. Bytes that come whole in one read are used where they lie. */
void http_input_add(struct http_connection *connection, const char *data, size_t length)
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

/* All of a body has come, but its handler was paused when the last piece did. */
static bool owes_end(const struct http_connection *connection)
{
    const struct http_head *head = &connection->guard.head;
    return is_taking(connection) && connection->request->streamed && !head->chunked &&
           connection->request->body_bytes == head->content_length;
}

/* There are kept bytes that nobody has looked at yet. */
bool http_input_waits(const struct http_connection *connection)
{
    if (owes_body(connection) || owes_end(connection))
        return true;
    return connection->input.length > 0 &&
           (is_taking(connection) || (connection->state == HTTP_HEAD_STATE && connection->guard.scanned < connection->input.length));
}

void http_input_use(struct http_connection *connection)
{
    if (owes_body(connection))
        give_body(connection->request);
    else if (owes_end(connection))
        end_body(connection);
    if (connection->input.length > 0 && (connection->state == HTTP_HEAD_STATE || is_taking(connection)))
        http_buffer_drop(&connection->input, take(connection, connection->input.data, connection->input.length));
}
