/* The HTTP layer over real sockets: a handler of its own, clients in the same loop. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "http.h"

#define H "Host: localhost\r\n"

static struct event_base *base;
static struct http       *http;
static in_port_t          port;

/* What the handler has seen; `stream` is that of /holdstream and /flood. */
static struct {
    int                 requests, gone, drains;
    struct http_stream *stream;
    size_t              pending;
} seen;

static const struct http_limits LIMITS = {
    .body_bytes = 100000, .head_bytes = 16384, .head_timeout_ms = 300, .idle_timeout_ms = 400, .connections = 8, .write_timeout_ms = 1000};

static void on_gone(void *arg)
{
    ++*(int *)arg;
    seen.stream = NULL;
}

static void on_drain(void *arg)
{
    (void)arg;
    seen.drains++;
    seen.pending = http_stream_pending(seen.stream);
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
    event_base_once(base, -1, EV_TIMEOUT, answer_later, request, &delay);
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
    http_stream_write_buffer(out, buffer);
    evbuffer_free(buffer);
    http_stream_end(out);
}

static void flood(struct http_request *request)
{
    char *megabyte = calloc(1, 1 << 20);
    seen.stream    = http_stream_begin(request, 200, "text/plain");
    http_stream_set_callbacks(seen.stream, 1000, on_drain, on_gone, &seen.gone);
    for (int i = 0; i < 15; i++)
        seen.pending = http_stream_write(seen.stream, megabyte, 1 << 20);
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
    http_request_on_gone(request, on_gone, &seen.gone);
    if (http_request_query(request, "eof") != NULL)
        http_request_gone_on_eof(request);
    if (streaming)
        seen.stream = http_stream_begin(request, 200, "text/plain");
}

static void on_request(struct http_request *request, void *arg)
{
    const char *path = http_request_path(request);
    (void)arg;
    seen.requests++;
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

static int set_up_with(const struct http_limits *limits)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          length  = sizeof address;
    struct err         err;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(&seen, 0, sizeof seen);
    base = event_base_new();
    http = http_new(base, limits, on_request, NULL, &err);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address) | listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    port = address.sin_port;
    return http_add_listener(http, fd, &err);
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(&LIMITS);
}

static int tear_down(void **state)
{
    (void)state;
    http_free(http);
    event_base_free(base);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_for(double seconds)
{
    for (double end = now_s() + seconds; now_s() < end; usleep(500))
        turn();
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    turn();
    return fd;
}

/* Sends all of it in pieces of `step`; the loop turns between them. A server that closes early is fine. */
static void say(int fd, const char *text, size_t length, size_t step)
{
    for (size_t at = 0; at < length;) {
        size_t  n    = length - at < step ? length - at : step;
        ssize_t sent = send(fd, text + at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        at += sent > 0 ? (size_t)sent : 0;
        turn();
    }
}

static void tell(int fd, const char *text)
{
    say(fd, text, strlen(text), 1 << 20);
}

/* Everything until the server closes, or until `seconds` have passed without a byte (then *ret_open, where given, is true). */
static char *hear(int fd, double seconds, bool *ret_open, size_t *ret_length)
{
    size_t room = 1 << 16, length = 0;
    char  *text = malloc(room);

    for (double end = now_s() + seconds; now_s() < end;) {
        ssize_t n = recv(fd, text + length, room - length - 1, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            seconds = 0;
            break;
        }
        if (n > 0) {
            length += (size_t)n;
            end = now_s() + seconds;
        }
        if (room - length < 4096)
            text = realloc(text, room *= 2);
        turn();
    }
    text[length] = '\0';
    if (ret_open != NULL)
        *ret_open = seconds > 0;
    if (ret_length != NULL)
        *ret_length = length;
    return text;
}

/* One connection: all of `text` in pieces of `step`, and the answer until the server closes. */
static char *converse(const char *text, size_t step)
{
    int   fd = dial();
    bool  open;
    char *answer;
    say(fd, text, strlen(text), step);
    answer = hear(fd, 3, &open, NULL);
    assert_false(open);
    close(fd);
    turn();
    return answer;
}

static int status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

/* The JSON behind the head. An error answer must be the error shape. */
static json_t *body_of(const char *answer)
{
    const char  *body = strstr(answer, "\r\n\r\n");
    json_error_t error;
    json_t      *json;
    assert_non_null(body);
    json = json_loads(body + 4, JSON_DISABLE_EOF_CHECK, &error);
    if (json == NULL)
        fail_msg("not JSON: %s", answer);
    if (status_of(answer) >= 400) {
        assert_int_equal(json_integer_value(json_object_get(json, "statusCode")), status_of(answer));
        assert_true(json_is_string(json_object_get(json, "code")) && json_is_string(json_object_get(json, "error")) &&
                    json_is_string(json_object_get(json, "message")));
    }
    return json;
}

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void expect_status(const char *request, int status)
{
    char *answer = converse(request, 1 << 20);
    if (status_of(answer) != status)
        fail_msg("%.200s: %d, not %d: %.200s", request, status_of(answer), status, answer);
    json_decref(body_of(answer));
    free(answer);
}

static void check_echo(const char *answer)
{
    json_t *json = body_of(answer);
    assert_int_equal(status_of(answer), 200);
    assert_string_equal(text_of(json, "path"), "/e c/\xc3\xa9");
    assert_string_equal(text_of(json, "a"), "1 2&");
    assert_string_equal(text_of(json, "x"), "yes, it is");
    assert_string_equal(text_of(json, "body"), "hello world");
    assert_string_equal(text_of(json, "id"), "abc-1");
    assert_string_equal(text_of(json, "peer"), "127.0.0.1");
    assert_non_null(strstr(answer, "X-Request-Id: abc-1\r\n"));
    assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(answer, "Content-Security-Policy: "));
    json_decref(json);
}

static const char PLAIN[] =
    "POST /e%20c/%C3%A9?b=&a=1+2%26&c HTTP/1.1\r\n" H "X-Test: \t yes, it is \r\nX-Request-Id: abc-1\r\nConnection: close\r\n"
    "Content-Length: 11\r\n\r\nhello world";
static const char CHUNKED[] =
    "POST http://localhost/e%20c/%C3%A9?a=1+2%26 HTTP/1.1\r\nHost: elsewhere\r\nX-Test:yes, it is\r\nX-Request-Id: abc-1\r\n"
    "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n";

static void test_split_everywhere(void **state)
{
    static const char *const requests[] = {PLAIN, CHUNKED};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(requests[i]);
        char  *answer = converse(requests[i], 1);
        check_echo(answer);
        free(answer);
        for (size_t cut = 0; cut < length; cut++) {
            int fd = dial();
            say(fd, requests[i], cut, length);
            say(fd, requests[i] + cut, length - cut, length);
            answer = hear(fd, 3, NULL, NULL);
            check_echo(answer);
            free(answer);
            close(fd);
        }
    }
    assert_int_equal(http_in_flight(http), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    expect_status("GET /%zz HTTP/1.1\r\n" H "\r\n", 400);
    expect_status("GET /%00 HTTP/1.1\r\n" H "\r\n", 400);
    expect_status("GET /%ff HTTP/1.1\r\n" H "\r\n", 400);
    expect_status("GET /?a=%4 HTTP/1.1\r\n" H "\r\n", 400);
    expect_status("GET /?a=%c3 HTTP/1.1\r\n" H "\r\n", 400);
    expect_status("nonsense\r\n\r\n", 400);
    expect_status("\x16\x03\x01\x02\x03\x04", 400);
    expect_status("GET / HTTP/3.0\r\n\r\n", 505);
    expect_status("BREW / HTTP/1.1\r\n" H "\r\n", 501);
    expect_status("TRACE / HTTP/1.1\r\n" H "\r\n", 405);
    expect_status("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    expect_status("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400);
    expect_status("POST / HTTP/1.1\r\n" H "Content-Length: 100001\r\n\r\n", 413);
    expect_status("POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\n", 413);
    expect_status("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffff\r\nabc", 413);
    assert_int_equal(seen.requests, 0);
    assert_int_equal(http_in_flight(http), 0);
}

/* The answer to a body that is too large is there before the body is, and survives that the client goes on sending. */
static void test_too_large_while_sending(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\n" H "Content-Length: 3000000\r\n\r\n";
    char             *junk   = calloc(1, 3000000), *answer;
    int               fd     = dial();
    (void)state;
    say(fd, head, sizeof head - 1, 1000);
    say(fd, junk, 3000000, 50000);
    answer = hear(fd, 1, NULL, NULL);
    assert_int_equal(status_of(answer), 413);
    free(answer);
    free(junk);
    close(fd);
}

static void test_huge_heads(void **state)
{
    char *request = malloc(40000), *to;
    (void)state;
    to = stpcpy(request, "GET /");
    memset(to, 'x', 20000);
    strcpy(to + 20000, " HTTP/1.1\r\n\r\n");
    expect_status(request, 414);
    to = stpcpy(request, "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < 300; i++)
        to = stpcpy(to, "X-Header-With-A-Name: and a value\r\n");
    strcpy(to, "\r\n");
    expect_status(request, 431);
    free(request);
}

static void test_pipelining(void **state)
{
    char   request[20000], *to, *at;
    char  *answer;
    size_t steps[] = {1 << 20, 1, 37};
    (void)state;
    for (size_t s = 0; s < 3; s++) {
        to = request;
        for (int i = 0; i < 100; i++) /* some answers come at once, some take longer than those behind them */
            to += sprintf(to, i % 3 == 0 ? "GET /later?n=%d.&ms=%d HTTP/1.1\r\n" H "%s\r\n" : "GET /n/%d.?%d HTTP/1.1\r\n" H "%s\r\n", i,
                          (100 - i) / 10, i == 99 ? "Connection: close\r\n" : "");
        answer = converse(request, steps[s]);
        at     = answer;
        for (int i = 0; i < 100; i++) {
            char wanted[20];
            sprintf(wanted, i % 3 == 0 ? "\r\n%d." : "/n/%d.", i);
            at = strstr(at, wanted);
            if (at == NULL)
                fail_msg("answer %d is missing or out of order", i);
        }
        free(answer);
    }
    assert_int_equal(seen.requests, 300);
}

static void test_pipelining_unread(void **state)
{
    static const char one[]                          = "GET /bigbuffer HTTP/1.1\r\n" H "\r\n";
    char              request[sizeof one * 20 + 100] = "";
    size_t            length;
    char             *answer;
    int               fd;
    (void)state;
    for (int i = 0; i < 20; i++)
        strcat(request, one);
    fd = dial();
    say(fd, request, strlen(request), 1 << 20);
    run_for(0.05);
    assert_true(seen.requests < 5); /* what nobody reads is not made */
    answer = hear(fd, 0.3, NULL, &length);
    assert_int_equal(seen.requests, 20);
    assert_true(length > 20u * (6 << 20));
    free(answer);
    close(fd);
}

static void test_big_answers(void **state)
{
    static const char *const requests[] = {"GET /big HTTP/1.0\r\n\r\n", "GET /bigbuffer HTTP/1.0\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int         fd = dial();
        size_t      length;
        char       *answer;
        const char *body;
        say(fd, requests[i], strlen(requests[i]), 1000);
        answer = hear(fd, 2, NULL, &length);
        body   = strstr(answer, "\r\n\r\n") + 4;
        assert_int_equal(length - (size_t)(body - answer), 6 << 20);
        for (size_t j = 0; j < 6 << 20; j++) {
            if (body[j] != (char)('a' + j % 23))
                fail_msg("byte %zu is wrong", j);
        }
        free(answer);
        close(fd);
    }
}

static void test_streams(void **state)
{
    char *answer;
    (void)state;
    answer = converse("GET /stream HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(answer, "Content-Security-Policy"));
    assert_non_null(strstr(answer, "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
    free(answer);
    answer = converse("GET /stream HTTP/1.0\r\n\r\n", 1000);
    assert_null(strstr(answer, "Transfer-Encoding"));
    assert_non_null(strstr(answer, "\r\n\r\none\ntwo\n"));
    free(answer);
    answer = converse("HEAD /stream HTTP/1.1\r\n" H "\r\nGET /n HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_null(strstr(answer, "one\n"));
    assert_non_null(strstr(answer, "\"path\":\"/n\""));
    free(answer);
}

static void test_small_things(void **state)
{
    char *answer;
    (void)state;
    answer = converse("HEAD /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Content-Length: "));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    answer = converse("GET /nothing HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_int_equal(status_of(answer), 204);
    assert_null(strstr(answer, "Content-Length"));
    free(answer);
    answer = converse("GET /split HTTP/1.1\r\n" H "X-Request-Id: a b\r\nConnection: close\r\n\r\n", 1000);
    assert_null(strstr(answer, "Set-Cookie"));
    assert_null(strstr(answer, "a b"));
    free(answer);
    answer = converse("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.0\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Connection: keep-alive"));
    assert_non_null(strstr(answer, "/y"));
    free(answer);
    answer = converse("OPTIONS * HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "\"path\":\"/\""));
    free(answer);
}

static void test_expect(void **state)
{
    static const char head[] = "POST /x HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    char             *answer;
    int               fd = dial();
    (void)state;
    say(fd, head, sizeof head - 1, 1000);
    answer = hear(fd, 0.05, NULL, NULL);
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    free(answer);
    tell(fd, "ok");
    answer = hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "\"body\":\"ok\""));
    free(answer);
    close(fd);
    expect_status("POST /x HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 200000\r\n\r\n", 413);
    expect_status("POST /x HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 2\r\n\r\n", 417);
}

static void test_timeouts(void **state)
{
    double start = now_s();
    char  *answer;
    int    fd;
    bool   open;
    (void)state;
    expect_status("", 408); /* a connection that says nothing */
    expect_status("GET / HT", 408);
    expect_status("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhal", 408);
    assert_true(now_s() - start > 0.8 && now_s() - start < 10);
    fd = dial();
    for (int i = 0; i < 20; i++) { /* a dribble does not put the end off */
        tell(fd, "X");
        run_for(0.03);
    }
    answer = hear(fd, 0.5, &open, NULL);
    assert_int_equal(status_of(answer), 408);
    free(answer);
    close(fd);
    fd = dial();
    tell(fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    answer = hear(fd, 2, &open, NULL); /* kept alive, then closed without another word */
    assert_false(open);
    assert_null(strstr(answer, "408"));
    free(answer);
    close(fd);
}

static void test_gone(void **state)
{
    static const char *const requests[] = {"GET /hold HTTP/1.1\r\n" H "\r\n", "GET /holdstream HTTP/1.1\r\n" H "\r\n",
                                           "GET /hold?eof HTTP/1.1\r\n" H "\r\n"};
    (void)state;
    for (int i = 0; i < 6; i++) {
        int           fd    = dial();
        struct linger reset = {1, 0};
        say(fd, requests[i % 3], strlen(requests[i % 3]), 1000);
        assert_int_equal(http_in_flight(http), 1);
        if (i % 3 == 0 || i >= 3)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        run_for(0.05);
        assert_int_equal(seen.gone, i + 1);
        assert_int_equal(http_in_flight(http), 0);
    }
}

/* A client that has finished sending still gets what it asked for, pipelined requests included. */
static void test_half_close(void **state)
{
    static const char text[] =
        "GET /later?n=first&ms=20 HTTP/1.1\r\n" H "\r\nGET /later?n=second&ms=20 HTTP/1.1\r\n" H "\r\nGET /third HTTP/1.1\r\n" H "\r\n";
    int   fd = dial();
    char *answer;
    (void)state;
    say(fd, text, sizeof text - 1, 1000);
    shutdown(fd, SHUT_WR);
    answer = hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "first"));
    assert_non_null(strstr(answer, "second"));
    assert_non_null(strstr(answer, "/third"));
    free(answer);
    close(fd);
    fd = dial();
    say(fd, text, 10, 1000);
    shutdown(fd, SHUT_WR);
    answer = hear(fd, 0.2, NULL, NULL);
    assert_int_equal(status_of(answer), 400);
    free(answer);
    close(fd);
}

static void test_stream_from_outside(void **state)
{
    int   fd = dial();
    char *answer;
    (void)state;
    tell(fd, "GET /holdstream HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    run_for(0.01);
    http_stream_write(seen.stream, "late", 4);
    http_stream_end(seen.stream);
    answer = hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "4\r\nlate\r\n0\r\n\r\n"));
    assert_int_equal(seen.gone, 0);
    free(answer);
    close(fd);
}

static void test_slow_reader(void **state)
{
    int   fd = dial();
    char *answer;
    (void)state;
    tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    assert_true(seen.pending > 1 << 20);
    answer = hear(fd, 0.6, NULL, NULL); /* it reads: drained, once, below the mark */
    free(answer);
    assert_int_equal(seen.drains, 1);
    assert_true(seen.pending <= 1000);
    assert_int_equal(seen.gone, 0);
    close(fd);
    run_for(0.05);
    assert_int_equal(seen.gone, 1);
    fd = dial();
    tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    run_for(2.5); /* it does not read: dropped */
    assert_int_equal(seen.gone, 2);
    assert_int_equal(http_in_flight(http), 0);
    close(fd);
}

/* A stream written to without looking is ended when its queue is too long; its owner hears of it from the loop, not from the write. */
static void test_queue_is_bounded(void **state)
{
    char *megabyte = calloc(1, 1 << 20);
    int   fd       = dial();
    (void)state;
    tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 100; i++)
        http_stream_write(seen.stream, megabyte, 1 << 20);
    assert_true(http_stream_pending(seen.stream) < 20 << 20);
    assert_int_equal(seen.gone, 0);
    turn();
    assert_int_equal(seen.gone, 1);
    free(megabyte);
    close(fd);
}

static void test_too_many(void **state)
{
    int   fds[8];
    char *answer;
    (void)state;
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
        tell(fds[i], "GET /hold?eof HTTP/1.1\r\n" H "\r\n");
    }
    answer = converse("GET /x HTTP/1.1\r\n" H "\r\n", 100);
    assert_int_equal(status_of(answer), 503);
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    json_decref(body_of(answer));
    free(answer);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    run_for(0.02);
    expect_status("GET /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200);
}

/* Out of descriptors: who comes then is told so, and who comes later is served. */
static void test_no_descriptors(void **state)
{
    struct rlimit      limit, low;
    int                taken[64], count = 0, fd, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char              *answer;
    (void)state;
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0); /* waits in the backlog */
    fcntl(client, F_SETFL, O_NONBLOCK);
    getrlimit(RLIMIT_NOFILE, &limit);
    low          = limit;
    low.rlim_cur = (rlim_t)client + 32;
    setrlimit(RLIMIT_NOFILE, &low);
    while ((fd = dup(client)) >= 0)
        taken[count++] = fd;
    answer = hear(client, 1, NULL, NULL);
    assert_int_equal(status_of(answer), 503);
    json_decref(body_of(answer));
    free(answer);
    while (count > 0)
        close(taken[--count]);
    close(client);
    setrlimit(RLIMIT_NOFILE, &limit);
    expect_status("GET /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200);
}

static void test_stop_listening(void **state)
{
    int   idle = dial(), busy = dial();
    char *answer;
    bool  open;
    (void)state;
    tell(idle, "GET /x HTTP/1.1\r\n" H "\r\n");
    tell(busy, "GET /later?n=done&ms=50 HTTP/1.1\r\n" H "\r\n");
    free(hear(idle, 0.01, &open, NULL));
    assert_true(open);
    http_stop_listening(http);
    free(hear(idle, 0.1, &open, NULL));
    assert_false(open);
    answer = hear(busy, 0.3, &open, NULL);
    assert_false(open);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "done"));
    free(answer);
    close(idle);
    close(busy);
}

static void test_free_with_work_left(void **state)
{
    int a = dial(), b = dial();
    (void)state;
    tell(a, "GET /holdstream HTTP/1.1\r\n" H "\r\n");
    tell(b, "POST /x HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nab");
    http_free(http);
    assert_int_equal(seen.gone, 1);
    http = NULL;
    close(a);
    close(b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_split_everywhere),
        TEST(test_refusals),
        TEST(test_too_large_while_sending),
        TEST(test_huge_heads),
        TEST(test_pipelining),
        TEST(test_pipelining_unread),
        TEST(test_big_answers),
        TEST(test_streams),
        TEST(test_small_things),
        TEST(test_expect),
        TEST(test_timeouts),
        TEST(test_gone),
        TEST(test_half_close),
        TEST(test_slow_reader),
        TEST(test_stream_from_outside),
        TEST(test_queue_is_bounded),
        TEST(test_too_many),
        TEST(test_no_descriptors),
        TEST(test_stop_listening),
        TEST(test_free_with_work_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
