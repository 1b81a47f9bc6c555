/* http_stream.c: answers in pieces. One piece is one chunk and one write where the socket takes it. */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

/* length: -1: not known. */
static struct http_stream *begin(struct http_request *request, int status, const char *content_type, int64_t length)
{
    struct http_connection *connection = request->connection;
    struct http_stream     *stream     = &connection->stream;
    struct http_buffer      head       = {0};

    if (connection->inner != NULL)
        return http_inner_begin(request, status);
    http_reply_settle(request);
    if (request->minor == 0)
        request->keep_alive = false;
    *stream = (struct http_stream){.connection = connection,
                                   .chunked    = request->minor > 0 && length < 0,
                                   .sized      = length >= 0,
                                   .left       = length >= 0 ? (uint64_t)length : 0,
                                   .silent     = request->method == HTTP_HEAD,
                                   .on_gone    = request->on_gone,
                                   .gone_arg   = request->on_gone_arg};
    if (http_reply_head(request, status, content_type, length, &head) != 0) {
        connection->broken = true;
        http_connection_wake(connection);
    } else {
        http_connection_hold(connection, head.data, head.length);
    }
    free(head.data);
    connection->closing = connection->closing || !request->keep_alive;
    connection->state   = HTTP_STREAMING;
    connection->request = NULL;
    http_request_free(request);
    return stream;
}

struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type)
{
    return begin(request, status, content_type, -1);
}

struct http_stream *http_stream_begin_sized(struct http_request *request, int status, const char *content_type, uint64_t length)
{
    return begin(request, status, content_type, (int64_t)length);
}

void http_stream_set_callbacks(struct http_stream *stream, size_t low_water, void (*on_drain)(void *arg), void (*on_gone)(void *arg),
                               void *arg)
{
    stream->low_water = low_water;
    stream->on_drain  = on_drain;
    stream->drain_arg = arg;
    if (on_gone != NULL) {
        stream->on_gone  = on_gone;
        stream->gone_arg = arg;
    }
}

static size_t chunk_head(char *to, size_t length)
{
    char   digits[16];
    size_t n = 0, at = 0;
    do
        digits[n++] = "0123456789abcdef"[length & 15];
    while ((length >>= 4) > 0);
    while (n > 0)
        to[at++] = digits[--n];
    to[at++] = '\r';
    to[at++] = '\n';
    return at;
}

/* What every write ends with: the reader that is too far behind, and the mark that on_drain waits for. */
static size_t after_write(struct http_stream *stream)
{
    size_t pending = http_connection_pending(stream->connection);
    if (pending > HTTP_OUTPUT_MAX) {
        stream->connection->broken = true;
        http_connection_wake(stream->connection);
    }
    if (pending > stream->low_water)
        stream->above = true;
    return pending;
}

/* Never more than was promised. */
static void count_out(struct http_stream *stream, size_t *length)
{
    if (!stream->sized)
        return;
    if (*length > stream->left)
        *length = (size_t)stream->left;
    stream->left -= *length;
}

/* What a chunk ends with; the last one: with the end of the answer. */
static struct iovec chunk_end(struct http_stream *stream)
{
    static char END[]   = "\r\n0\r\n\r\n";
    stream->is_finished = stream->is_last;
    return (struct iovec){END, stream->is_last ? sizeof END - 1 : 2};
}

void http_stream_last(struct http_stream *stream)
{
    stream->is_last = stream->chunked;
}

size_t http_stream_write(struct http_stream *stream, const void *data, size_t length)
{
    char         head[20];
    struct iovec vectors[3];

    if (stream->connection->inner != NULL)
        return http_inner_write(stream, data, length);
    count_out(stream, &length);
    if (length == 0 || stream->silent || stream->connection->broken)
        return http_connection_pending(stream->connection);
    vectors[0] = (struct iovec){head, chunk_head(head, length)};
    vectors[1] = (struct iovec){(void *)data, length};
    if (stream->chunked) {
        vectors[2] = chunk_end(stream);
        http_connection_write(stream->connection, vectors, 3, false);
    } else
        http_connection_write(stream->connection, vectors + 1, 1, false);
    return after_write(stream);
}

size_t http_stream_write_buffer(struct http_stream *stream, struct evbuffer *moved_from)
{
    char         head[20];
    size_t       length = evbuffer_get_length(moved_from), counted = length;
    struct iovec vector = {head, chunk_head(head, length)};

    if (stream->connection->inner != NULL) {
        (void)http_inner_write(stream, evbuffer_pullup(moved_from, -1), length);
        evbuffer_drain(moved_from, length);
        return 0;
    }
    count_out(stream, &counted);
    if (counted < length) /* more than was promised can't be sent */
        stream->connection->broken = true;
    if (length == 0 || stream->silent || stream->connection->broken) {
        evbuffer_drain(moved_from, length);
        return http_connection_pending(stream->connection);
    }
    if (stream->chunked) {
        struct iovec end = chunk_end(stream);
        evbuffer_add(moved_from, end.iov_base, end.iov_len);
    }
    http_connection_write_buffer(stream->connection, &vector, stream->chunked ? 1 : 0, moved_from);
    return after_write(stream);
}

size_t http_stream_pending(const struct http_stream *stream)
{
    if (stream->connection->inner != NULL)
        return 0;
    return http_connection_pending(stream->connection);
}

void http_stream_end(struct http_stream *stream)
{
    struct http_connection *connection = stream->connection;
    struct iovec            vector     = {(void *)"0\r\n\r\n", 5};

    if (connection->inner != NULL) {
        http_inner_end(stream, true);
        return;
    }
    if (stream->chunked && !stream->is_finished && !stream->silent && !connection->broken)
        http_connection_write(connection, &vector, 1, false);
    if (stream->sized && stream->left > 0 && !stream->silent)
        connection->broken = true;
    http_connection_answered(connection, !connection->closing);
}

void http_stream_cut(struct http_stream *stream)
{
    struct http_connection *connection = stream->connection;

    if (connection->inner != NULL) {
        http_inner_end(stream, false);
        return;
    }
    connection->broken = true;
    http_connection_answered(connection, false);
}
