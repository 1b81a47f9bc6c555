#define _GNU_SOURCE
#include "egress_head.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CREDENTIALS_MAX = 200, HTTP_PORT = 80 };

static const char NAME_CHARACTERS[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct line {
    const char *text;
    size_t      length;
};

/* The next line up to CR LF. Returns what follows, NULL when there is none, or a byte that no head has. */
static const char *read_line(const char *at, const char *end, struct line *ret)
{
    const char *p;
    for (p = at; p + 1 < end; p++) {
        if (*p == '\r' && p[1] == '\n') {
            *ret = (struct line){at, (size_t)(p - at)};
            return p + 2;
        }
        if (*p == '\r' || *p == '\n' || *p == '\0' || ((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return NULL;
    }
    return NULL;
}

/* "host:port" or "host"; the port stays as it is when there is none. */
static bool read_authority(const char *text, size_t length, struct egress_head *ret)
{
    const char *colon = memrchr(text, ':', length), *bracket = memchr(text, ']', length);
    size_t      host = length;
    unsigned    port = 0;

    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        host = (size_t)(colon - text);
        if (host + 1 == length || length - host > 6)
            return false;
        for (size_t i = host + 1; i < length; i++) {
            if (!isdigit((unsigned char)text[i]))
                return false;
            port = port * 10 + (unsigned)(text[i] - '0');
        }
        if (port == 0 || port > 65535)
            return false;
        ret->port = (uint16_t)port;
    }
    if (host > 0 && text[host - 1] == '.')
        host--;
    if (host == 0 || host >= sizeof ret->host || ((text[0] == '[') != (text[host - 1] == ']')))
        return false;
    if (text[host - 1] == '.' || memmem(text, host, "..", 2) != NULL) /* labels without a letter */
        return false;
    for (size_t i = 0; i < host; i++) {
        bool bracketed = text[0] == '[' && (isxdigit((unsigned char)text[i]) || strchr("[]:.", text[i]) != NULL);
        if (text[i] == '\0' || (!bracketed && !isalnum((unsigned char)text[i]) && strchr("-._", text[i]) == NULL))
            return false;
        ret->host[i] = (char)tolower((unsigned char)text[i]);
    }
    ret->host[host] = '\0';
    return true;
}

static bool add(struct bytes *out, const char *text, size_t length)
{
    return bytes_append(out, text, length);
}

static bool add_text(struct bytes *out, const char *text)
{
    return add(out, text, strlen(text));
}

/* The request line. What an origin server gets of it begins `forward`. */
static bool read_request_line(const struct line *line, struct egress_head *ret)
{
    const char *end = line->text + line->length, *target = memchr(line->text, ' ', line->length), *version, *path;
    size_t      method = target != NULL ? (size_t)(target - line->text) : 0, authority;
    char        host[EGRESS_HOST_BYTES + 16];

    if (method == 0 || method > 20 || strspn(line->text, NAME_CHARACTERS) < method)
        return false;
    target++;
    version = memchr(target, ' ', (size_t)(end - target));
    if (version == NULL || end - version != 9 || (memcmp(version, " HTTP/1.1", 9) != 0 && memcmp(version, " HTTP/1.0", 9) != 0))
        return false;
    ret->is_connect = method == 7 && memcmp(line->text, "CONNECT", 7) == 0;
    if (ret->is_connect)
        return read_authority(target, (size_t)(version - target), ret) && ret->port != 0;
    if (version - target < 8 || strncasecmp(target, "http://", 7) != 0)
        return false;
    target += 7;
    path = target;
    while (path < version && *path != '/' && *path != '?')
        path++;
    authority = (size_t)(path - target);
    ret->port = HTTP_PORT;
    if (!read_authority(target, authority, ret))
        return false;
    (void)snprintf(host, sizeof host, ret->port != HTTP_PORT ? "Host: %s:%u\r\n" : "Host: %s\r\n", ret->host, (unsigned)ret->port);
    return add(&ret->forward, line->text, method + 1) && (*path == '/' || add(&ret->forward, "/", 1)) &&
           add(&ret->forward, path, (size_t)(version - path)) && add_text(&ret->forward, " HTTP/1.1\r\n") && add_text(&ret->forward, host);
}

/* "Basic cGVubnk6..." of "penny:TOKEN". Whatever is wrong is no token. */
static void read_credentials(const char *text, size_t length, struct egress_head *ret)
{
    unsigned char plain[CREDENTIALS_MAX];
    int           n;
    if (length < 7 || strncasecmp(text, "Basic ", 6) != 0)
        return;
    for (text += 6, length -= 6; length > 0 && *text == ' '; text++)
        length--;
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (length % 4 != 0 || length / 4 * 3 > sizeof plain)
        return;
    n = EVP_DecodeBlock(plain, (const unsigned char *)text, (int)length);
    while (n > 0 && length > 0 && text[length - 1] == '=') { /* it counts what stands for the padding, too */
        n--;
        length--;
    }
    if (n == 6 + EGRESS_TOKEN_BYTES - 1 && memcmp(plain, "penny:", 6) == 0 && memchr(plain, '\0', (size_t)n) == NULL)
        memcpy(ret->token, plain + 6, EGRESS_TOKEN_BYTES - 1);
}

static bool is_named(const struct line *line, size_t name, const char *text)
{
    return strlen(text) == name && strncasecmp(line->text, text, name) == 0;
}

static bool read_header(const struct line *line, struct egress_head *ret)
{
    static const char *const dropped[] = {"host", "connection", "keep-alive", "te", "trailer", "upgrade"};
    const char              *colon     = memchr(line->text, ':', line->length), *value;
    size_t                   name      = colon != NULL ? (size_t)(colon - line->text) : 0;

    if (name == 0 || strspn(line->text, NAME_CHARACTERS) != name)
        return false;
    for (value = colon + 1; value < line->text + line->length && (*value == ' ' || *value == '\t'); value++)
        continue;
    if (is_named(line, name, "proxy-authorization")) {
        read_credentials(value, (size_t)(line->text + line->length - value), ret);
        return true;
    }
    if (name >= 6 && strncasecmp(line->text, "proxy-", 6) == 0)
        return true;
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (is_named(line, name, dropped[i]))
            return true;
    return ret->is_connect || (add(&ret->forward, line->text, line->length) && add_text(&ret->forward, "\r\n"));
}

static ssize_t refuse(struct egress_head *head)
{
    egress_head_done(head);
    return -1;
}

ssize_t egress_head_parse(const char *data, size_t length, struct egress_head *ret)
{
    const char *at, *whole = memmem(data, length, "\r\n\r\n", 4), *end;
    struct line line;

    memset(ret, 0, sizeof *ret);
    if (whole == NULL || (size_t)(whole - data) > EGRESS_HEAD_MAX)
        return length > EGRESS_HEAD_MAX ? -1 : 0;
    end = whole + 4;
    at  = read_line(data, end, &line);
    if (at == NULL || !read_request_line(&line, ret))
        return refuse(ret);
    while (at < whole + 2) {
        at = read_line(at, end, &line);
        if (at == NULL || !read_header(&line, ret))
            return refuse(ret);
    }
    if (!ret->is_connect && !add_text(&ret->forward, "Connection: close\r\n\r\n"))
        return refuse(ret);
    return end - data;
}

void egress_head_done(struct egress_head *head)
{
    bytes_done(&head->forward);
    explicit_bzero(head->token, sizeof head->token);
}
