/*
 * ping.c: an HTTP server made of libevhtp and libevent and nothing else: it answers every request with a few bytes of JSON. What the
 * service's own answers cost beyond this is ours.
 *
 * usage: ping PORT      serves on loopback until its standard input ends
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <evhtp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_request(evhtp_request_t *request, void *arg)
{
    (void)arg;
    evbuffer_add_printf(request->buffer_out, "{\"success\":true}");
    evhtp_headers_add_header(request->headers_out, evhtp_header_new("Content-Type", "application/json", 0, 0));
    evhtp_send_reply(request, EVHTP_RES_OK);
}

static void on_input(evutil_socket_t fd, short what, void *base)
{
    char byte;

    (void)what;
    if (read(fd, &byte, 1) <= 0)
        event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    struct event_base *base  = event_base_new();
    evhtp_t           *http  = evhtp_new(base, NULL);
    struct event      *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, base);

    signal(SIGPIPE, SIG_IGN);
    evhtp_enable_flag(http, EVHTP_FLAG_ENABLE_NODELAY);
    evhtp_set_gencb(http, on_request, NULL);
    if (argc != 2 || evhtp_bind_socket(http, "127.0.0.1", (uint16_t)atoi(argv[1]), 1024) != 0) {
        fprintf(stderr, "usage: ping PORT (that nobody listens on)\n");
        return 2;
    }
    event_add(input, NULL);
    puts("ready");
    fflush(stdout);
    event_base_loop(base, 0);
    event_free(input);
    evhtp_unbind_socket(http);
    evhtp_free(http);
    event_base_free(base);
    return 0;
}
