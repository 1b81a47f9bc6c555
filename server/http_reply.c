/* http_reply.c: whole answers. One answer is one write where the socket takes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "http_internal.h"

static const char SECURITY[]   = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: SAMEORIGIN\r\n";
static const char HSTS[]       = "Strict-Transport-Security: max-age=15552000\r\n";
static const char POLICY[]     = "Content-Security-Policy: default-src 'none'; frame-ancestors 'self'\r\n";
static const char UNWRITABLE[] = "{\"statusCode\":500,\"code\":\"INTERNAL_ERROR\",\"error\":\"Internal Server Error\","
                                 "\"message\":\"The answer could not be written as JSON\"}";
static const char JSON_TYPE[]  = "application/json; charset=utf-8";
static const char NO_STORE[]   = "Cache-Control: no-store\r\n";

static const char *reason_of(int status)
{
    static const struct {
        int         status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {206, "Partial Content"},
                   {301, "Moved Permanently"},
                   {302, "Found"},
                   {304, "Not Modified"},
                   {308, "Permanent Redirect"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {406, "Not Acceptable"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {410, "Gone"},
                   {411, "Length Required"},
                   {412, "Precondition Failed"},
                   {413, "Payload Too Large"},
                   {414, "URI Too Long"},
                   {415, "Unsupported Media Type"},
                   {416, "Range Not Satisfiable"},
                   {417, "Expectation Failed"},
                   {421, "Misdirected Request"},
                   {422, "Unprocessable Entity"},
                   {428, "Precondition Required"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"},
                   {505, "HTTP Version Not Supported"},
                   {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Unknown";
}

/* The Date line's text, made anew once a second. */
static const char *date_of(struct http *http)
{
    struct timespec now;
    struct tm       parts;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != http->date_second) {
        http->date_second = now.tv_sec;
        gmtime_r(&now.tv_sec, &parts);
        strftime(http->date, sizeof http->date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    }
    return http->date;
}

static char *put(char *to, const char *text)
{
    return stpcpy(to, text);
}

static char *put_number(char *to, uint64_t number)
{
    char   digits[20];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    *to = '\0';
    return to;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* length: of the body; -1: chunked (or until close for 1.0). */
int http_reply_head(struct http_request *request, int status, const char *content_type, int64_t length, struct http_buffer *ret_head)
{
    struct http *http = request->connection->http;
    char        *to;

    if (http_buffer_reserve(ret_head, 768 + strlen(content_type) + request->headers.length) != 0)
        return -1;
    http_request_settle_id(request);
    if (http->on_answer != NULL)
        http->on_answer(request, status, (uint64_t)(http_now_us() - request->come_us), http->on_answer_arg);
    to    = put(ret_head->data, "HTTP/1.1 ");
    to    = put_number(to, (uint64_t)status);
    *to++ = ' ';
    to    = put(put(to, reason_of(status)), "\r\nDate: ");
    to    = put(put(put(to, date_of(http)), "\r\nX-Request-Id: "), request->id);
    if (!has_no_body(status))
        to =
            put(put(put(to, "\r\nContent-Type: "), content_type), length < 0 && request->minor > 0 ? "\r\nTransfer-Encoding: chunked" : "");
    if (length >= 0 && (!has_no_body(status) || status == 304))
        to = put_number(put(to, "\r\nContent-Length: "), (uint64_t)length);
    to = put(to, !request->keep_alive ? "\r\nConnection: close\r\n" : request->minor == 0 ? "\r\nConnection: keep-alive\r\n" : "\r\n");
    to = put(to, SECURITY);
    if (request->connection->tls != NULL)
        to = put(to, HSTS);
    if (length >= 0 && !request->own_policy)
        to = put(to, POLICY);
    if (!request->own_cache)
        to = put(to, NO_STORE);
    to               = mempcpy(to, request->headers.data != NULL ? request->headers.data : "", request->headers.length);
    to               = put(to, "\r\n");
    ret_head->length = (size_t)(to - ret_head->data);
    return 0;
}

void http_reply_settle(struct http_request *request)
{
    struct http_connection *connection = request->connection;
    bool                    unread     = connection->state == HTTP_BODY_STATE; /* answered before its body has come */
    if (unread)
        connection->lingers = true;
    if (unread || connection->http->draining || connection->closing)
        request->keep_alive = false;
}

/* Ends the request when there is no memory for its answer. */
static void give_up(struct http_request *request, void *owned)
{
    free(owned);
    request->connection->broken = true;
    http_connection_answered(request->connection, false);
}

/* `owned`: body was malloc'ed and is freed. */
static void reply(struct http_request *request, int status, const char *content_type, void *body, size_t length, bool owned)
{
    struct http_connection *connection = request->connection;
    struct http_buffer      head       = {0};
    struct iovec            vectors[2];
    char                    room[2048];
    bool                    silent = request->method == HTTP_HEAD || has_no_body(status);

    if (connection->inner != NULL) {
        http_inner_reply(request, status, body, silent ? 0 : length);
        if (owned)
            free(body);
        return;
    }
    if (request->headers.length + strlen(content_type) < 1024) {
        head.data = room;
        head.room = sizeof room;
    }
    http_reply_settle(request);
    if (http_reply_head(request, status, content_type, (int64_t)length, &head) != 0) {
        give_up(request, owned ? body : NULL);
        return;
    }
    vectors[0] = (struct iovec){head.data, head.length};
    vectors[1] = (struct iovec){body, length};
    if (silent || length == 0) {
        http_connection_write(connection, vectors, 1, false);
        if (owned)
            free(body);
    } else {
        http_connection_write(connection, vectors, 2, owned);
    }
    if (head.data != room)
        free(head.data);
    http_connection_answered(connection, request->keep_alive);
}

void http_reply_bytes(struct http_request *request, int status, const char *content_type, const void *data, size_t length)
{
    reply(request, status, content_type, (void *)data, length, false);
}

static void reply_json(struct http_request *request, int status, const char *content_type, json_t *owned)
{
    char *text = owned != NULL ? json_dumps(owned, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;

    json_decref(owned);
    if (text != NULL) {
        reply(request, status, content_type, text, strlen(text), true);
        return;
    }
    http_reply_bytes(request, 500, JSON_TYPE, UNWRITABLE, sizeof UNWRITABLE - 1);
}

void http_reply_json(struct http_request *request, int status, json_t *owned)
{
    reply_json(request, status, JSON_TYPE, owned);
}

void http_reply_buffer(struct http_request *request, int status, const char *content_type, struct evbuffer *moved_from)
{
    struct http_connection *connection = request->connection;
    struct http_buffer      head       = {0};
    struct iovec            vector;

    if (connection->inner != NULL) {
        size_t length = evbuffer_get_length(moved_from);
        http_inner_reply(request, status, evbuffer_pullup(moved_from, -1), length);
        evbuffer_drain(moved_from, length);
        return;
    }
    http_reply_settle(request);
    if (http_reply_head(request, status, content_type, (int64_t)evbuffer_get_length(moved_from), &head) != 0) {
        evbuffer_drain(moved_from, evbuffer_get_length(moved_from));
        give_up(request, NULL);
        return;
    }
    if (request->method == HTTP_HEAD || has_no_body(status))
        evbuffer_drain(moved_from, evbuffer_get_length(moved_from));
    vector = (struct iovec){head.data, head.length};
    http_connection_write_buffer(connection, &vector, 1, moved_from);
    free(head.data);
    http_connection_answered(connection, request->keep_alive);
}

void http_reply_error(struct http_request *request, int status, const char *code, const char *message, json_t *details, int retry_after_s)
{
    const struct http_error_shape *shape = request->error_shape;
    json_t *body = json_pack("{s:i, s:s, s:s, s:s}", "statusCode", status, "code", code, "error", reason_of(status), "message", message);

    if (body == NULL) /* the message is not UTF-8 */
        body =
            json_pack("{s:i, s:s, s:s, s:s}", "statusCode", status, "code", code, "error", reason_of(status), "message", reason_of(status));
    if (body != NULL && details != NULL)
        (void)json_object_update(body, details);
    json_decref(details);
    if (retry_after_s > 0) {
        char text[16];
        snprintf(text, sizeof text, "%d", retry_after_s);
        http_request_add_header(request, "Retry-After", text);
        (void)json_object_set_new(body, "retryAfter", json_integer(retry_after_s));
    }
    if (shape != NULL && body != NULL)
        body = shape->write(request, body, &status);
    reply_json(request, status, shape != NULL ? shape->content_type : JSON_TYPE, body);
}

void http_request_set_error_shape(struct http_request *request, const struct http_error_shape *shape)
{
    request->error_shape = shape;
}

void http_reply_refusal(struct http_request *request, const struct http_refusal *refusal)
{
    request->keep_alive          = false;
    request->connection->lingers = true;
    if (refusal->status == 405)
        http_request_add_header(request, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    http_reply_error(request, refusal->status, refusal->code, refusal->message, NULL, refusal->status == 503 ? 1 : 0);
}

void http_request_add_header(struct http_request *request, const char *name, const char *value)
{
    struct http_buffer *headers     = &request->headers;
    size_t              name_length = strlen(name), value_length = strlen(value);

    if (strpbrk(name, "\r\n") != NULL || strpbrk(value, "\r\n") != NULL ||
        http_buffer_reserve(headers, name_length + value_length + 4) != 0)
        return;
    request->own_policy |= strcasecmp(name, "Content-Security-Policy") == 0;
    request->own_cache |= strcasecmp(name, "Cache-Control") == 0;
    (void)http_buffer_add(headers, name, name_length);
    (void)http_buffer_add(headers, ": ", 2);
    (void)http_buffer_add(headers, value, value_length);
    (void)http_buffer_add(headers, "\r\n", 2);
}
