/* Bodies in pieces and answers of a known length, over real sockets in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"

/* What the handler has seen. */
static struct {
    int                  requests, pieces, last, gone;
    size_t               length, refuse_after;
    char                 data[4096];
    struct http_request *request;
    int64_t              announced;
} seen;

/* Times that only a fault can take; and some for who wants to see them pass. */
static const struct http_limits LIMITS = {.body_bytes       = 100,
                                          .head_bytes       = 16384,
                                          .head_timeout_ms  = 60000,
                                          .idle_timeout_ms  = 60000,
                                          .connections      = 8,
                                          .write_timeout_ms = 60000};
static const struct http_limits HASTY  = {
     .body_bytes = 100, .head_bytes = 16384, .head_timeout_ms = 300, .idle_timeout_ms = 2000, .connections = 8, .write_timeout_ms = 1000};

static void answer(void)
{
    struct http_request *request = seen.request;
    seen.request                 = NULL;
    http_reply_json(request, 200, json_pack("{s:I}", "length", (json_int_t)seen.length));
}

static void on_gone(void *arg)
{
    (void)arg;
    seen.gone++;
    seen.request = NULL;
}

static void on_body(const void *data, size_t length, bool last, void *arg)
{
    assert_ptr_equal(arg, &seen);
    assert_int_equal(seen.last, 0);
    seen.pieces++;
    for (size_t i = 0; i < length && seen.length + i < sizeof seen.data; i++)
        seen.data[seen.length + i] = ((const char *)data)[i];
    seen.length += length;
    seen.last += last;
    if (seen.refuse_after > 0 && seen.length >= seen.refuse_after)
        http_reply_error(seen.request, 413, "TOO_LARGE", "enough", NULL, 0);
    else if (last)
        answer();
}

static void send_sized(struct http_request *request)
{
    uint64_t            promised = strtoull(http_request_query(request, "promised"), NULL, 10);
    size_t              given    = strtoull(http_request_query(request, "given"), NULL, 10);
    struct http_stream *stream   = http_stream_begin_sized(request, 206, "text/plain", promised);
    for (; given > 0; given--)
        (void)http_stream_write(stream, "x", 1);
    http_stream_end(stream);
}

static void on_request(struct http_request *request, void *arg)
{
    const char *path = http_request_path(request);
    (void)arg;
    seen.requests++;
    seen.last      = 0;
    seen.announced = http_request_body_length(request);
    if (strcmp(path, "/sized") == 0) {
        send_sized(request);
        return;
    }
    if (strcmp(path, "/refuse") == 0) {
        http_reply_error(request, 404, "NOT_FOUND", "no", NULL, 0);
        return;
    }
    seen.request = request;
    http_request_on_gone(request, on_gone, NULL);
    if (strcmp(path, "/later") != 0)
        http_request_take_body(request, on_body, &seen);
}

static bool is_streamed(struct http_request *request, void *arg)
{
    (void)arg;
    return strcmp(http_request_path(request), "/plain") != 0;
}

static int set_up_with(const struct http_limits *limits)
{
    int result = peer_set_up_serving(limits, on_request);
    memset(&seen, 0, sizeof seen);
    http_stream_bodies(peer_http, is_streamed);
    return result;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(&LIMITS);
}

static int set_up_hasty(void **state)
{
    (void)state;
    return set_up_with(&HASTY);
}

/* What comes until the server closes, or until `seconds` pass without a byte. Returns whether it closed. */
static bool hear(int fd, double seconds, char *text, size_t room)
{
    bool   open;
    size_t length;
    char  *all = peer_hear(fd, seconds, &open, &length);
    assert_true(length < room);
    memcpy(text, all, length + 1);
    free(all);
    return !open;
}

static void expect(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in: %.300s", part, text);
}

static const char PLAIN[]   = "PUT /f HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\nhello world";
static const char CHUNKED[] = "PUT /f HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

static void test_comes_whole_wherever_it_is_cut(void **state)
{
    static const char *const requests[] = {PLAIN, CHUNKED};
    char                     text[2048];
    for (int i = 0; i < 2; i++) {
        for (size_t step = 1; step <= strlen(requests[i]); step++) {
            int fd = peer_dial();
            memset(&seen, 0, sizeof seen);
            peer_say(fd, requests[i], strlen(requests[i]), step);
            (void)hear(fd, 0.01, text, sizeof text);
            expect(text, "HTTP/1.1 200 ");
            expect(text, "{\"length\":11}");
            assert_memory_equal(seen.data, "hello world", 11);
            assert_int_equal(seen.requests, 1);
            assert_int_equal(seen.last, 1);
            assert_int_equal(seen.gone, 0);
            assert_int_equal(seen.announced, i == 0 ? 11 : -1);
            close(fd);
            peer_turn();
        }
    }
    (void)state;
}

static void test_the_connection_goes_on_afterwards(void **state)
{
    int  fd = peer_dial();
    char text[4096];
    (void)state;
    peer_tell(fd, "PUT /f HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcPUT /f HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n");
    assert_false(hear(fd, 0.05, text, sizeof text));
    expect(text, "{\"length\":3}");
    assert_int_equal(seen.requests, 2);
    assert_int_equal(seen.last, 1);
    close(fd);
}

static void test_a_body_beyond_the_ordinary_limit(void **state)
{
    char text[1024], *body = calloc(1, 1 << 20);
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /f HTTP/1.1\r\n" H "Content-Length: 1048576\r\n\r\n");
    peer_say(fd, body, 1 << 20, 100000);
    (void)hear(fd, 0.05, text, sizeof text);
    expect(text, "{\"length\":1048576}");
    assert_true(seen.pieces > 10);
    close(fd);
    fd = peer_dial();
    peer_tell(fd, "PUT /plain HTTP/1.1\r\n" H "Content-Length: 1048576\r\n\r\n");
    (void)hear(fd, 0.05, text, sizeof text);
    expect(text, "HTTP/1.1 413 ");
    close(fd);
    free(body);
}

static void test_refused_before_and_in_the_middle(void **state)
{
    char text[1024];
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
    (void)hear(fd, 0.05, text, sizeof text);
    assert_int_equal(strncmp(text, "HTTP/1.1 404 ", 13), 0);
    expect(text, "Connection: close");
    close(fd);
    fd                = peer_dial();
    seen.refuse_after = 4;
    peer_tell(fd, "PUT /f HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\n");
    peer_tell(fd, "abcd");
    peer_tell(fd, "what follows is thrown away");
    (void)hear(fd, 0.05, text, sizeof text);
    expect(text, "HTTP/1.1 413 ");
    expect(text, "Connection: close");
    assert_int_equal(seen.length, 4);
    assert_int_equal(seen.gone, 0);
    close(fd);
}

static void test_continue_is_said_when_the_body_is_wanted(void **state)
{
    char text[1024];
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /later HTTP/1.1\r\n" H "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    (void)hear(fd, 0.05, text, sizeof text);
    assert_string_equal(text, "");
    http_request_take_body(seen.request, on_body, &seen);
    (void)hear(fd, 0.05, text, sizeof text);
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_tell(fd, "abc");
    (void)hear(fd, 0.05, text, sizeof text);
    expect(text, "{\"length\":3}");
    close(fd);
}

static void test_nothing_comes_while_paused(void **state)
{
    char text[1024];
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /later HTTP/1.1\r\n" H "Content-Length: 6\r\n\r\nabcdef");
    shutdown(fd, SHUT_WR);                  /* all has been sent: the answer is still wanted */
    (void)hear(fd, 0.4, text, sizeof text); /* longer than a body may dribble */
    assert_string_equal(text, "");
    assert_int_equal(seen.pieces, 0);
    http_request_take_body(seen.request, on_body, &seen);
    http_request_pause_body(seen.request, true);
    (void)hear(fd, 0.05, text, sizeof text);
    assert_int_equal(seen.pieces, 0);
    http_request_pause_body(seen.request, false);
    (void)hear(fd, 0.05, text, sizeof text);
    expect(text, "{\"length\":6}");
    close(fd);
}

/* The last piece came, then its handler paused: the end waits. */
static void pausing(const void *data, size_t length, bool last, void *arg)
{
    on_body(data, length, last, arg);
    if (!last)
        http_request_pause_body(seen.request, true);
}

static void test_paused_at_the_last_piece(void **state)
{
    char text[1024];
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /later HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc");
    http_request_take_body(seen.request, pausing, &seen);
    (void)hear(fd, 0.05, text, sizeof text);
    assert_int_equal(seen.pieces, 1);
    assert_int_equal(seen.last, 0);
    http_request_pause_body(seen.request, false);
    (void)hear(fd, 0.05, text, sizeof text);
    assert_int_equal(seen.last, 1);
    expect(text, "{\"length\":3}");
    close(fd);
}

static void test_a_body_that_is_not_whole_ends_in_gone(void **state)
{
    static const char *const parts[] = {"PUT /f HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc",
                                        "PUT /f HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcx"};
    char                     text[1024];
    (void)state;
    for (int i = 0; i < 4; i++) {
        int fd    = peer_dial();
        seen.gone = 0;
        peer_tell(fd, parts[i / 2]);
        if (i == 0)
            shutdown(fd, SHUT_WR); /* else it dribbles, or is malformed */
        (void)hear(fd, 0.6, text, sizeof text);
        expect(text, i == 1 ? "HTTP/1.1 408 " : "HTTP/1.1 400 ");
        assert_int_equal(seen.gone, 1);
        assert_null(seen.request);
        close(fd);
        peer_turn();
        assert_int_equal(seen.gone, 1);
    }
    assert_int_equal(http_in_flight(peer_http), 0);
}

static void test_the_client_leaves_in_the_middle(void **state)
{
    struct linger at_once = {1, 0};
    int           fd      = peer_dial();
    (void)state;
    peer_tell(fd, "PUT /f HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
    assert_int_equal(seen.length, 3);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    for (int i = 0; i < 100 && seen.gone == 0; i++, usleep(1000))
        peer_turn();
    assert_int_equal(seen.gone, 1);
    assert_int_equal(http_in_flight(peer_http), 0);
}

static void test_answers_of_a_known_length(void **state)
{
    char text[2048];
    int  fd = peer_dial();
    (void)state;
    peer_tell(fd, "GET /sized?promised=3&given=3 HTTP/1.1\r\n" H "\r\nHEAD /sized?promised=9&given=0 HTTP/1.1\r\n" H "\r\n");
    assert_false(hear(fd, 0.05, text, sizeof text));
    expect(text, "HTTP/1.1 206 ");
    expect(text, "Content-Length: 3\r\n");
    expect(text, "\r\n\r\nxxxHTTP/1.1 206 ");
    expect(text, "Content-Length: 9\r\n");
    assert_null(strstr(text, "chunked"));
    peer_tell(fd, "GET /sized?promised=3&given=2 HTTP/1.1\r\n" H "\r\n");
    assert_true(hear(fd, 1, text, sizeof text));
    close(fd);
    fd = peer_dial();
    peer_tell(fd, "GET /sized?promised=3&given=9 HTTP/1.1\r\n" H "\r\n");
    assert_false(hear(fd, 0.05, text, sizeof text));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nxxx");
    close(fd);
}

#define TEST(f)       cmocka_unit_test_setup_teardown(f, set_up, peer_tear_down)
#define HASTY_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_hasty, peer_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_comes_whole_wherever_it_is_cut),
        TEST(test_the_connection_goes_on_afterwards),
        TEST(test_a_body_beyond_the_ordinary_limit),
        TEST(test_refused_before_and_in_the_middle),
        TEST(test_continue_is_said_when_the_body_is_wanted),
        HASTY_TEST(test_nothing_comes_while_paused),
        TEST(test_paused_at_the_last_piece),
        HASTY_TEST(test_a_body_that_is_not_whole_ends_in_gone),
        TEST(test_the_client_leaves_in_the_middle),
        TEST(test_answers_of_a_known_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
