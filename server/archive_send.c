#define _GNU_SOURCE
#include "archive_send.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api_error.h"
#include "archive.h"
#include "fdio.h"
#include "json.h"
#include "session_files.h"

enum { SLICE_BYTES = 128 * 1024, LOW_WATER = 64 * 1024 };

struct sending {
    struct server         *server;
    struct session        *session; /* NULL: its jail is gone */
    struct files_user      user;
    struct http_stream    *stream; /* NULL: the client is gone */
    struct session_export *gathered;
    struct event           turn;
    json_t                *omitted; /* since the manifest was written */
    size_t                 next;    /* of the files */
    int                    fd;      /* of what is being sent; -1: nothing */
    uint64_t               at, size;
    uint64_t               room; /* of the archive's limit, for what has grown */
    bool                   asking, has_ended;
};

static void sending_free(struct sending *sending)
{
    if (sending->session != NULL) {
        session_files_forget(sending->session, sending);
        session_files_remove_user(sending->session, &sending->user);
    }
    (void)evtimer_del(&sending->turn);
    fdio_close(&sending->fd);
    session_export_free(sending->gathered);
    json_decref(sending->omitted);
    free(sending);
}

static void on_client_gone(void *arg)
{
    sending_free(arg);
}

static void cut(struct sending *sending)
{
    http_stream_cut(sending->stream);
    sending_free(sending);
}

static void on_jail_end(void *arg)
{
    struct sending *sending = arg;
    sending->session        = NULL;
    cut(sending);
}

static void send_more(struct sending *sending);

/* What comes next: when the client has taken this, or after all others had their turn. */
static void wait_for_turn(struct sending *sending, size_t pending)
{
    static const struct timeval at_once;
    if (pending <= LOW_WATER)
        (void)evtimer_add(&sending->turn, &at_once);
}

/* `out` is taken over. */
static void put(struct sending *sending, struct bytes *out, bool fine)
{
    size_t pending = fine ? http_stream_write(sending->stream, out->data, out->length) : 0;
    bytes_done(out);
    if (fine)
        wait_for_turn(sending, pending);
    else
        cut(sending);
}

static void on_drain(void *arg)
{
    struct sending *sending = arg;
    if (!sending->asking)
        send_more(sending);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_more(arg);
}

static void send_slice(struct sending *sending)
{
    static char  slice[SLICE_BYTES];
    uint64_t     left = sending->size - sending->at;
    size_t       want = left < SLICE_BYTES ? (size_t)left : SLICE_BYTES;
    struct bytes out  = {0};
    ssize_t      n    = 0;

    do
        n = want > 0 ? pread(sending->fd, slice, want, (off_t)sending->at) : 0;
    while (n < 0 && errno == EINTR);
    if (n <= 0 && want > 0) {
        cut(sending);
        return;
    }
    sending->at += (uint64_t)n;
    if (sending->at < sending->size) {
        wait_for_turn(sending, http_stream_write(sending->stream, slice, (size_t)n));
        return;
    }
    fdio_close(&sending->fd);
    put(sending, &out, bytes_append(&out, slice, (size_t)n) && archive_put_padding(&out, sending->size));
}

/* fd is the sending's. */
static void begin_content(struct sending *sending, const struct archive_entry *entry, int fd)
{
    struct bytes out = {0};
    sending->fd      = fd;
    sending->at      = 0;
    sending->size    = entry->size;
    put(sending, &out, archive_put_head(&out, entry));
}

/* ---- files ---- */

static void leave_out(struct sending *sending, const char *reason)
{
    const struct export_file *file = &sending->gathered->files[sending->next - 1];
    (void)json_array_append_new(sending->omitted,
                                json_pack("{s:s, s:s, s:s, s:s}", "kind", "file", "name", file->path, "type", "file", "reason", reason));
    wait_for_turn(sending, 0);
}

static void on_opened(const struct file_answer *answer, void *arg)
{
    struct sending           *sending = arg;
    const struct export_file *file    = &sending->gathered->files[sending->next - 1];
    struct archive_entry      entry   = {"files/", file->path, ARCHIVE_FILE, file->mode, 0, file->modified_s};
    int                       fd      = answer->fd;

    sending->asking = false;
    if (answer->error == ESHUTDOWN)
        return; /* on_jail_end follows */
    if (answer->error != 0) {
        leave_out(sending, strerror(answer->error));
        return;
    }
    entry.size = answer->reply->size;
    if (entry.size > file->size && entry.size - file->size > sending->room) {
        fdio_close(&fd);
        leave_out(sending, "it has grown too large for the archive");
        return;
    }
    sending->room -= entry.size > file->size ? entry.size - file->size : 0;
    begin_content(sending, &entry, fd);
}

static void send_file(struct sending *sending)
{
    const struct export_file  *file  = &sending->gathered->files[sending->next++];
    const struct archive_entry entry = {"files/", file->path, ARCHIVE_DIRECTORY, 0755, 0, file->modified_s};
    const struct file_order    order = {.operation = FILE_OPEN, .path = file->path};
    struct bytes               out   = {0};
    struct err                 err   = {0};

    if (S_ISDIR(file->mode)) {
        put(sending, &out, archive_put_head(&out, &entry));
        return;
    }
    sending->asking = true;
    if (session_files_ask(sending->session, &order, on_opened, sending, &err) < 0) {
        sending->asking = false;
        leave_out(sending, err.message);
    }
}

/* ---- the rest ---- */

static bool put_json(struct bytes *out, const char *name, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    bool  fine = text != NULL && archive_put(out, name, text, strlen(text), json_time_now() / 1000);
    free(text);
    return fine;
}

static void send_end(struct sending *sending)
{
    struct bytes out  = {0};
    json_t      *end  = json_pack("{s:O}", "omitted", sending->omitted);
    bool         fine = put_json(&out, "end.json", end) && archive_put_end(&out);
    json_decref(end);
    sending->has_ended = true;
    put(sending, &out, fine);
}

static void send_more(struct sending *sending)
{
    struct session_export *gathered = sending->gathered;
    struct archive_entry   entry    = {"", "variables.pickle", ARCHIVE_FILE, 0644, gathered->variables_bytes, json_time_now() / 1000};
    struct bytes           out      = {0};
    int                    fd       = gathered->variables_fd;

    if (sending->fd >= 0) {
        send_slice(sending);
    } else if (fd >= 0) {
        gathered->variables_fd = -1;
        begin_content(sending, &entry, fd);
    } else if (gathered->history.length > 0) {
        bool fine = archive_put(&out, "history.ipynb", gathered->history.data, gathered->history.length, entry.modified_s);
        bytes_done(&gathered->history);
        put(sending, &out, fine);
    } else if (sending->next < gathered->file_count) {
        send_file(sending);
    } else if (!sending->has_ended) {
        send_end(sending);
    } else {
        http_stream_end(sending->stream);
        sending_free(sending);
    }
}

void archive_send_start(struct server *server, struct session *session, struct http_request *request, struct session_export *gathered)
{
    struct sending *sending = calloc(1, sizeof *sending);
    struct bytes    out     = {0};
    json_t         *omitted = json_array();

    if (json_dumpb(gathered->manifest, NULL, 0, JSON_COMPACT) > ARCHIVE_MANIFEST_MAX) {
        free(sending);
        json_decref(omitted);
        session_export_free(gathered);
        http_reply_error(request, 413, "EXPORT_TOO_LARGE", "What the session has is too much to be listed in an archive", NULL, 0);
        return;
    }
    if (sending == NULL || omitted == NULL || !put_json(&out, "manifest.json", gathered->manifest)) {
        free(sending);
        json_decref(omitted);
        bytes_done(&out);
        session_export_free(gathered);
        api_error_unavailable(request, "NO_MEMORY", "No memory for an archive");
        return;
    }
    *sending = (struct sending){.server   = server,
                                .session  = session,
                                .user     = {.on_end = on_jail_end, .arg = sending},
                                .stream   = http_stream_begin(request, 200, "application/x-tar"),
                                .gathered = gathered,
                                .omitted  = omitted,
                                .fd       = -1,
                                .room     = server_policies(server)->archive_bytes};
    session_files_add_user(session, &sending->user);
    (void)evtimer_assign(&sending->turn, session_files_base(session), on_turn, sending);
    http_stream_set_callbacks(sending->stream, LOW_WATER, on_drain, on_client_gone, sending);
    put(sending, &out, true);
}
