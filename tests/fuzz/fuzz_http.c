/*
 * Whole connections from hostile clients: no input may break the server, and cutting it anywhere gives the same answers.
 * The first byte says where to cut.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_internal.h"

enum { ANSWERS_MAX = 1 << 20, HELD_MAX = 64 };

static struct event_base   *base;
static struct http         *http;
static struct http_request *held;
static char                 answers[2][ANSWERS_MAX];

static void on_gone(void *arg)
{
    (void)arg;
    held = NULL;
}

/* "/h...": answered later. "/s...": a stream. The rest is echoed. */
static void on_request(struct http_request *request, void *arg)
{
    const char *path = http_request_path(request);
    size_t      length;
    const char *body = http_request_body(request, &length);

    (void)arg;
    if (*path != '/' || http_request_id(request)[0] == '\0' || body[length] != '\0')
        abort();
    (void)http_request_query(request, "a");
    if (path[1] == 'h') {
        held = request;
        http_request_on_gone(request, on_gone, NULL);
    } else if (path[1] == 's') {
        struct http_stream *stream = http_stream_begin(request, 200, "text/plain");
        http_stream_write(stream, body, length);
        http_stream_end(stream);
    } else {
        http_reply_bytes(request, 200, "text/plain", body, length);
    }
}

static void turn(void)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    if (held != NULL) {
        struct http_request *request = held;
        held                         = NULL;
        http_reply_bytes(request, 200, "text/plain", "held", 4);
    }
}

static size_t hear(int fd, char *to, size_t length)
{
    ssize_t n;
    while (length < ANSWERS_MAX && (n = recv(fd, to + length, ANSWERS_MAX - length, MSG_DONTWAIT)) > 0)
        length += (size_t)n;
    return length;
}

static size_t converse(const uint8_t *data, size_t size, size_t step, char *answer)
{
    int    pair[2];
    size_t length = 0;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        abort();
    http->random[0] = http->random[1] = 1; /* the same request ids each time */
    http_connection_accept(http, pair[0], "peer");
    for (size_t at = 0; at < size;) {
        ssize_t n = send(pair[1], data + at, size - at < step ? size - at : step, MSG_NOSIGNAL);
        if (n < 0)
            break;
        at += (size_t)n;
        turn();
        length = hear(pair[1], answer, length);
    }
    shutdown(pair[1], SHUT_WR);
    for (int i = 0; i < HELD_MAX && http->connection_count > 0; i++) {
        turn();
        length = hear(pair[1], answer, length);
    }
    length = hear(pair[1], answer, length);
    close(pair[1]);
    turn();
    if (http->connection_count != 0 || http->in_flight != 0 || http->bodies != 0)
        abort();
    return length;
}

static void blank(char *text, size_t length, const char *name, size_t value)
{
    char *at = text;
    while ((at = memmem(at, length - (size_t)(at - text), name, strlen(name))) != NULL) {
        at += strlen(name);
        for (size_t i = 0; i < value && at < text + length; i++)
            *at++ = 'x';
    }
}

/* What may differ: the second, and whether the client was told to go on. */
static size_t normal(char *text, size_t length)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char             *at;
    while ((at = memmem(text, length, go_on, sizeof go_on - 1)) != NULL) {
        memmove(at, at + sizeof go_on - 1, length - (size_t)(at - text) - (sizeof go_on - 1));
        length -= sizeof go_on - 1;
    }
    blank(text, length, "\r\nDate: ", 29);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http_limits limits = {4096, 2048, 60000, 60000, 10, 60000};
    size_t                          whole, cut;

    if (size < 2 || size > 16384)
        return 0;
    if (base == NULL) {
        base = event_base_new();
        http = http_new(base, &limits, on_request, NULL, NULL);
    }
    whole = normal(answers[0], converse(data + 1, size - 1, size, answers[0]));
    cut   = normal(answers[1], converse(data + 1, size - 1, data[0] % 97 + 1u, answers[1]));
    if (whole > 0 && memcmp(answers[0], "HTTP/1.1 ", 9) != 0)
        abort();
    if (whole != cut || memcmp(answers[0], answers[1], whole) != 0)
        abort();
    return 0;
}
