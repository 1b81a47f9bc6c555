#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct event_base *peer_base;
struct http       *peer_http;
in_port_t          peer_port;

struct peer_seen peer_seen;

/* Times that only a fault can take; and some for who wants to see them pass. */
static const struct http_limits LIMITS = {.body_bytes       = 100000,
                                          .head_bytes       = 16384,
                                          .head_timeout_ms  = 60000,
                                          .idle_timeout_ms  = 60000,
                                          .connections      = 8,
                                          .write_timeout_ms = 60000};
static const struct http_limits HASTY  = {
     .body_bytes = 100000, .head_bytes = 16384, .head_timeout_ms = 300, .idle_timeout_ms = 400, .connections = 8, .write_timeout_ms = 1000};

enum { LAST_TURNS = 50 };

static void on_gone(void *arg)
{
    ++*(int *)arg;
    peer_seen.stream = NULL;
}

static void on_drain(void *arg)
{
    (void)arg;
    peer_seen.drains++;
    peer_seen.pending = http_stream_pending(peer_seen.stream);
}

static void answer_later(evutil_socket_t fd, short what, void *arg)
{
    struct http_request *request = arg;
    const char          *n       = http_request_query(request, "n");
    (void)fd;
    (void)what;
    http_reply_bytes(request, 200, "text/plain", n, strlen(n));
}

static void later(struct http_request *request)
{
    struct timeval delay = {.tv_usec = atoi(http_request_query(request, "ms")) * 1000};
    event_base_once(peer_base, -1, EV_TIMEOUT, answer_later, request, &delay);
}

static void echo(struct http_request *request)
{
    size_t      length;
    const char *body = http_request_body(request, &length);
    const char *a = http_request_query(request, "a"), *x = http_request_header(request, "x-test");
    http_reply_json(request, 200,
                    json_pack("{s:i, s:s, s:s?, s:s?, s:s%, s:s, s:s}", "method", (int)http_request_method(request), "path",
                              http_request_path(request), "a", a, "x", x, "body", body, length, "id", http_request_id(request), "peer",
                              http_request_peer(request)));
}

static void stream(struct http_request *request)
{
    struct http_stream *out    = http_stream_begin(request, 200, "text/event-stream");
    struct evbuffer    *buffer = evbuffer_new();
    http_stream_write(out, "one\n", 4);
    http_stream_write(out, "", 0);
    evbuffer_add(buffer, "two\n", 4);
    if (http_request_query(request, "last") != NULL)
        http_stream_last(out);
    http_stream_write_buffer(out, buffer);
    evbuffer_free(buffer);
    http_stream_end(out);
}

static void flood(struct http_request *request)
{
    char *megabyte   = calloc(1, 1 << 20);
    peer_seen.stream = http_stream_begin(request, 200, "text/plain");
    http_stream_set_callbacks(peer_seen.stream, 1000, on_drain, on_gone, &peer_seen.gone);
    for (int i = 0; i < 15; i++)
        peer_seen.pending = http_stream_write(peer_seen.stream, megabyte, 1 << 20);
    free(megabyte);
}

static void big(struct http_request *request, bool buffer)
{
    size_t           length = 6 << 20;
    char            *data   = malloc(length);
    struct evbuffer *moved  = evbuffer_new();
    for (size_t i = 0; i < length; i++)
        data[i] = (char)('a' + i % 23);
    evbuffer_add(moved, data, length);
    if (buffer)
        http_reply_buffer(request, 200, "text/plain", moved);
    else
        http_reply_bytes(request, 200, "text/plain", data, length);
    evbuffer_free(moved);
    free(data);
}

static void hold(struct http_request *request, bool streaming)
{
    http_request_on_gone(request, on_gone, &peer_seen.gone);
    if (http_request_query(request, "eof") != NULL)
        http_request_gone_on_eof(request);
    if (streaming)
        peer_seen.stream = http_stream_begin(request, 200, "text/plain");
}

static void on_request(struct http_request *request, void *arg)
{
    const char *path = http_request_path(request);
    (void)arg;
    peer_seen.requests++;
    if (strcmp(path, "/later") == 0)
        later(request);
    else if (strcmp(path, "/stream") == 0)
        stream(request);
    else if (strcmp(path, "/hold") == 0 || strcmp(path, "/holdstream") == 0)
        hold(request, path[5] != '\0');
    else if (strcmp(path, "/flood") == 0)
        flood(request);
    else if (strcmp(path, "/big") == 0 || strcmp(path, "/bigbuffer") == 0)
        big(request, path[4] != '\0');
    else if (strcmp(path, "/nothing") == 0)
        http_reply_bytes(request, 204, "text/plain", "", 0);
    else if (strcmp(path, "/split") == 0) {
        http_request_add_header(request, "X-Evil", "a\r\nSet-Cookie: b");
        http_reply_bytes(request, 200, "text/plain", "", 0);
    } else
        echo(request);
}

int peer_set_up_serving(const struct http_limits *limits, void (*serve)(struct http_request *request, void *arg))
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          length  = sizeof address;
    struct err         err;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&peer_seen, 0, sizeof peer_seen);
    peer_base = event_base_new();
    peer_http = http_new(peer_base, limits, serve, NULL, &err);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address) | listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    peer_port = address.sin_port;
    return http_add_listener(peer_http, fd, &err);
}

int peer_set_up_with(const struct http_limits *limits)
{
    return peer_set_up_serving(limits, on_request);
}

int peer_set_up(void **state)
{
    (void)state;
    return peer_set_up_with(&LIMITS);
}

int peer_set_up_hasty(void **state)
{
    (void)state;
    return peer_set_up_with(&HASTY);
}

int peer_tear_down(void **state)
{
    (void)state;
    http_free(peer_http);
    event_base_free(peer_base);
    return 0;
}

void peer_turn(void)
{
    for (int i = 0; i < 4; i++)
        event_base_loop(peer_base, EVLOOP_NONBLOCK);
}

double peer_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A machine that stood still meanwhile has let the time go by, and nothing happen: what is due by then has its turns, here and in peer_hear(). */
void peer_run_for(double seconds)
{
    double end = peer_now_s() + seconds;
    for (int last = 0; last < LAST_TURNS; last += peer_now_s() >= end) {
        peer_turn();
        if (last == 0)
            usleep(500);
    }
}

int peer_dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = peer_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    peer_turn();
    return fd;
}

void peer_say(int fd, const char *text, size_t length, size_t step)
{
    for (size_t at = 0; at < length;) {
        size_t  n    = length - at < step ? length - at : step;
        ssize_t sent = send(fd, text + at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? (size_t)sent : 0;
        peer_turn();
    }
}

void peer_tell(int fd, const char *text)
{
    peer_say(fd, text, strlen(text), 1 << 20);
}

char *peer_hear(int fd, double seconds, bool *ret_open, size_t *ret_length)
{
    size_t room = 1 << 16, length = 0;
    char  *text = malloc(room);
    double end  = peer_now_s() + seconds;

    for (int last = 0; last < LAST_TURNS; last += peer_now_s() >= end) {
        ssize_t n = recv(fd, text + length, room - length - 1, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            seconds = 0;
            break;
        }
        if (n > 0) {
            length += (size_t)n;
            end  = peer_now_s() + seconds;
            last = 0;
        }
        if (room - length < 4096)
            text = realloc(text, room *= 2);
        peer_turn();
    }
    text[length] = '\0';
    if (ret_open != NULL)
        *ret_open = seconds > 0;
    if (ret_length != NULL)
        *ret_length = length;
    return text;
}

char *peer_converse(const char *text, size_t step)
{
    int   fd = peer_dial();
    bool  open;
    char *answer;
    peer_say(fd, text, strlen(text), step);
    answer = peer_hear(fd, 3, &open, NULL);
    assert_false(open);
    close(fd);
    peer_turn();
    return answer;
}

int peer_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

json_t *peer_body(const char *answer)
{
    const char  *body = strstr(answer, "\r\n\r\n");
    json_error_t error;
    json_t      *json;
    assert_non_null(body);
    json = json_loads(body + 4, JSON_DISABLE_EOF_CHECK, &error);
    if (json == NULL)
        fail_msg("not JSON: %s", answer);
    if (peer_status(answer) >= 400) {
        assert_int_equal(json_integer_value(json_object_get(json, "statusCode")), peer_status(answer));
        assert_true(json_is_string(json_object_get(json, "code")) && json_is_string(json_object_get(json, "error")) &&
                    json_is_string(json_object_get(json, "message")));
    }
    return json;
}

const char *peer_text(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

void peer_expect(const char *request, int status)
{
    char *answer = peer_converse(request, 1 << 20);
    if (peer_status(answer) != status)
        fail_msg("%.200s: %d, not %d: %.200s", request, peer_status(answer), status, answer);
    json_decref(peer_body(answer));
    free(answer);
}
