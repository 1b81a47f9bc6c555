#define _GNU_SOURCE
#include "race_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "json.h"
#include "session_race.h"
#include "sse.h"
#include "watcher_http.h"

static const char TYPE[] = "{\"type\":\"";

enum { TYPE_LENGTH = sizeof TYPE - 1 };

struct channel {
    struct race_stream *stream;
    struct watcher     *watcher; /* NULL: it has ended */
    size_t              index;
};

struct race_stream {
    struct http_stream *http;
    enum watcher_format format;
    struct channel      channels[RACE_MAX];
    size_t              count, left;
    char                session[ID_TEXT_BYTES];
    json_t             *last; /* what to end with, once it is known */
    void (*on_gone)(void *arg);
    void *arg;
};

static void stream_free(struct race_stream *stream)
{
    json_decref(stream->last);
    free(stream);
}

/* The end of a candidate is not that of the race. */
static bool is_end(const char *type, size_t length)
{
    return (length == 8 && memcmp(type, "complete", 8) == 0) || (length == 5 && memcmp(type, "error", 5) == 0);
}

/* One line of NDJSON, as every event begins with its type, with the candidate in it, in the client's format. */
static bool rewrite(struct bytes *out, const struct race_stream *stream, size_t index, const char *line, size_t length)
{
    char        head[128];
    const char *type = line + TYPE_LENGTH, *quote = memchr(type, '"', length - TYPE_LENGTH);
    size_t      type_length = quote != NULL ? (size_t)(quote - type) : 0;
    int         n;

    if (quote == NULL || type_length > 32)
        return true; /* no event of ours */
    if (type_length == 4 && memcmp(type, "ping", 4) == 0)
        return bytes_append(out, stream->format == WATCHER_SSE ? SSE_PING : NDJSON_PING,
                            stream->format == WATCHER_SSE ? sizeof SSE_PING - 1 : sizeof NDJSON_PING - 1);
    if (is_end(type, type_length)) {
        type        = "candidate";
        type_length = 9;
    }
    n = stream->format == WATCHER_SSE ? snprintf(head, sizeof head, "event: %.*s\ndata: %s%.*s\",\"candidate\":%zu", (int)type_length, type,
                                                 TYPE, (int)type_length, type, index)
                                      : snprintf(head, sizeof head, "%s%.*s\",\"candidate\":%zu", TYPE, (int)type_length, type, index);
    return bytes_append(out, head, (size_t)n) && bytes_append(out, quote + 1, length - (size_t)(quote + 1 - line)) &&
           bytes_append(out, "\n", stream->format == WATCHER_SSE ? 1 : 0);
}

static size_t on_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    struct channel     *channel = arg;
    struct race_stream *stream  = channel->stream;
    struct bytes        out     = {0};
    const char         *end     = data + length;
    size_t              waiting;

    (void)owner;
    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t      n       = newline != NULL ? (size_t)(newline + 1 - data) : (size_t)(end - data);
        if (n > TYPE_LENGTH && memcmp(data, TYPE, TYPE_LENGTH) == 0 && !rewrite(&out, stream, channel->index, data, n))
            break; /* no memory: the client finds the event missing at the execution's own stream */
        data += n;
    }
    waiting = http_stream_write(stream->http, out.data, out.length);
    bytes_done(&out);
    return waiting;
}

/* Sends the last event, when all others have gone. */
static void end_if_whole(struct race_stream *stream)
{
    json_t      *event;
    char        *text;
    struct bytes out = {0};
    if (stream->left > 0 || stream->last == NULL)
        return;
    event        = json_pack("{s:s, s:o, s:o, s:s}", "type", "complete", "data", stream->last, "timestamp", json_time(json_time_now()),
                             "sessionId", stream->session);
    stream->last = NULL;
    text         = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;
    if (text != NULL && (stream->format != WATCHER_SSE || bytes_append(&out, "event: complete\ndata: ", 22)) &&
        bytes_append(&out, text, strlen(text)) && bytes_append(&out, "\n\n", stream->format == WATCHER_SSE ? 2 : 1))
        (void)http_stream_write(stream->http, out.data, out.length);
    http_stream_end(stream->http);
    free(text);
    json_decref(event);
    bytes_done(&out);
    stream_free(stream);
}

static void on_end(bool whole, void *arg)
{
    struct channel *channel = arg;
    (void)whole;
    channel->watcher = NULL;
    channel->stream->left--;
    end_if_whole(channel->stream);
}

static void on_drain(void *arg)
{
    struct race_stream *stream = arg;
    for (size_t i = 0; i < stream->count; i++)
        if (stream->channels[i].watcher != NULL)
            watcher_on_drain(stream->channels[i].watcher);
}

static void free_watchers(struct race_stream *stream)
{
    for (size_t i = 0; i < stream->count; i++)
        watcher_free(stream->channels[i].watcher);
}

static void on_client_gone(void *arg)
{
    struct race_stream *stream = arg;
    free_watchers(stream);
    stream->on_gone(stream->arg);
    stream_free(stream);
}

static int watch(struct race_stream *stream, struct watcher_hub *hub, struct execution *const *executions, struct err *err)
{
    for (size_t i = 0; i < stream->count; i++) {
        struct channel     *channel = &stream->channels[i];
        struct watcher_sink sink    = {on_write, on_end, channel, NULL};
        *channel                    = (struct channel){.stream = stream, .index = i};
        channel->watcher            = watcher_new(hub, execution_track(executions[i]), WATCHER_NDJSON, NULL, &sink, err);
        if (channel->watcher == NULL)
            return -1;
    }
    return 0;
}

struct race_stream *race_stream_begin(struct watcher_hub *hub, struct execution *const *executions, size_t count,
                                      struct http_request *request, void (*on_gone)(void *arg), void *arg, struct err *err)
{
    struct race_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        (void)err_set(err, ENOMEM, "no memory for a stream");
        return NULL;
    }
    stream->format  = watcher_http_format(request);
    stream->count   = count;
    stream->left    = count;
    stream->on_gone = on_gone;
    stream->arg     = arg;
    (void)snprintf(stream->session, sizeof stream->session, "%s", execution_session_text(executions[0]));
    if (watch(stream, hub, executions, err) < 0) {
        free_watchers(stream);
        stream_free(stream);
        return NULL;
    }
    http_request_add_header(request, "Cache-Control", "no-cache");
    http_request_add_header(request, "X-Accel-Buffering", "no");
    stream->http = http_stream_begin(request, 200, stream->format == WATCHER_SSE ? "text/event-stream" : "application/x-ndjson");
    http_stream_set_callbacks(stream->http, WATCHER_LOW_BYTES, on_drain, on_client_gone, stream);
    return stream;
}

void race_stream_end(struct race_stream *stream, json_t *data)
{
    stream->last = data;
    end_if_whole(stream);
}
