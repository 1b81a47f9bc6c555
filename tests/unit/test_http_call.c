/* http_call.c: answers whole and cut at every point, what is no answer, URLs. A child process is the service. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_call.h"

static int                     listener;
static struct http_call_target target = {.host = "127.0.0.1", .key = "secret"};

static int set_up(void **state)
{
    struct sockaddr_in name   = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t          length = sizeof name;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, length), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&name, &length), 0);
    (void)snprintf(target.port, sizeof target.port, "%u", ntohs(name.sin_port));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return close(listener);
}

/* One connection: reads the request's head, sends the answer in two parts, closes. Exits 0 when the request was as it should be. */
static pid_t serve(const char *answer, size_t length, size_t cut)
{
    pid_t pid = fork();
    if (pid == 0) {
        char    request[4096];
        size_t  got = 0;
        int     fd  = accept(listener, NULL, NULL);
        ssize_t n;
        while ((n = read(fd, request + got, sizeof request - 1 - got)) > 0) {
            got += (size_t)n;
            request[got] = '\0';
            if (strstr(request, "\r\n\r\n{}") != NULL)
                break;
        }
        if (write(fd, answer, cut) != (ssize_t)cut || write(fd, answer + cut, length - cut) != (ssize_t)(length - cut))
            _exit(2);
        (void)close(fd);
        _exit(strstr(request, "POST /x HTTP/1.1\r\n") == request && strstr(request, "X-API-Key: secret\r\n") != NULL ? 0 : 1);
    }
    return pid;
}

static int call(const char *answer, size_t length, size_t cut, struct bytes *out, struct err *err)
{
    struct http_call_request request = {.method = "POST", .path = "/x", .body = "{}", .body_length = 2};
    pid_t                    pid     = serve(answer, length, cut);
    int                      status, result = http_call_do(&target, &request, 1000000, out, NULL, err);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return result;
}

static void test_answers_cut_at_every_point(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n0002\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\nhello",
    };
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        for (size_t cut = 0; cut <= strlen(answers[i]); cut++) {
            struct bytes out = {0};
            struct err   err = {0};
            assert_int_equal(call(answers[i], strlen(answers[i]), cut, &out, &err), 201);
            assert_int_equal(out.length, 5);
            assert_memory_equal(out.data, "hello", 5);
            bytes_done(&out);
        }
    }
}

/* The framing alone, byte by byte. */
static void test_chunks_byte_by_byte(void **state)
{
    static const char wire[] = "a\r\n0123456789\r\nA;n=\"v\"\r\nabcdefghij\r\n0\r\n\r\n";
    struct http_call  one    = HTTP_CALL_INIT;
    struct bytes      out    = {0};
    struct err        err    = {0};
    (void)state;
    one.chunked = true;
    one.phase   = CALL_SIZE;
    for (size_t i = 0; i + 1 < sizeof wire; i++) {
        assert_true(bytes_append(&one.raw, wire + i, 1));
        assert_true(http_call_is_buffered(&one));
        assert_int_equal(http_call_read(&one, &out, NULL, &err), i + 2 < sizeof wire);
    }
    assert_int_equal(out.length, 20);
    assert_memory_equal(out.data, "0123456789abcdefghij", 20);
    assert_int_equal(http_call_read(&one, &out, NULL, &err), 0);
    bytes_done(&out);
    http_call_close(&one);
}

static void test_what_is_no_answer(void **state)
{
    static const char *const wrong[] = {"",
                                        "HTTP/1.1 200",
                                        "SSH-2.0-x\r\n\r\n",
                                        "HTTP/1.1 abc OK\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct bytes out = {0};
        struct err   err = {0};
        assert_int_equal(call(wrong[i], strlen(wrong[i]), 0, &out, &err), -1);
        assert_string_not_equal(err.message, "");
        bytes_done(&out);
    }
}

static void test_an_answer_that_is_too_long(void **state)
{
    char                    *big = malloc(2000000);
    struct bytes             out = {0};
    struct err               err = {0};
    size_t                   n   = (size_t)sprintf(big, "HTTP/1.1 200 OK\r\n\r\n");
    pid_t                    pid;
    struct http_call_request request = {.method = "POST", .path = "/x", .body = "{}", .body_length = 2};
    (void)state;
    memset(big + n, 'x', 2000000 - n);
    pid = serve(big, 2000000, 0);
    assert_int_equal(http_call_do(&target, &request, 1000000, &out, NULL, &err), -1);
    assert_int_equal(err.code, EMSGSIZE);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    bytes_done(&out);
    free(big);
}

static void test_urls(void **state)
{
    struct http_call_target at;
    struct err              err = {0};
    (void)state;
    assert_int_equal(http_call_parse_url("http://localhost:3003", &at, &err), 0);
    assert_string_equal(at.host, "localhost");
    assert_string_equal(at.port, "3003");
    assert_int_equal(http_call_parse_url("HTTP://[::1]:80/", &at, &err), 0);
    assert_string_equal(at.host, "::1");
    assert_int_equal(http_call_parse_url("example.org", &at, &err), 0);
    assert_string_equal(at.port, "80");
    static const char *const wrong[] = {
        "", "https://x", "http://", "http://x:", "http://x:port", "http://x:1/path", "http://x/path", "http://[::1", "http://x:12345678"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(http_call_parse_url(wrong[i], &at, &err), -1);
}

static void test_nobody_there(void **state)
{
    struct http_call_target  nobody  = {.host = "127.0.0.1", .port = "9"};
    struct http_call_request request = {.method = "GET", .path = "/"};
    struct bytes             out     = {0};
    struct err               err     = {0};
    (void)state;
    assert_int_equal(http_call_do(&nobody, &request, 10, &out, NULL, &err), -1);
    assert_int_equal(err.code, ECONNREFUSED);
}

static void test_encoding(void **state)
{
    struct bytes out = {0};
    (void)state;
    assert_true(http_call_encode(&out, "a b/\xc3\xa9%?", true));
    assert_true(http_call_encode(&out, "/~", false));
    assert_int_equal(out.length, 22);
    assert_memory_equal(out.data, "a%20b/%C3%A9%25%3F%2F~", 22);
    bytes_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_cut_at_every_point),
        cmocka_unit_test(test_chunks_byte_by_byte),
        cmocka_unit_test(test_what_is_no_answer),
        cmocka_unit_test(test_an_answer_that_is_too_long),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
