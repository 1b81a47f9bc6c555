/* The HTTP layer over real sockets: what is asked, whole, byte by byte and split at every point, and what is answered. */
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

static void check_echo(const char *answer)
{
    json_t *json = peer_body(answer);
    assert_int_equal(peer_status(answer), 200);
    assert_string_equal(peer_text(json, "path"), "/e c/\xc3\xa9");
    assert_string_equal(peer_text(json, "a"), "1 2&");
    assert_string_equal(peer_text(json, "x"), "yes, it is");
    assert_string_equal(peer_text(json, "body"), "hello world");
    assert_string_equal(peer_text(json, "id"), "abc-1");
    assert_string_equal(peer_text(json, "peer"), "127.0.0.1");
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
        char  *answer = peer_converse(requests[i], 1);
        check_echo(answer);
        free(answer);
        for (size_t cut = 0; cut < length; cut++) {
            int fd = peer_dial();
            peer_say(fd, requests[i], cut, length);
            peer_say(fd, requests[i] + cut, length - cut, length);
            answer = peer_hear(fd, 3, NULL, NULL);
            check_echo(answer);
            free(answer);
            close(fd);
        }
    }
    assert_int_equal(http_in_flight(peer_http), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    peer_expect("GET /%zz HTTP/1.1\r\n" H "\r\n", 400);
    peer_expect("GET /%00 HTTP/1.1\r\n" H "\r\n", 400);
    peer_expect("GET /%ff HTTP/1.1\r\n" H "\r\n", 400);
    peer_expect("GET /?a=%4 HTTP/1.1\r\n" H "\r\n", 400);
    peer_expect("GET /?a=%c3 HTTP/1.1\r\n" H "\r\n", 400);
    peer_expect("nonsense\r\n\r\n", 400);
    peer_expect("\x16\x03\x01\x02\x03\x04", 400);
    peer_expect("GET / HTTP/3.0\r\n\r\n", 505);
    peer_expect("BREW / HTTP/1.1\r\n" H "\r\n", 501);
    peer_expect("TRACE / HTTP/1.1\r\n" H "\r\n", 405);
    peer_expect("POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
    peer_expect("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400);
    peer_expect("POST / HTTP/1.1\r\n" H "Content-Length: 100001\r\n\r\n", 413);
    peer_expect("POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\n", 413);
    peer_expect("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffff\r\nabc", 413);
    assert_int_equal(peer_seen.requests, 0);
    assert_int_equal(http_in_flight(peer_http), 0);
}

/* The answer to a body that is too large is there before the body is, and survives that the client goes on sending. */
static void test_too_large_while_sending(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\n" H "Content-Length: 3000000\r\n\r\n";
    char             *junk   = calloc(1, 3000000), *answer;
    int               fd     = peer_dial();
    (void)state;
    peer_say(fd, head, sizeof head - 1, 1000);
    peer_say(fd, junk, 3000000, 50000);
    answer = peer_hear(fd, 1, NULL, NULL);
    assert_int_equal(peer_status(answer), 413);
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
    peer_expect(request, 414);
    to = stpcpy(request, "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < 300; i++)
        to = stpcpy(to, "X-Header-With-A-Name: and a value\r\n");
    strcpy(to, "\r\n");
    peer_expect(request, 431);
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
        answer = peer_converse(request, steps[s]);
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
    assert_int_equal(peer_seen.requests, 300);
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
    fd = peer_dial();
    peer_say(fd, request, strlen(request), 1 << 20);
    peer_run_for(0.05);
    assert_true(peer_seen.requests < 5); /* what nobody reads is not made */
    answer = peer_hear(fd, 1.5, NULL, &length);
    assert_int_equal(peer_seen.requests, 20);
    assert_true(length > 20u * (6 << 20));
    free(answer);
    close(fd);
}

static void test_big_answers(void **state)
{
    static const char *const requests[] = {"GET /big HTTP/1.0\r\n\r\n", "GET /bigbuffer HTTP/1.0\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int         fd = peer_dial();
        size_t      length;
        char       *answer;
        const char *body;
        peer_say(fd, requests[i], strlen(requests[i]), 1000);
        answer = peer_hear(fd, 2, NULL, &length);
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
    answer = peer_converse("GET /stream HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(answer, "Content-Security-Policy"));
    assert_non_null(strstr(answer, "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
    free(answer);
    answer = peer_converse("GET /stream?last=1 HTTP/1.1\r\n" H "\r\nGET /n HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"));
    free(answer);
    answer = peer_converse("GET /stream?last=1 HTTP/1.0\r\n\r\n", 1000);
    assert_int_equal(strcmp(strstr(answer, "\r\n\r\n"), "\r\n\r\none\ntwo\n"), 0);
    free(answer);
    answer = peer_converse("GET /stream HTTP/1.0\r\n\r\n", 1000);
    assert_null(strstr(answer, "Transfer-Encoding"));
    assert_non_null(strstr(answer, "\r\n\r\none\ntwo\n"));
    free(answer);
    answer = peer_converse("HEAD /stream HTTP/1.1\r\n" H "\r\nGET /n HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_null(strstr(answer, "one\n"));
    assert_non_null(strstr(answer, "\"path\":\"/n\""));
    free(answer);
}

static void test_small_things(void **state)
{
    char *answer;
    (void)state;
    answer = peer_converse("HEAD /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Content-Length: "));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    free(answer);
    answer = peer_converse("GET /nothing HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_int_equal(peer_status(answer), 204);
    assert_null(strstr(answer, "Content-Length"));
    free(answer);
    answer = peer_converse("GET /split HTTP/1.1\r\n" H "X-Request-Id: a b\r\nConnection: close\r\n\r\n", 1000);
    assert_null(strstr(answer, "Set-Cookie"));
    assert_null(strstr(answer, "a b"));
    free(answer);
    answer = peer_converse("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.0\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "Connection: keep-alive"));
    assert_non_null(strstr(answer, "/y"));
    free(answer);
    answer = peer_converse("OPTIONS * HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 1000);
    assert_non_null(strstr(answer, "\"path\":\"/\""));
    free(answer);
}

static void test_expect(void **state)
{
    static const char head[] = "POST /x HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    char             *answer;
    int               fd = peer_dial();
    (void)state;
    peer_say(fd, head, sizeof head - 1, 1000);
    answer = peer_hear(fd, 0.05, NULL, NULL);
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    free(answer);
    peer_tell(fd, "ok");
    answer = peer_hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "\"body\":\"ok\""));
    free(answer);
    close(fd);
    peer_expect("POST /x HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 200000\r\n\r\n", 413);
    peer_expect("POST /x HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 2\r\n\r\n", 417);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_set_up, peer_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_split_everywhere), TEST(test_refusals),   TEST(test_too_large_while_sending),
        TEST(test_huge_heads),       TEST(test_pipelining), TEST(test_pipelining_unread),
        TEST(test_big_answers),      TEST(test_streams),    TEST(test_small_things),
        TEST(test_expect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
