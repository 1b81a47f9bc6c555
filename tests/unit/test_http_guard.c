/* Heads and chunked bodies: each judged whole, byte by byte, and split at every point, always with the same verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_guard.h"

enum { HEAD_MAX = 16384 };

struct head_case {
    const char *text;
    int         status; /* 0: complete */
};

#define H "Host: localhost\r\n"

static const struct head_case HEADS[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", 0},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 0},
    {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400},
    {"POST /a?b=c HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n", 0},
    {"POST /a HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", 0},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 0},
    {"GET * HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http://localhost:1/x HTTP/1.1\r\n" H "\r\n", 0},
    {"GET http:///x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET http://a@b/x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET ftp://localhost/x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET x HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a#b HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a\x01 HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /a b HTTP/1.1\r\n" H "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {"GET / HTTP/1.1\n" H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: localhost\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\n", 400},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/1.2\r\n" H "\r\n", 505},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},
    {"GET / HTTP/11.1\r\n" H "\r\n", 400},
    {"GET / http/1.1\r\n" H "\r\n", 400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501},
    {"BREW / HTTP/1.1\r\n" H "\r\n", 501},
    {"get / HTTP/1.1\r\n" H "\r\n", 501},
    {"TRACE / HTTP/1.1\r\n" H "\r\n", 405},
    {"CONNECT localhost:80 HTTP/1.1\r\n" H "\r\n", 405},
    {"GE(T / HTTP/1.1\r\n" H "\r\n", 400},
    {"\x16\x03\x01\x02", 400},
    {" GET / HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X : y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H ": y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x01z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\rz\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: \xc3\xa9\tz\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\n" H "X:\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 0},
    {"POST / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n", 417},
};

/* Feeds text[0..first), then grows by `step`. Returns the status refused with, 0 when complete, -1 when more was wanted at the end. */
static int judge(const char *text, size_t length, size_t first, size_t step, struct http_guard *guard)
{
    struct http_refusal refusal;

    http_guard_init(guard);
    for (size_t given = first;; given = given + step < length ? given + step : length) {
        char             *copy = malloc(given + 1); /* exactly as long as what has come, so that reading beyond is seen */
        enum guard_result result;
        memcpy(copy, text, given);
        result = http_guard_head(guard, copy, given, HEAD_MAX, &refusal);
        free(copy);
        if (result == GUARD_COMPLETE)
            return 0;
        if (result == GUARD_REFUSED)
            return refusal.status;
        if (given == length)
            return -1;
    }
}

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof HEADS / sizeof *HEADS; i++) {
        const struct head_case *one    = &HEADS[i];
        size_t                  length = strlen(one->text);
        struct http_guard       guard;
        for (size_t cut = 0; cut <= length; cut++) {
            int status = judge(one->text, length, cut, length, &guard);
            if (status != one->status)
                fail_msg("%s: split at %zu: %d, not %d", one->text, cut, status, one->status);
            if (status == 0)
                assert_int_equal(guard.head.length, length);
        }
        assert_int_equal(judge(one->text, length, 0, 1, &guard), one->status);
    }
}

static void test_head_fields(void **state)
{
    static const char text[] = "POST http://Example.org:80/a/b?c HTTP/1.1\r\nHost: x\r\nConnection: foo , Close\r\ncontent-length: 0017\r\n"
                               "Expect: 100-Continue\r\n\r\nbody";
    struct http_guard guard;
    (void)state;
    assert_int_equal(judge(text, sizeof text - 1, 0, 7, &guard), 0);
    assert_int_equal(guard.head.length, sizeof text - 1 - 4);
    assert_int_equal(guard.head.method, HTTP_POST);
    assert_int_equal(guard.head.content_length, 17);
    assert_true(guard.head.has_length && guard.head.expect_continue && !guard.head.keep_alive && !guard.head.chunked);
    assert_memory_equal(text + guard.head.authority_at, "Example.org:80", guard.head.authority_length);
    assert_memory_equal(text + guard.head.target_at, "/a/b?c", guard.head.target_length);
}

static void test_keep_alive(void **state)
{
    static const struct {
        const char *text;
        bool        keep_alive;
    } cases[] = {{"GET / HTTP/1.1\r\n" H "\r\n", true},
                 {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
                 {"GET / HTTP/1.1\r\n" H "Connection: close, keep-alive\r\n\r\n", false},
                 {"GET / HTTP/1.0\r\n" H "\r\n", false},
                 {"GET / HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n", true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_guard guard;
        assert_int_equal(judge(cases[i].text, strlen(cases[i].text), 0, 3, &guard), 0);
        assert_int_equal(guard.head.keep_alive, cases[i].keep_alive);
    }
}

static char *repeat(const char *before, const char *what, size_t times, const char *after)
{
    char *text = calloc(1, strlen(before) + times * strlen(what) + strlen(after) + 1), *to = stpcpy(text, before);
    for (size_t i = 0; i < times; i++)
        to = stpcpy(to, what);
    strcpy(to, after);
    return text;
}

static void test_sizes(void **state)
{
    struct {
        char *text;
        int   status;
    } cases[] = {{repeat("GET /", "x", 9000, ""), 414}, /* refused before its end has come */
                 {repeat("GET /", "x", 9000, " HTTP/1.1\r\n" H "\r\n"), 414},
                 {repeat("GET /", "x", 7000, " HTTP/1.1\r\n" H "\r\n"), 0},
                 {repeat("GET / HTTP/1.1\r\n" H "X: ", "x", 9000, ""), 431},
                 {repeat("GET / HTTP/1.1\r\n" H, "X: 789012345678901234567890\r\n", 98, "\r\n"), 0},
                 {repeat("GET / HTTP/1.1\r\n" H, "X: y\r\n", 100, "\r\n"), 431},
                 {repeat("GET / HTTP/1.1\r\n" H "X: y\r\nX: ", "x", 7900, "\r\nX: "), -1},
                 {repeat("POST / HTTP/1.1\r\n" H "Content-Length: ", "9", 60, "\r\n\r\n"), 413}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_guard guard;
        assert_int_equal(judge(cases[i].text, strlen(cases[i].text), 0, 1000, &guard), cases[i].status);
        free(cases[i].text);
    }
}

static void test_head_max(void **state)
{
    char               *text = repeat("GET / HTTP/1.1\r\n" H, "X: 34567890\r\n", 90, "");
    struct http_refusal refusal;
    struct http_guard   guard;
    (void)state;
    http_guard_init(&guard);
    assert_int_equal(http_guard_head(&guard, text, 900, 1000, &refusal), GUARD_MORE);
    assert_int_equal(http_guard_head(&guard, text, strlen(text), 1000, &refusal), GUARD_REFUSED);
    assert_int_equal(refusal.status, 431);
    free(text);
}

struct chunk_case {
    const char *text, *body; /* body NULL: bad */
};

static const struct chunk_case CHUNKS[] = {
    {"0\r\n\r\n", ""},
    {"5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n", "hello world"},
    {"00a\r\n0123456789\r\n000\r\nTrailer: x\r\nMore: y\r\n\r\n", "0123456789"},
    {"A\r\n0123456789\r\n0;x\r\n\r\n", "0123456789"},
    {"\r\n", NULL},
    {"g\r\n", NULL},
    {"5\nhello", NULL},
    {"5\r\nhelloX\r\n", NULL},
    {"5\r\nhello\n0\r\n", NULL},
    {"-5\r\n", NULL},
    {"0x5\r\n", NULL},
    {" 5\r\n", NULL},
    {"5 \r\nhello\r\n", NULL},
    {"1234567890123456\r\n", NULL},
    {"5;a=\x01\r\n", NULL},
    {"0\r\nTrailer: x\n\r\n", NULL},
    {"0\r\n\rX", NULL},
};

/* Decodes text in two parts. Returns false for bad input; *ret_body is what came out. */
static bool decode(const char *text, size_t cut, char ret_body[64])
{
    struct http_chunked chunked = {0};
    size_t              length = strlen(text), used = 0;

    for (int part = 0; part < 2; part++) {
        const char *data = part == 0 ? text : text + cut, *piece;
        size_t      left = part == 0 ? cut : length - cut, n;
        for (;;) {
            enum chunk_result result = http_chunked_next(&chunked, &data, &left, &piece, &n);
            if (result == CHUNK_BAD)
                return false;
            if (result == CHUNK_END) {
                assert_int_equal(left, 0);
                ret_body[used] = '\0';
                return true;
            }
            if (result == CHUNK_MORE)
                break;
            memcpy(ret_body + used, piece, n);
            used += n;
        }
    }
    fail_msg("%s: never ends", text);
    return false;
}

static void test_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CHUNKS / sizeof *CHUNKS; i++) {
        for (size_t cut = 0; cut <= strlen(CHUNKS[i].text); cut++) {
            char body[64];
            bool good = decode(CHUNKS[i].text, cut, body);
            assert_int_equal(good, CHUNKS[i].body != NULL);
            if (good)
                assert_string_equal(body, CHUNKS[i].body);
        }
    }
}

static void test_endless_extension(void **state)
{
    char               *text    = repeat("5;", "x", 20000, "");
    const char         *data    = text, *piece;
    size_t              length  = strlen(text), n;
    struct http_chunked chunked = {0};
    (void)state;
    assert_int_equal(http_chunked_next(&chunked, &data, &length, &piece, &n), CHUNK_BAD);
    assert_true(length > 10000);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_head_fields),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_head_max),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_endless_extension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
