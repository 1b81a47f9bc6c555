#define _GNU_SOURCE
#include "compat_e2b_stream.h"

#include <stdlib.h>

#include "api_error.h"
#include "watcher.h"

/* A run and the one who reads what it says. */
struct reader {
    struct server                  *server;
    struct id                       sandbox, execution;
    struct http_stream             *stream;
    struct watcher                 *watcher;
    const struct compat_e2b_teller *teller;
    void                           *state;
};

static void reader_free(struct reader *reader)
{
    reader->teller->free(reader->state);
    free(reader);
}

/* For want of memory: a line that is missing must be noticed. */
static void break_off(struct reader *reader)
{
    http_stream_cut(reader->stream);
    watcher_free(reader->watcher);
    reader_free(reader);
}

static size_t on_write(const char *data, size_t length, struct bytes_shared *owner, void *arg)
{
    struct reader *reader = arg;
    struct bytes   out    = {0};
    size_t         waiting;

    (void)owner;
    if (!reader->teller->add(reader->state, data, length, &out)) {
        bytes_done(&out);
        break_off(reader);
        return 0;
    }
    waiting = out.length > 0 ? http_stream_write(reader->stream, out.data, out.length) : http_stream_pending(reader->stream);
    bytes_done(&out);
    return waiting;
}

/* The run of a sandbox that was ended meanwhile has no end: its connection is broken. */
static void on_end(bool whole, void *arg)
{
    struct reader *reader = arg;
    if (whole && sessions_find(server_sessions(reader->server), &reader->sandbox) != NULL)
        http_stream_end(reader->stream);
    else
        http_stream_cut(reader->stream);
    reader_free(reader);
}

static void on_drain(void *arg)
{
    watcher_on_drain(((struct reader *)arg)->watcher);
}

/* The client's own timeout: the next run must not wait for this one. */
static void on_gone(void *arg)
{
    struct reader    *reader    = arg;
    struct execution *execution = sessions_find_execution(server_sessions(reader->server), &reader->execution);

    watcher_free(reader->watcher);
    if (execution != NULL && reader->teller->interrupts)
        execution_interrupt(execution);
    reader_free(reader);
}

static struct reader *reader_new(struct server *server, const struct session *sandbox, const struct execution *execution,
                                 const struct compat_e2b_teller *teller, void *state)
{
    struct reader *reader = state != NULL ? calloc(1, sizeof *reader) : NULL;
    if (reader != NULL)
        *reader = (struct reader){
            .server = server, .sandbox = *session_id(sandbox), .execution = *execution_id(execution), .teller = teller, .state = state};
    else
        teller->free(state);
    return reader;
}

void compat_e2b_stream(struct http_request *request, struct server *server, const struct session *sandbox, struct session *session,
                       struct execution *execution, const struct compat_e2b_teller *teller, void *state)
{
    struct reader      *reader = reader_new(server, sandbox, execution, teller, state);
    struct watcher_sink sink   = {on_write, on_end, reader, NULL};
    struct err          err    = {.message = "no memory for the stream"};

    event_log_flush(session_log(session));
    if (reader != NULL)
        reader->watcher = watcher_new(server_watchers(server), execution_track(execution), WATCHER_NDJSON, NULL, &sink, &err);
    if (reader == NULL || reader->watcher == NULL) {
        if (reader != NULL)
            reader_free(reader);
        execution_interrupt(execution);
        api_error_unavailable(request, "STREAM_FAILED", err.message);
        return;
    }
    http_request_add_header(request, "X-Accel-Buffering", "no");
    reader->stream = http_stream_begin(request, 200, teller->content_type);
    http_stream_set_callbacks(reader->stream, WATCHER_LOW_BYTES, on_drain, on_gone, reader);
}
