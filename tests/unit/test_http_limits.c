/* The limits of the HTTP layer: time, queues, connections, descriptors; and clients that leave. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"

static void test_timeouts(void **state)
{
    double start = peer_now_s();
    char  *answer;
    int    fd;
    bool   open;
    (void)state;
    peer_expect("", 408); /* a connection that says nothing */
    peer_expect("GET / HT", 408);
    peer_expect("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhal", 408);
    assert_true(peer_now_s() - start > 0.8 && peer_now_s() - start < 60);
    fd = peer_dial();
    for (int i = 0; i < 20; i++) { /* a dribble does not put the end off */
        peer_tell(fd, "X");
        peer_run_for(0.03);
    }
    answer = peer_hear(fd, 0.5, &open, NULL);
    assert_int_equal(peer_status(answer), 408);
    free(answer);
    close(fd);
    fd = peer_dial();
    peer_tell(fd, "GET /x HTTP/1.1\r\n" H "\r\n");
    answer = peer_hear(fd, 2, &open, NULL); /* kept alive, then closed without another word */
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
        int           fd    = peer_dial();
        struct linger reset = {1, 0};
        peer_say(fd, requests[i % 3], strlen(requests[i % 3]), 1000);
        assert_int_equal(http_in_flight(peer_http), 1);
        if (i % 3 == 0 || i >= 3)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        peer_run_for(0.05);
        assert_int_equal(peer_seen.gone, i + 1);
        assert_int_equal(http_in_flight(peer_http), 0);
    }
}

/* A client that has finished sending still gets what it asked for, pipelined requests included. */
static void test_half_close(void **state)
{
    static const char text[] =
        "GET /later?n=first&ms=20 HTTP/1.1\r\n" H "\r\nGET /later?n=second&ms=20 HTTP/1.1\r\n" H "\r\nGET /third HTTP/1.1\r\n" H "\r\n";
    int   fd = peer_dial();
    char *answer;
    (void)state;
    peer_say(fd, text, sizeof text - 1, 1000);
    shutdown(fd, SHUT_WR);
    answer = peer_hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "first"));
    assert_non_null(strstr(answer, "second"));
    assert_non_null(strstr(answer, "/third"));
    free(answer);
    close(fd);
    fd = peer_dial();
    peer_say(fd, text, 10, 1000);
    shutdown(fd, SHUT_WR);
    answer = peer_hear(fd, 0.2, NULL, NULL);
    assert_int_equal(peer_status(answer), 400);
    free(answer);
    close(fd);
}

static void test_stream_from_outside(void **state)
{
    int   fd = peer_dial();
    char *answer;
    (void)state;
    peer_tell(fd, "GET /holdstream HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
    peer_run_for(0.01);
    http_stream_write(peer_seen.stream, "late", 4);
    http_stream_end(peer_seen.stream);
    answer = peer_hear(fd, 1, NULL, NULL);
    assert_non_null(strstr(answer, "4\r\nlate\r\n0\r\n\r\n"));
    assert_int_equal(peer_seen.gone, 0);
    free(answer);
    close(fd);
}

static void test_slow_reader(void **state)
{
    int   fd = peer_dial();
    char *answer;
    (void)state;
    peer_tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    assert_true(peer_seen.pending > 1 << 20);
    answer = peer_hear(fd, 0.6, NULL, NULL); /* it reads: drained, once, below the mark */
    free(answer);
    assert_int_equal(peer_seen.drains, 1);
    assert_true(peer_seen.pending <= 1000);
    assert_int_equal(peer_seen.gone, 0);
    close(fd);
    peer_run_for(0.05);
    assert_int_equal(peer_seen.gone, 1);
}

static void test_a_reader_who_does_not_read_is_dropped(void **state)
{
    int fd = peer_dial();
    (void)state;
    peer_tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    for (double end = peer_now_s() + 60; peer_seen.gone == 0 && peer_now_s() < end;)
        peer_run_for(0.01);
    assert_int_equal(peer_seen.gone, 1);
    assert_int_equal(http_in_flight(peer_http), 0);
    close(fd);
}

/* A stream written to without looking is ended when its queue is too long; its owner hears of it from the loop, not from the write. */
static void test_queue_is_bounded(void **state)
{
    char *megabyte = calloc(1, 1 << 20);
    int   fd       = peer_dial();
    (void)state;
    peer_tell(fd, "GET /flood HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 100; i++)
        http_stream_write(peer_seen.stream, megabyte, 1 << 20);
    assert_true(http_stream_pending(peer_seen.stream) < 20 << 20);
    assert_int_equal(peer_seen.gone, 0);
    peer_turn();
    assert_int_equal(peer_seen.gone, 1);
    free(megabyte);
    close(fd);
}

static void test_too_many(void **state)
{
    int   fds[8];
    char *answer;
    (void)state;
    for (int i = 0; i < 8; i++) {
        fds[i] = peer_dial();
        peer_tell(fds[i], "GET /hold?eof HTTP/1.1\r\n" H "\r\n");
    }
    answer = peer_converse("GET /x HTTP/1.1\r\n" H "\r\n", 100);
    assert_int_equal(peer_status(answer), 503);
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    json_decref(peer_body(answer));
    free(answer);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    peer_run_for(0.02);
    peer_expect("GET /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200);
}

/* Out of descriptors: who comes then is told so, and who comes later is served. */
static void test_no_descriptors(void **state)
{
    struct rlimit      limit, low;
    int                taken[64], count = 0, fd, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = peer_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
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
    answer = peer_hear(client, 1, NULL, NULL);
    assert_int_equal(peer_status(answer), 503);
    json_decref(peer_body(answer));
    free(answer);
    while (count > 0)
        close(taken[--count]);
    close(client);
    setrlimit(RLIMIT_NOFILE, &limit);
    peer_expect("GET /x HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200);
}

static void test_stop_listening(void **state)
{
    int   idle = peer_dial(), busy = peer_dial();
    char *answer;
    bool  open;
    (void)state;
    peer_tell(idle, "GET /x HTTP/1.1\r\n" H "\r\n");
    peer_tell(busy, "GET /later?n=done&ms=50 HTTP/1.1\r\n" H "\r\n");
    free(peer_hear(idle, 0.01, &open, NULL));
    assert_true(open);
    http_stop_listening(peer_http);
    free(peer_hear(idle, 0.1, &open, NULL));
    assert_false(open);
    answer = peer_hear(busy, 0.3, &open, NULL);
    assert_false(open);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "done"));
    free(answer);
    close(idle);
    close(busy);
}

static void test_free_with_work_left(void **state)
{
    int a = peer_dial(), b = peer_dial();
    (void)state;
    peer_tell(a, "GET /holdstream HTTP/1.1\r\n" H "\r\n");
    peer_tell(b, "POST /x HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nab");
    http_free(peer_http);
    assert_int_equal(peer_seen.gone, 1);
    peer_http = NULL;
    close(a);
    close(b);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, peer_set_up, peer_tear_down)
#define HASTY(name) cmocka_unit_test_setup_teardown(name, peer_set_up_hasty, peer_tear_down)
    const struct CMUnitTest tests[] = {
        HASTY(test_timeouts),
        HASTY(test_a_reader_who_does_not_read_is_dropped),
        TEST(test_gone),
        TEST(test_half_close),
        TEST(test_stream_from_outside),
        TEST(test_slow_reader),
        TEST(test_queue_is_bounded),
        TEST(test_too_many),
        TEST(test_no_descriptors),
        TEST(test_stop_listening),
        TEST(test_free_with_work_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
