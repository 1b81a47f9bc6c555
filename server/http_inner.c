#include "http_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"

/* Stands where a client's connection would: nothing of it is ever read or written. */
struct http_inner {
    struct http_connection connection;
    http_inner_on_answer   on_answer;
    void                  *arg;
    size_t                 max;
    int                    status;
    struct http_buffer     headers, body; /* of the answer */
    struct http_request   *request;
};

static void inner_free(struct http_inner *inner)
{
    http_request_free(inner->request);
    http_buffer_done(&inner->headers);
    http_buffer_done(&inner->body);
    free(inner);
}

struct http_request *http_inner_new(const struct http_request *of, enum http_method method, unsigned tag, size_t max,
                                    http_inner_on_answer on_answer, void *arg)
{
    struct http_inner *inner = calloc(1, sizeof *inner);
    if (inner == NULL)
        return NULL;
    inner->connection.http  = of->connection->http;
    inner->connection.fd    = -1;
    inner->connection.state = HTTP_HANDLING;
    inner->connection.inner = inner;
    inner->on_answer        = on_answer;
    inner->arg              = arg;
    inner->max              = max;
    memcpy(inner->connection.peer, of->connection->peer, sizeof inner->connection.peer);
    inner->request = http_request_new(&inner->connection);
    if (inner->request == NULL || http_buffer_add(&inner->request->text, http_request_path(of), strlen(http_request_path(of)) + 1) != 0) {
        inner_free(inner);
        return NULL;
    }
    inner->request->method = method;
    inner->request->tag    = tag;
    inner->request->caller = of->caller;
    memcpy(inner->request->id, of->id, sizeof inner->request->id);
    return inner->request;
}

/* A name and a value into the request's text. Returns false when there is no memory. */
static bool add_pair(struct http_request *request, struct http_pair *pair, const char *name, const char *value)
{
    pair->name = (uint32_t)request->text.length;
    if (http_buffer_add(&request->text, name, strlen(name) + 1) != 0)
        return false;
    pair->value = (uint32_t)request->text.length;
    return http_buffer_add(&request->text, value, strlen(value) + 1) == 0;
}

void http_inner_add_query(struct http_request *inner, const char *name, const char *value)
{
    if (inner->query_count < HTTP_QUERY_MAX && add_pair(inner, &inner->queries[inner->query_count], name, value))
        inner->query_count++;
}

void http_inner_add_header(struct http_request *inner, const char *name, const char *value)
{
    if (inner->field_count < GUARD_FIELDS_MAX && add_pair(inner, &inner->fields[inner->field_count], name, value))
        inner->field_count++;
}

void http_inner_cancel(struct http_request *inner)
{
    struct http_inner *which;
    void (*on_gone)(void *arg);
    void *arg;

    if (inner == NULL)
        return;
    which   = inner->connection->inner;
    on_gone = which->connection.state == HTTP_STREAMING ? which->connection.stream.on_gone : inner->on_gone;
    arg     = which->connection.state == HTTP_STREAMING ? which->connection.stream.gone_arg : inner->on_gone_arg;
    if (on_gone != NULL)
        on_gone(arg);
    inner_free(which);
}

static void deliver(struct http_inner *inner)
{
    const struct http_inner_answer answer = {.status  = inner->status,
                                             .headers = inner->headers.data != NULL ? inner->headers.data : "",
                                             .body    = inner->body.data != NULL ? inner->body.data : "",
                                             .length  = inner->body.length};
    inner->on_answer(&answer, inner->arg);
    inner_free(inner);
}

/* The head of an answer: for what counts and records them, and for us. */
static void take_head(struct http_request *request, int status)
{
    struct http_inner *inner = request->connection->inner;
    struct http       *http  = request->connection->http;

    if (http->on_answer != NULL)
        http->on_answer(request, status, (uint64_t)(http_now_us() - request->come_us), http->on_answer_arg);
    inner->status = status;
    if (request->headers.length > 0 && http_buffer_add(&inner->headers, request->headers.data, request->headers.length) != 0)
        inner->status = 0;
}

static void add(struct http_inner *inner, const void *data, size_t length)
{
    if (inner->status != 0 && (length > inner->max - inner->body.length || http_buffer_add(&inner->body, data, length) != 0))
        inner->status = 0;
}

void http_inner_reply(struct http_request *request, int status, const void *body, size_t length)
{
    struct http_inner *inner = request->connection->inner;
    take_head(request, status);
    add(inner, body, length);
    deliver(inner);
}

struct http_stream *http_inner_begin(struct http_request *request, int status)
{
    struct http_inner *inner = request->connection->inner;

    take_head(request, status);
    inner->connection.state  = HTTP_STREAMING;
    inner->connection.stream = (struct http_stream){.connection = &inner->connection,
                                                    .silent     = request->method == HTTP_HEAD,
                                                    .on_gone    = request->on_gone,
                                                    .gone_arg   = request->on_gone_arg};
    return &inner->connection.stream;
}

size_t http_inner_write(struct http_stream *stream, const void *data, size_t length)
{
    if (!stream->silent)
        add(stream->connection->inner, data, length);
    return 0;
}

void http_inner_end(struct http_stream *stream, bool whole)
{
    struct http_inner *inner = stream->connection->inner;
    if (!whole)
        inner->status = 0;
    deliver(inner);
}

bool http_inner_header(const struct http_inner_answer *answer, const char *name, char *ret_text, size_t room)
{
    size_t length = strlen(name);
    for (const char *at = answer->headers, *end; (end = strstr(at, "\r\n")) != NULL; at = end + 2) {
        if (strncasecmp(at, name, length) != 0 || at[length] != ':')
            continue;
        (void)snprintf(ret_text, room, "%.*s", (int)(end - at - (ptrdiff_t)length - 2), at + length + 2);
        return true;
    }
    return false;
}
