/* http_request.c: what a handler asks of a request, and the requests' memory. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"

int http_buffer_reserve(struct http_buffer *buffer, size_t more)
{
    size_t need = buffer->length + more + 1, room = buffer->room < 256 ? 256 : buffer->room;
    char  *data;

    if (need <= buffer->room)
        return 0;
    while (room < need)
        room *= 2;
    data = realloc(buffer->data, room);
    if (data == NULL)
        return -1;
    buffer->data = data;
    buffer->room = room;
    return 0;
}

int http_buffer_add(struct http_buffer *buffer, const void *data, size_t length)
{
    if (http_buffer_reserve(buffer, length) != 0)
        return -1;
    memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

void http_buffer_drop(struct http_buffer *buffer, size_t length)
{
    if (length < buffer->length)
        memmove(buffer->data, buffer->data + length, buffer->length - length);
    buffer->length -= length;
}

void http_buffer_done(struct http_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

/* Small buffers stay with a spare request; big ones go back. */
static void reuse(struct http_buffer *buffer)
{
    if (buffer->room > 8192)
        http_buffer_done(buffer);
    buffer->length = 0;
}

struct http_request *http_request_new(struct http_connection *connection)
{
    struct http         *http    = connection->http;
    struct http_request *request = TAILQ_FIRST(&http->spare_requests);

    if (request != NULL) {
        TAILQ_REMOVE(&http->spare_requests, request, spare);
        http->spare_count--;
    } else {
        request = calloc(1, sizeof *request);
        if (request == NULL)
            return NULL;
    }
    request->connection = connection;
    request->method     = HTTP_GET;
    request->minor      = 1;
    request->come_us    = http_now_us();
    return request;
}

static void clear(struct http_request *request)
{
    for (size_t i = 0; i < HTTP_PARAMETERS_MAX; i++) {
        free(request->parameters[i]);
        request->parameters[i] = NULL;
    }
    json_decref(request->json);
    json_decref(request->notes);
    request->json = request->notes = NULL;
    request->tag                   = 0;
    request->caller                = NULL;
    request->error_shape           = NULL;
    request->field_count = request->query_count = 0;
    request->id[0]                              = '\0';
    request->on_gone                            = NULL;
    request->path                               = 0;
    request->keep_alive = request->gone_on_eof = request->own_policy = request->own_cache = false;
    request->streamed = request->paused = request->given = request->wants_continue = false;
    request->body_bytes                                                            = 0;
    request->on_body                                                               = NULL;
    reuse(&request->text);
    reuse(&request->body);
    reuse(&request->headers);
}

void http_request_free(struct http_request *request)
{
    struct http *http;

    if (request == NULL)
        return;
    http = request->connection->http;
    http->bodies -= request->body.length;
    clear(request);
    if (http->spare_count < HTTP_SPARE_REQUESTS) {
        TAILQ_INSERT_HEAD(&http->spare_requests, request, spare);
        http->spare_count++;
        return;
    }
    http_buffer_done(&request->text);
    http_buffer_done(&request->body);
    http_buffer_done(&request->headers);
    free(request);
}

enum http_method http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->text.length > 0 ? request->text.data + request->path : "/";
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++) {
        if (strcasecmp(request->text.data + request->fields[i].name, name) == 0)
            return request->text.data + request->fields[i].value;
    }
    return NULL;
}

const char *http_request_query(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->text.data + request->queries[i].name, name) == 0)
            return request->text.data + request->queries[i].value;
    }
    return NULL;
}

static bool is_good_id(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return length > 0 && text[length] == '\0' && length < HTTP_ID_BYTES;
}

/* xorshift128+: unique, not secret. */
static uint64_t next_random(uint64_t state[2])
{
    uint64_t a = state[0], b = state[1];
    state[0] = b;
    a ^= a << 23;
    state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return state[1] + b;
}

void http_request_settle_id(struct http_request *request)
{
    const char *given = http_request_header(request, "X-Request-Id");

    if (request->id[0] != '\0')
        return;
    if (given != NULL && is_good_id(given)) {
        strcpy(request->id, given);
        return;
    }
    for (size_t i = 0; i < 32; i += 16) {
        uint64_t bits = next_random(request->connection->http->random);
        for (size_t j = 0; j < 16; j++, bits >>= 4)
            request->id[i + j] = "0123456789abcdef"[bits & 15];
    }
    request->id[32] = '\0';
}

const char *http_request_id(const struct http_request *request)
{
    return request->id;
}

const char *http_request_peer(const struct http_request *request)
{
    return request->connection->peer;
}

unsigned http_request_tag(const struct http_request *request)
{
    return request->tag;
}

void http_request_set_tag(struct http_request *request, unsigned tag)
{
    request->tag = tag;
}

void *http_request_caller(const struct http_request *request)
{
    return request->caller;
}

void http_request_set_caller(struct http_request *request, void *caller)
{
    request->caller = caller;
}

json_t *http_request_notes(struct http_request *request)
{
    if (request->notes == NULL)
        request->notes = json_object();
    return request->notes;
}

json_t *http_request_notes_given(const struct http_request *request)
{
    return request->notes;
}

const void *http_request_body(const struct http_request *request, size_t *ret_length)
{
    *ret_length = request->body.length;
    return request->body.length > 0 ? request->body.data : "";
}

const char *http_request_parameter(const struct http_request *request, size_t n)
{
    return n < HTTP_PARAMETERS_MAX ? request->parameters[n] : NULL;
}

int64_t http_request_body_length(const struct http_request *request)
{
    const struct http_head *head = &request->connection->guard.head;
    return head->chunked ? -1 : (int64_t)head->content_length;
}

void http_request_take_body(struct http_request *request, http_on_body on_body, void *arg)
{
    request->on_body     = on_body;
    request->on_body_arg = arg;
    if (request->wants_continue)
        http_input_continue(request->connection);
    request->wants_continue = false;
    http_request_pause_body(request, false);
}

void http_request_pause_body(struct http_request *request, bool paused)
{
    struct http_connection *connection = request->connection;
    request->paused                    = paused;
    if (connection->state == HTTP_BODY_STATE)
        connection->deadline_ms = paused ? 0 : http_deadline_in(connection->http->limits.head_timeout_ms);
    if (!paused)
        http_connection_wake(connection);
}

json_t *http_request_json(const struct http_request *request)
{
    return request->json;
}

void http_request_set_parameter(struct http_request *request, size_t n, const char *value)
{
    if (n >= HTTP_PARAMETERS_MAX)
        return;
    free(request->parameters[n]);
    request->parameters[n] = strdup(value);
}

void http_request_set_json(struct http_request *request, json_t *owned)
{
    json_decref(request->json);
    request->json = owned;
}

void http_request_on_gone(struct http_request *request, void (*on_gone)(void *arg), void *arg)
{
    request->on_gone     = on_gone;
    request->on_gone_arg = arg;
}

void http_request_gone_on_eof(struct http_request *request)
{
    request->gone_on_eof = true;
    if (request->connection->peer_eof) {
        request->connection->broken = true;
        http_connection_wake(request->connection);
    }
}

static bool put_encoded(struct bytes *out, const char *text, size_t length, const char *plain)
{
    static const char hex[] = "0123456789ABCDEF";
    bool              fine  = true;
    for (size_t i = 0; i < length && fine; i++) {
        unsigned char c    = (unsigned char)text[i];
        const char    e[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool          is_plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr(plain, c) != NULL);
        fine = is_plain ? bytes_append(out, &text[i], 1) : bytes_append(out, e, sizeof e);
    }
    return fine;
}

bool http_request_write_target(const struct http_request *request, const char *from, const char *to, struct bytes *out)
{
    static const char plain[] = "-._~";
    const char       *path = http_request_path(request), *at = strstr(path, from), *rest = at != NULL ? at + strlen(from) : NULL;
    bool fine = at != NULL && put_encoded(out, path, (size_t)(at - path), "-._~/") && put_encoded(out, to, strlen(to), plain) &&
                put_encoded(out, rest, strlen(rest), "-._~/");
    for (size_t i = 0; i < request->query_count && fine; i++) {
        const char *name = request->text.data + request->queries[i].name, *value = request->text.data + request->queries[i].value;
        fine = bytes_append(out, i == 0 ? "?" : "&", 1) && put_encoded(out, name, strlen(name), plain) && bytes_append(out, "=", 1) &&
               put_encoded(out, value, strlen(value), plain);
    }
    return fine;
}
