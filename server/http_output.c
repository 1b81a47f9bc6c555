/* http_output.c: bytes out: at once where the socket takes them, queued in order where it does not. */
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "http_internal.h"

size_t http_connection_pending(const struct http_connection *connection)
{
    return connection->output != NULL ? evbuffer_get_length(connection->output) : 0;
}

/* Progress is looked at twice in the time a reader may take nothing. */
static void await_progress(struct http_connection *connection)
{
    connection->write_deadline_ms = http_deadline_in(connection->http->limits.write_timeout_ms / 2);
}

/* The socket's own buffer is large: a slow reader can be taking bytes for long before there is room for more. */
bool http_connection_progresses(struct http_connection *connection)
{
    int untaken, before = connection->untaken;

    if (ioctl(connection->fd, SIOCOUTQ, &untaken) != 0 || untaken == before)
        return false;
    connection->untaken = untaken;
    await_progress(connection);
    return true;
}

void http_connection_block(struct http_connection *connection)
{
    if (connection->blocked)
        return;
    connection->blocked = true;
    connection->untaken = -1;
    await_progress(connection);
    if (event_add(&connection->write_event, NULL) != 0)
        connection->broken = true;
}

void http_connection_flush(struct http_connection *connection)
{
    while (!connection->broken && http_connection_pending(connection) > 0) {
        ssize_t n = connection->tls != NULL ? http_tls_write_buffer(connection->tls, connection->output)
                                            : evbuffer_write(connection->output, connection->fd);
        if (n > 0) {
            connection->untaken = -1;
            if (connection->blocked)
                await_progress(connection);
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            http_connection_block(connection);
            return;
        } else {
            connection->broken = true;
        }
    }
    if (connection->blocked) {
        connection->blocked           = false;
        connection->write_deadline_ms = 0;
        event_del(&connection->write_event);
    }
}

static bool has_output(struct http_connection *connection)
{
    if (connection->output == NULL && (connection->output = evbuffer_new()) == NULL)
        connection->broken = true;
    return connection->output != NULL;
}

static void release(const void *data, size_t length, void *owned)
{
    (void)data;
    (void)length;
    free(owned);
}

/* Queues what is left of the vectors after `sent` bytes. */
static void queue(struct http_connection *connection, struct iovec *vectors, int count, size_t sent, bool owned)
{
    for (int i = 0; i < count; i++) {
        size_t skip = sent < vectors[i].iov_len ? sent : vectors[i].iov_len;
        char  *rest = (char *)vectors[i].iov_base + skip;
        size_t left = vectors[i].iov_len - skip;
        int    failed;
        sent -= skip;
        if (owned && i == count - 1) {
            failed = left > 0 && has_output(connection)
                         ? evbuffer_add_reference(connection->output, rest, left, release, vectors[i].iov_base)
                         : -1;
            if (failed != 0)
                free(vectors[i].iov_base);
            failed = failed != 0 && left > 0;
        } else {
            failed = left > 0 && (!has_output(connection) || evbuffer_add(connection->output, rest, left) != 0);
        }
        if (failed)
            connection->broken = true;
    }
}

/* Sends the vectors now if nothing waits before them. Returns how many bytes went. */
static size_t send_now(struct http_connection *connection, struct iovec *vectors, int count)
{
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
    ssize_t       n;

    if (connection->broken || connection->blocked || http_connection_pending(connection) > 0)
        return 0;
    do
        n = connection->tls != NULL ? http_tls_write(connection->tls, vectors, count)
                                    : sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        connection->broken = true;
    return n > 0 ? (size_t)n : 0;
}

void http_connection_write(struct http_connection *connection, struct iovec *vectors, int count, bool owned)
{
    size_t total = 0, sent = send_now(connection, vectors, count);

    for (int i = 0; i < count; i++)
        total += vectors[i].iov_len;
    if (sent == total || connection->broken) {
        if (owned)
            free(vectors[count - 1].iov_base);
    } else {
        queue(connection, vectors, count, sent, owned);
        if (!connection->blocked)
            http_connection_flush(connection);
    }
    if (connection->broken)
        http_connection_wake(connection);
}

void http_connection_write_buffer(struct http_connection *connection, struct iovec *vectors, int count, struct evbuffer *moved_from)
{
    enum { PIECES = 30 };
    struct iovec all[PIECES + 2];
    size_t       head = 0, sent;
    int          pieces;

    for (int i = 0; i < count; i++) {
        all[i] = vectors[i];
        head += vectors[i].iov_len;
    }
    pieces = evbuffer_peek(moved_from, -1, NULL, (struct evbuffer_iovec *)(all + count), PIECES);
    sent   = send_now(connection, all, count + (pieces < PIECES ? pieces : PIECES));
    if (!connection->broken) {
        if (sent < head)
            queue(connection, vectors, count, sent, false);
        evbuffer_drain(moved_from, sent > head ? sent - head : 0);
        if (evbuffer_get_length(moved_from) > 0 && has_output(connection) && evbuffer_add_buffer(connection->output, moved_from) != 0)
            connection->broken = true;
        if (!connection->blocked)
            http_connection_flush(connection);
    }
    evbuffer_drain(moved_from, evbuffer_get_length(moved_from));
    if (connection->broken)
        http_connection_wake(connection);
}

void http_connection_hold(struct http_connection *connection, const void *data, size_t length)
{
    if (!has_output(connection) || evbuffer_add(connection->output, data, length) != 0)
        connection->broken = true;
    http_connection_wake(connection);
}
