#define _GNU_SOURCE
#include "compat_files.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base64.h"
#include "fdio.h"
#include "session_files.h"

struct compat_files {
    struct session   *session; /* NULL: its jail is gone */
    struct files_user user;
    json_t           *artifacts, *files, *omitted;
    size_t            next;
    uint64_t          bytes;
    bool              asks;
    struct event      turn;
    compat_on_files   on_files;
    void             *arg;
};

static void reading_free(struct compat_files *reading)
{
    if (reading->session != NULL)
        session_files_remove_user(reading->session, &reading->user);
    (void)evtimer_del(&reading->turn);
    json_decref(reading->artifacts);
    json_decref(reading->files);
    json_decref(reading->omitted);
    free(reading);
}

void compat_files_cancel(struct compat_files *reading)
{
    if (reading == NULL)
        return;
    if (reading->asks && reading->session != NULL)
        session_files_forget(reading->session, reading);
    reading_free(reading);
}

static void on_jail_end(void *arg)
{
    ((struct compat_files *)arg)->session = NULL;
}

/* Every step is one turn of the loop, so that others have theirs. */
static void go_on(struct compat_files *reading)
{
    static const struct timeval at_once;
    (void)evtimer_add(&reading->turn, &at_once);
}

static const char *path_of(const struct compat_files *reading)
{
    return json_string_value(json_object_get(json_array_get(reading->artifacts, reading->next), "path"));
}

static void omit(struct compat_files *reading)
{
    (void)json_array_append(reading->omitted, json_object_get(json_array_get(reading->artifacts, reading->next), "path"));
}

/* The whole file, or false: it is longer than what may be read, or can't be. */
static bool read_whole(int fd, uint64_t room, struct bytes *content)
{
    for (;;) {
        char   *to = bytes_reserve(content, 65536);
        ssize_t n  = to != NULL ? read(fd, to, 65536) : -1;
        if (n == 0)
            return true;
        if (n < 0 && to != NULL && errno == EINTR)
            continue;
        if (n < 0 || content->length + (size_t)n > room)
            return false;
        content->length += (size_t)n;
    }
}

static bool add(struct compat_files *reading, int fd)
{
    const json_t *artifact = json_array_get(reading->artifacts, reading->next);
    struct bytes  content = {0}, text = {0};
    bool          fine = read_whole(fd, COMPAT_FILES_BYTES - reading->bytes, &content) &&
                base64_encode(content.length > 0 ? content.data : "", content.length, &text);
    json_t *file = fine ? json_pack("{s:O, s:s%, s:O}", "path", json_object_get(artifact, "path"), "content",
                                    text.length > 0 ? text.data : "", text.length, "mime", json_object_get(artifact, "mime"))
                        : NULL;
    reading->bytes += file != NULL ? content.length : 0;
    bytes_done(&content);
    bytes_done(&text);
    return file != NULL && json_array_append_new(reading->files, file) == 0;
}

static void on_opened(const struct file_answer *answer, void *arg)
{
    struct compat_files *reading = arg;
    int                  fd      = answer->fd;

    reading->asks = false;
    if (answer->error != 0 || fd < 0 || !add(reading, fd))
        omit(reading);
    fdio_close(&fd);
    reading->next++;
    go_on(reading);
}

static bool ask(struct compat_files *reading)
{
    struct file_order order = {.operation = FILE_OPEN, .path = path_of(reading)};
    struct err        err   = {0};
    return reading->session != NULL && order.path != NULL && session_files_ask(reading->session, &order, on_opened, reading, &err) == 0;
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct compat_files *reading = arg;
    (void)fd;
    (void)what;
    if (reading->next == json_array_size(reading->artifacts)) {
        reading->on_files(reading->files, reading->omitted, reading->arg);
        reading_free(reading);
        return;
    }
    reading->asks = true;
    if (ask(reading))
        return;
    reading->asks = false;
    omit(reading);
    reading->next++;
    go_on(reading);
}

struct compat_files *compat_files_read(struct session *session, const json_t *artifacts, compat_on_files on_files, void *arg)
{
    struct compat_files *reading = calloc(1, sizeof *reading);

    if (reading == NULL)
        return NULL;
    *reading      = (struct compat_files){.session   = session,
                                          .artifacts = artifacts != NULL ? json_incref((json_t *)artifacts) : json_array(),
                                          .files     = json_array(),
                                          .omitted   = json_array(),
                                          .on_files  = on_files,
                                          .arg       = arg};
    reading->user = (struct files_user){.on_end = on_jail_end, .arg = reading};
    session_files_add_user(session, &reading->user);
    (void)evtimer_assign(&reading->turn, session_files_base(session), on_turn, reading);
    go_on(reading);
    return reading;
}
