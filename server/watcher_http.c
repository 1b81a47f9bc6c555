#include "watcher_http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

/* The reader: a stream and the watcher that feeds it. */
struct reader {
    struct http_stream *stream;
    struct watcher     *watcher;
    struct evbuffer    *shared; /* carries shared bytes into the stream; always empty between calls */
    void (*on_gone)(void *arg);
    void *arg;
};

enum watcher_format watcher_http_format(const struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");
    const char *ndjson, *sse;

    if (accept == NULL)
        return WATCHER_SSE;
    ndjson = strcasestr(accept, "application/x-ndjson");
    if (ndjson == NULL)
        ndjson = strcasestr(accept, "application/jsonl");
    sse = strcasestr(accept, "text/event-stream");
    return ndjson != NULL && (sse == NULL || ndjson < sse) ? WATCHER_NDJSON : WATCHER_SSE;
}

const char *watcher_http_after(const struct http_request *request)
{
    const char *after = http_request_header(request, "Last-Event-ID");
    return after != NULL ? after : http_request_query(request, "after");
}

static void free_reader(struct reader *reader)
{
    evbuffer_free(reader->shared);
    free(reader);
}

static void unref_shared(const void *data, size_t length, void *owner)
{
    (void)data;
    (void)length;
    bytes_shared_unref(owner);
}

static size_t on_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    struct reader *reader = arg;

    if (owner != NULL && evbuffer_add_reference(reader->shared, data, length, unref_shared, bytes_shared_ref(owner)) == 0)
        return http_stream_write_buffer(reader->stream, reader->shared);
    if (owner != NULL)
        bytes_shared_unref(owner);
    return http_stream_write(reader->stream, data, length);
}

static void on_last(void *arg)
{
    http_stream_last(((struct reader *)arg)->stream);
}

static void on_end(bool whole, void *arg)
{
    struct reader *reader = arg;

    (void)whole; /* a stream without its terminal event ends here too; the client comes back and is told why */
    http_stream_end(reader->stream);
    free_reader(reader);
}

static void on_drain(void *arg)
{
    watcher_on_drain(((struct reader *)arg)->watcher);
}

static void on_gone(void *arg)
{
    struct reader *reader = arg;
    void (*tell)(void *)  = reader->on_gone;
    void *told            = reader->arg;

    watcher_free(reader->watcher);
    free_reader(reader);
    if (tell != NULL)
        tell(told);
}

static struct reader *new_reader(void (*on_left)(void *arg), void *arg, struct err *err)
{
    struct reader *reader = calloc(1, sizeof *reader);

    if (reader != NULL)
        reader->shared = evbuffer_new();
    if (reader == NULL || reader->shared == NULL) {
        free(reader);
        (void)err_set(err, ENOMEM, "no memory for a watcher");
        return NULL;
    }
    reader->on_gone = on_left;
    reader->arg     = arg;
    return reader;
}

int watcher_http_start(struct watcher_hub *hub, struct event_track *track, struct http_request *request, void (*on_left)(void *arg),
                       void *arg, struct err *err)
{
    enum watcher_format format = watcher_http_format(request);
    struct reader      *reader = new_reader(on_left, arg, err);
    struct watcher_sink sink   = {on_write, on_end, reader, on_last};

    if (reader == NULL)
        return -1;
    reader->watcher = watcher_new(hub, track, format, watcher_http_after(request), &sink, err);
    if (reader->watcher == NULL) {
        free_reader(reader);
        return -1;
    }
    http_request_add_header(request, "Cache-Control", "no-cache");
    http_request_add_header(request, "X-Accel-Buffering", "no");
    reader->stream = http_stream_begin(request, 200, format == WATCHER_SSE ? "text/event-stream" : "application/x-ndjson");
    http_stream_set_callbacks(reader->stream, WATCHER_LOW_BYTES, on_drain, on_gone, reader);
    watcher_catch_up(reader->watcher); /* which may be the end of it */
    return 0;
}
