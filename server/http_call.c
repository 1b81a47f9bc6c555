#define _GNU_SOURCE
#include "http_call.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fdio.h"

enum { READ_BYTES = 65536, HEAD_MAX = 65536, LINE_MAX_BYTES = 8192 };

int http_call_parse_url(const char *url, struct http_call_target *ret, struct err *err)
{
    const char *host = url, *end, *port = "80";
    size_t      length;
    if (strncasecmp(url, "https://", 8) == 0)
        return err_set(err, 0, "%.100s: this command speaks plain http only; put a tunnel or proxy between", url);
    if (strncasecmp(url, "http://", 7) == 0)
        host += 7;
    end    = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":/");
    length = end != NULL ? (size_t)(end - host) : 0;
    if (end != NULL && *host == '[') {
        host++;
        length--;
        end++;
    }
    if (length == 0 || length >= sizeof ret->host)
        return err_set(err, 0, "%.100s: not a URL such as http://127.0.0.1:3003", url);
    memcpy(ret->host, host, length);
    ret->host[length] = '\0';
    if (*end == ':') {
        port = end + 1;
        end  = port + strspn(port, "0123456789");
    }
    length = strspn(port, "0123456789");
    if (length == 0 || length >= sizeof ret->port || (*end != '\0' && strcmp(end, "/") != 0))
        return err_set(err, 0, "%.100s: not a URL such as http://127.0.0.1:3003", url);
    memcpy(ret->port, port, length);
    ret->port[length] = '\0';
    return 0;
}

static int connect_to(const struct http_call_target *target, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list, *at;
    int             fd = -1, on = 1, code = getaddrinfo(target->host, target->port, &hints, &list);
    if (code != 0)
        return err_set(err, 0, "%.100s: %s", target->host, gai_strerror(code));
    for (at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0)
            fdio_close(&fd);
    }
    if (fd < 0)
        (void)err_errno(err, "cannot reach the service at %.100s port %s", target->host, target->port);
    else
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(list);
    return fd;
}

static int send_all(int fd, const void *data, size_t length, struct err *err)
{
    const char *at = data;
    while (length > 0) {
        ssize_t n = send(fd, at, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, EIO, "the service does not take the request: %s", strerror(errno));
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static int send_request(int fd, const struct http_call_target *target, const struct http_call_request *request, struct err *err)
{
    char  *head = NULL;
    bool   wide = strchr(target->host, ':') != NULL;
    int    n, result;
    size_t length = request->body != NULL ? request->body_length : 0;
    n             = asprintf(&head,
                             "%s %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUser-Agent: penny-sandbox\r\nAccept: %s\r\nContent-Type: %s\r\n"
                                         "Content-Length: %zu\r\n%s%s%s%sConnection: close\r\n\r\n",
                             request->method, request->path, wide ? "[" : "", target->host, wide ? "]" : "", target->port,
                 request->accept != NULL ? request->accept : "application/json",
                 request->content_type != NULL ? request->content_type : "application/json", length,
                 target->key[0] != '\0' ? "X-API-Key: " : "", target->key, target->key[0] != '\0' ? "\r\n" : "",
                 request->headers != NULL ? request->headers : "");
    if (n < 0)
        return err_set(err, ENOMEM, "no memory for a request");
    result = send_all(fd, head, (size_t)n, err);
    free(head);
    return result == 0 && length > 0 ? send_all(fd, request->body, length, err) : result;
}

/* Waits for the socket and reads once. Returns bytes, 0 at the end, or -1. */
static ssize_t fill(struct http_call *call, const sigset_t *waiting, struct err *err)
{
    struct pollfd polled = {.fd = call->fd, .events = POLLIN};
    char         *to     = bytes_reserve(&call->raw, READ_BYTES);
    ssize_t       n;
    if (to == NULL)
        return err_set(err, ENOMEM, "no memory for an answer");
    if (ppoll(&polled, 1, NULL, waiting) < 0)
        return err_errno(err, "waiting for the service");
    n = recv(call->fd, to, READ_BYTES, 0);
    if (n < 0)
        return err_errno(err, "the connection to the service is lost");
    call->raw.length += (size_t)n;
    return n;
}

static void consume(struct bytes *raw, size_t length)
{
    memmove(raw->data, raw->data + length, raw->length - length);
    raw->length -= length;
}

static bool is_name(const char *line, size_t length, const char *name)
{
    return strlen(name) == length && strncasecmp(line, name, length) == 0;
}

static void read_field(struct http_call *call, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length), *value = colon != NULL ? colon + 1 : NULL, *end = line + length;
    if (colon == NULL)
        return;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    if (is_name(line, (size_t)(colon - line), "transfer-encoding"))
        call->chunked = (size_t)(end - value) >= 7 && strncasecmp(end - 7, "chunked", 7) == 0;
    if (is_name(line, (size_t)(colon - line), "content-length")) {
        call->has_length = true;
        for (call->left = 0; value < end && isdigit((unsigned char)*value) && call->left < UINT64_MAX / 16; value++)
            call->left = call->left * 10 + (uint64_t)(*value - '0');
    }
}

/* The head, `length` bytes of complete lines. */
static int read_head(struct http_call *call, size_t length, struct err *err)
{
    const char *at = call->raw.data, *end = at + length, *line;
    if (length < 13 || memcmp(at, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)at[9]) || !isdigit((unsigned char)at[10]) ||
        !isdigit((unsigned char)at[11]))
        return err_set(err, EPROTO, "the answer is not one of this service");
    call->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    while ((line = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        size_t used = (size_t)(line - at);
        read_field(call, at, used > 0 && at[used - 1] == '\r' ? used - 1 : used);
        at = line + 1;
    }
    if (call->chunked)
        call->left = 0;
    call->phase       = call->chunked ? CALL_SIZE : call->has_length && call->left == 0 ? CALL_END : CALL_DATA;
    call->head.length = 0;
    if (!bytes_append(&call->head, call->raw.data, length))
        return err_set(err, ENOMEM, "no memory for an answer");
    consume(&call->raw, length);
    return 0;
}

static int receive_head(struct http_call *call, const sigset_t *waiting, struct err *err)
{
    for (;;) {
        const char *end = call->raw.length > 0 ? memmem(call->raw.data, call->raw.length, "\r\n\r\n", 4) : NULL;
        ssize_t     n;
        if (end != NULL) {
            if (read_head(call, (size_t)(end - call->raw.data) + 4, err) < 0)
                return -1;
            if (call->status >= 200)
                return 0;
            continue; /* an interim answer */
        }
        if (call->raw.length > HEAD_MAX)
            return err_set(err, EPROTO, "the head of an answer has no end");
        n = fill(call, waiting, err);
        if (n <= 0)
            return n < 0 ? -1 : err_set(err, EPROTO, "the service closed the connection without an answer");
    }
}

int http_call_open(struct http_call *call, const struct http_call_target *target, const struct http_call_request *request,
                   const sigset_t *waiting, struct err *err)
{
    *call    = (struct http_call)HTTP_CALL_INIT;
    call->fd = connect_to(target, err);
    if (call->fd < 0)
        return -1;
    if (send_request(call->fd, target, request, err) == 0 && receive_head(call, waiting, err) == 0)
        return 0;
    http_call_close(call);
    return -1;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of the framing between chunks. Returns false when it is none. */
static bool take_framing(struct http_call *call, char c)
{
    int digit = digit_of(c);
    if (++call->line > LINE_MAX_BYTES)
        return false;
    if (call->phase == CALL_DATA_END) {
        if (c == '\n') {
            call->phase = CALL_SIZE;
            call->line  = 0;
        }
        return c == '\n' || c == '\r';
    }
    if (call->phase == CALL_SIZE && digit >= 0) {
        if (call->left > UINT64_MAX / 32)
            return false;
        call->left = call->left * 16 + (uint64_t)digit;
        return true;
    }
    if (c != '\n') { /* an extension, or the end of the line, or a trailer's field */
        if (call->phase == CALL_SIZE)
            call->phase = call->line > 1 ? CALL_SIZE_REST : CALL_END;
        return call->phase != CALL_END;
    }
    if (call->phase == CALL_TRAILER)
        call->phase = call->line <= 2 ? CALL_END : CALL_TRAILER;
    else if (call->line == 1)
        return false;
    else
        call->phase = call->left > 0 ? CALL_DATA : CALL_TRAILER;
    call->line = 0;
    return true;
}

/* Decodes what is in raw. Returns 0, or -1 with err. */
static int decode(struct http_call *call, struct bytes *out, struct err *err)
{
    size_t at = 0;
    while (at < call->raw.length && call->phase != CALL_END) {
        size_t there = call->raw.length - at;
        if (call->phase != CALL_DATA) {
            if (!take_framing(call, call->raw.data[at++]))
                return err_set(err, EPROTO, "the answer is framed wrongly");
            continue;
        }
        if ((call->chunked || call->has_length) && there > call->left)
            there = (size_t)call->left;
        if (!bytes_append(out, call->raw.data + at, there))
            return err_set(err, ENOMEM, "no memory for an answer");
        at += there;
        if (call->chunked || call->has_length)
            call->left -= there;
        if (call->chunked && call->left == 0) {
            call->phase = CALL_DATA_END;
            call->line  = 0;
        } else if (call->has_length && call->left == 0) {
            call->phase = CALL_END;
        }
    }
    consume(&call->raw, at);
    return 0;
}

bool http_call_header(const struct http_call *call, const char *name, char *ret_text, size_t room)
{
    const char *at = call->head.data, *end = at + call->head.length, *line;
    while (at != NULL && (line = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        const char *colon = memchr(at, ':', (size_t)(line - at)), *value = colon != NULL ? colon + 1 : NULL, *stop = line;
        if (colon != NULL && is_name(at, (size_t)(colon - at), name)) {
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
                stop--;
            return (size_t)(stop - value) < room && snprintf(ret_text, room, "%.*s", (int)(stop - value), value) >= 0;
        }
        at = line + 1;
    }
    return false;
}

bool http_call_is_buffered(const struct http_call *call)
{
    return call->raw.length > 0 || call->phase == CALL_END;
}

int http_call_read(struct http_call *call, struct bytes *out, const sigset_t *waiting, struct err *err)
{
    ssize_t n = 1;
    if (call->phase == CALL_END)
        return 0;
    if (call->raw.length == 0)
        n = fill(call, waiting, err);
    if (n < 0)
        return -1;
    if (n == 0 && (call->chunked || call->has_length))
        return err_set(err, EPROTO, "the connection to the service was cut");
    if (n == 0)
        call->phase = CALL_END;
    return decode(call, out, err) < 0 ? -1 : call->phase != CALL_END;
}

void http_call_close(struct http_call *call)
{
    fdio_close(&call->fd);
    bytes_done(&call->raw);
    bytes_done(&call->head);
}

int http_call_do(const struct http_call_target *target, const struct http_call_request *request, size_t max, struct bytes *out,
                 const sigset_t *waiting, struct err *err)
{
    struct http_call call;
    int              result, status;
    if (http_call_open(&call, target, request, waiting, err) < 0)
        return -1;
    do {
        result = http_call_read(&call, out, waiting, err);
        if (out->length > max)
            result = err_set(err, EMSGSIZE, "an answer is longer than %zu bytes", max);
    } while (result > 0);
    status = call.status;
    http_call_close(&call);
    return result < 0 ? -1 : status;
}

bool http_call_encode(struct bytes *out, const char *text, bool slashes)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        char          code[4];
        bool          plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c) != NULL ||
                     (slashes && c == '/');
        (void)snprintf(code, sizeof code, plain ? "%c" : "%%%02X", c);
        if (!bytes_append(out, code, strlen(code)))
            return false;
    }
    return true;
}
