#include "client_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void die(const char *what)
{
    perror(what);
    exit(1);
}

int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                one     = 1;
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

char *request_text(const char *method, const char *path, const char *body, size_t *ret_length)
{
    char *text;
    int n = *body ? asprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                             method, path, strlen(body), body)
                  : asprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", method, path);

    if (n < 0)
        die("asprintf");
    *ret_length = (size_t)n;
    return text;
}

struct connection *connections_new(int port, int count)
{
    struct connection *all = calloc((size_t)count, sizeof *all);

    if (!all)
        die("calloc");
    for (int i = 0; i < count; i++)
        all[i].fd = dial(port);
    return all;
}

void connection_send(struct connection *c, const char *request, size_t length)
{
    c->have    = 0;
    c->sent_us = now_us();
    if (send(c->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length)
        die("send");
}

int connection_receive(struct connection *c)
{
    ssize_t     n = read(c->fd, c->answer + c->have, sizeof c->answer - 1 - c->have);
    const char *end, *length;

    if (n <= 0)
        die("the connection ended within an answer");
    c->have += (size_t)n;
    c->answer[c->have] = 0;
    end                = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return 0;
    length = strcasestr(c->answer, "content-length:");
    if (!length || length > end || c->have < (size_t)(end + 4 - c->answer) + strtoul(length + 15, NULL, 10))
        return 0;
    return atoi(c->answer + strlen("HTTP/1.1 "));
}

int connections_poll(const struct connection *all, int count)
{
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);

    for (int i = 0; i < count; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].fd, &e) < 0)
            die("epoll_ctl");
    }
    return poll_fd;
}
