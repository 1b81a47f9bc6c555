/*
 * client.c: an HTTP client that costs next to nothing, so that what is measured is the service. Raw sockets, blocking on one
 * connection, epoll over several; every answer's status is looked at.
 *
 * usage: client trip   PORT COUNT CONNECTIONS PATH BODY...   one request after the other on each connection (keep-alive), with the n-th body
 *                                                           on the n-th connection; prints microseconds a line, then "total SECONDS"
 *        client stream PORT PATH BODY                        reads one stream to its end; prints "first_us first_text_us total_us bytes lines"
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, HEAD_MAX = 65536, LAST_CHUNK = 5 };

struct connection {
    int    fd;
    char  *request;
    size_t request_length;
    char   answer[HEAD_MAX];
    size_t have;
    double sent_us;
};

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int                one     = 1;
    int                fd      = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void connection_init(struct connection *c, int port, const char *path, const char *body)
{
    int n = asprintf(&c->request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     path, strlen(body), body);

    if (n < 0)
        die("asprintf");
    c->request_length = (size_t)n;
    c->have           = 0;
    c->fd             = dial(port);
}

static void connection_send(struct connection *c)
{
    c->have    = 0;
    c->sent_us = now_us();
    if (send(c->fd, c->request, c->request_length, MSG_NOSIGNAL) != (ssize_t)c->request_length)
        die("send");
}

/* Reads once. Returns true when the whole answer is there; ends the program when it is not a 200 that says success. */
static bool connection_receive(struct connection *c)
{
    ssize_t     n = read(c->fd, c->answer + c->have, sizeof c->answer - 1 - c->have);
    const char *end, *length;

    if (n <= 0)
        die("read");
    c->have += (size_t)n;
    c->answer[c->have] = 0;
    end                = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return false;
    length = strcasestr(c->answer, "content-length:");
    if (!length || length > end || c->have < (size_t)(end + 4 - c->answer) + strtoul(length + 15, NULL, 10))
        return false;
    if (strncmp(c->answer, "HTTP/1.1 20", 11) != 0) {
        fprintf(stderr, "refused: %s\n", c->answer);
        exit(1);
    }
    return true;
}

static void trip_one(struct connection *c, int count)
{
    for (int i = 0; i < count; i++) {
        connection_send(c);
        while (!connection_receive(c))
            ;
        printf("%.3f\n", now_us() - c->sent_us);
    }
}

static void trip_many(struct connection *all, int connections, int count)
{
    struct epoll_event ready[CONNECTIONS_MAX];
    int                poll_fd = epoll_create1(EPOLL_CLOEXEC);
    int                sent = 0, done = 0;

    for (int i = 0; i < connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = (uint32_t)i};

        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].fd, &e) < 0)
            die("epoll_ctl");
        connection_send(&all[i]);
        sent++;
    }
    while (done < count) {
        int n = epoll_wait(poll_fd, ready, CONNECTIONS_MAX, 30000);

        if (n <= 0)
            die("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct connection *c = &all[ready[i].data.u32];

            if (!connection_receive(c))
                continue;
            printf("%.3f\n", now_us() - c->sent_us);
            done++;
            if (sent < count) {
                connection_send(c);
                sent++;
            }
        }
    }
    close(poll_fd);
}

static void bench_trip(int argc, char **argv)
{
    int                count = atoi(argv[3]), connections = atoi(argv[4]);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    double             start;

    if (!all || connections < 1 || connections > CONNECTIONS_MAX || argc != 6 + connections) {
        fprintf(stderr, "client: as many bodies as connections\n");
        exit(2);
    }
    for (int i = 0; i < connections; i++)
        connection_init(&all[i], atoi(argv[2]), argv[5], argv[6 + i]);
    start = now_us();
    if (connections == 1)
        trip_one(&all[0], count);
    else
        trip_many(all, connections, count);
    printf("total %.6f\n", (now_us() - start) / 1e6);
}

/* Printed lines in the data of stdout events; kept over reads cut anywhere. */
struct counter {
    char   line[16]; /* how the present line of the stream begins */
    size_t at;       /* in that line */
    bool   is_stdout, escaped;
    size_t found;
};

/* A newline in the text is an escape in the JSON of a data line; what kind of event it belongs to, the line before says. */
static void count_lines(struct counter *c, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char byte = data[i];

        if (byte == '\n') {
            if (c->at >= 13 && memcmp(c->line, "event: ", 7) == 0)
                c->is_stdout = memcmp(c->line, "event: stdout", 13) == 0;
            c->at      = 0;
            c->escaped = false;
            continue;
        }
        if (c->at < sizeof c->line)
            c->line[c->at] = byte;
        c->at++;
        if (!c->is_stdout || c->line[0] != 'd')
            continue;
        if (c->escaped)
            c->found += byte == 'n';
        c->escaped = !c->escaped && byte == '\\';
    }
}

/* Keeps the last bytes seen in `tail`, over reads cut anywhere. Returns true when they are the chunk that ends a body. */
static bool ends_with_last_chunk(char tail[LAST_CHUNK], const char *data, size_t length)
{
    if (length >= LAST_CHUNK)
        memcpy(tail, data + length - LAST_CHUNK, LAST_CHUNK);
    else {
        memmove(tail, tail + length, LAST_CHUNK - length);
        memcpy(tail + LAST_CHUNK - length, data, length);
    }
    return memcmp(tail, "0\r\n\r\n", LAST_CHUNK) == 0;
}

static void bench_stream(char **argv)
{
    static char       data[1 << 18], tail[LAST_CHUNK];
    struct connection c;
    double            first = 0, text = 0, start;
    size_t            bytes   = 0;
    struct counter    counter = {0};

    connection_init(&c, atoi(argv[2]), argv[3], argv[4]);
    connection_send(&c);
    start = c.sent_us;
    for (;;) {
        ssize_t n = read(c.fd, data, sizeof data - 1);

        if (n <= 0)
            die("the stream ended too early");
        data[n] = 0;
        if (first == 0 && memmem(data, (size_t)n, "event:", 6))
            first = now_us() - start;
        if (text == 0 && memmem(data, (size_t)n, "event: stdout", 13))
            text = now_us() - start;
        bytes += (size_t)n;
        count_lines(&counter, data, (size_t)n);
        if (ends_with_last_chunk(tail, data, (size_t)n))
            break;
    }
    printf("%.3f %.3f %.3f %zu %zu\n", first, text, now_us() - start, bytes, counter.found);
}

int main(int argc, char **argv)
{
    if (argc >= 7 && strcmp(argv[1], "trip") == 0)
        bench_trip(argc, argv);
    else if (argc == 5 && strcmp(argv[1], "stream") == 0)
        bench_stream(argv);
    else {
        fprintf(stderr, "usage: client trip PORT COUNT CONNECTIONS PATH BODY... | client stream PORT PATH BODY\n");
        return 2;
    }
    return 0;
}
