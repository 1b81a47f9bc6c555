#define _GNU_SOURCE
#include "file_download.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "api_error.h"
#include "fdio.h"
#include "session_files.h"

enum { SLICE_BYTES = 128 * 1024, LOW_WATER = 64 * 1024 };

struct download {
    struct session     *session; /* NULL: its jail is gone */
    struct files_user   user;
    struct http_stream *stream;
    struct event        turn;
    int                 fd;
    uint64_t            at, left;
};

static void download_free(struct download *download)
{
    if (download->session != NULL)
        session_files_remove_user(download->session, &download->user);
    (void)evtimer_del(&download->turn);
    fdio_close(&download->fd);
    free(download);
}

static void on_client_gone(void *arg)
{
    download_free(arg);
}

static void cut(struct download *download)
{
    http_stream_cut(download->stream);
    download_free(download);
}

static void on_jail_end(void *arg)
{
    struct download *download = arg;
    download->session         = NULL;
    cut(download);
}

/* The next slice; then when the client has taken it, or after all others had their turn. */
static void send_slice(struct download *download)
{
    static const struct timeval at_once;
    static char                 slice[SLICE_BYTES];
    size_t                      want = download->left < SLICE_BYTES ? (size_t)download->left : SLICE_BYTES;
    ssize_t                     n;

    do
        n = pread(download->fd, slice, want, (off_t)download->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        cut(download);
        return;
    }
    download->at += (uint64_t)n;
    download->left -= (uint64_t)n;
    if (http_stream_write(download->stream, slice, (size_t)n) > LOW_WATER && download->left > 0)
        return; /* on_drain follows */
    if (download->left > 0) {
        (void)evtimer_add(&download->turn, &at_once);
        return;
    }
    http_stream_end(download->stream);
    download_free(download);
}

static void on_drain(void *arg)
{
    send_slice(arg);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_slice(arg);
}

void file_download_start(struct session *session, struct http_request *request, int status, int fd, uint64_t from, uint64_t length)
{
    static const struct timeval at_once;
    struct download            *download = length > 0 && http_request_method(request) != HTTP_HEAD ? calloc(1, sizeof *download) : NULL;

    if (length > 0 && http_request_method(request) != HTTP_HEAD && download == NULL) {
        fdio_close(&fd);
        api_error_unavailable(request, "NO_MEMORY", "No memory for the file");
        return;
    }
    if (download == NULL) {
        fdio_close(&fd);
        http_stream_end(http_stream_begin_sized(request, status, "application/octet-stream", length));
        return;
    }
    *download = (struct download){.session = session,
                                  .user    = {.on_end = on_jail_end, .arg = download},
                                  .stream  = http_stream_begin_sized(request, status, "application/octet-stream", length),
                                  .fd      = fd,
                                  .at      = from,
                                  .left    = length};
    session_files_add_user(session, &download->user);
    (void)evtimer_assign(&download->turn, session_files_base(session), on_turn, download);
    http_stream_set_callbacks(download->stream, LOW_WATER, on_drain, on_client_gone, download);
    (void)evtimer_add(&download->turn, &at_once);
}
