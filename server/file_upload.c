#define _GNU_SOURCE
#include "file_upload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fdio.h"
#include "session_files.h"

struct file_upload {
    struct session   *session; /* NULL: its jail is gone */
    struct files_user user;
    bool              must_be_new, made, done, replaced;
    int               fd;
    uint64_t          limit;     /* of the file */
    uint64_t          room;      /* of the workspace when it began, where the kernel does not hold it; else UINT64_MAX */
    uint64_t         *uploading; /* by all uploads of the session */
    uint64_t          size, expected;
    uint64_t          storage_bytes;
    uint64_t          entries_max;
    upload_on_event   on_event;
    void             *arg;
    char              path[FILE_PATH_BYTES], name[64];
};

static void fail(struct file_upload *upload, int error)
{
    upload->on_event(upload, UPLOAD_FAILED, error, upload->arg);
}

static void on_jail_end(void *arg)
{
    struct file_upload *upload = arg;
    upload->session            = NULL;
    fail(upload, ESHUTDOWN);
}

/* Returns whether it could be asked; if not the upload has failed. */
static bool ask(struct file_upload *upload, const struct file_order *order, files_on_answer on_answer)
{
    struct err err;
    if (session_files_ask(upload->session, order, on_answer, upload, &err) == 0)
        return true;
    fail(upload, err.code);
    return false;
}

static void on_created(const struct file_answer *answer, void *arg)
{
    struct file_upload *upload = arg;
    if (answer->error == ESHUTDOWN)
        return; /* on_jail_end follows */
    upload->fd   = answer->fd;
    upload->made = answer->error == 0 || answer->error == ETIMEDOUT;
    if (answer->error != 0)
        fail(upload, answer->error);
    else
        upload->on_event(upload, UPLOAD_READY, 0, upload->arg);
}

/* Where the kernel holds the quota it says what is left; elsewhere what was counted is held against the limits here. */
static bool has_room(struct file_upload *upload, const struct control_file_reply *usage)
{
    if (usage->bytes_left != UINT64_MAX)
        return usage->entries_left > 0 && upload->expected <= usage->bytes_left;
    if (usage->entries >= upload->entries_max || usage->size >= upload->storage_bytes)
        return false;
    upload->room = upload->storage_bytes - usage->size;
    return upload->expected <= upload->room;
}

static void on_usage(const struct file_answer *answer, void *arg)
{
    struct file_upload *upload = arg;
    struct file_order   order  = {.operation = FILE_CREATE, .path = upload->name};
    if (answer->error == ESHUTDOWN)
        return;
    if (answer->error != 0)
        fail(upload, answer->error);
    else if (!has_room(upload, answer->reply))
        fail(upload, ENOSPC);
    else
        (void)ask(upload, &order, on_created);
}

/* One that the session's program can't foresee. */
static int make_name(struct file_upload *upload, struct err *err)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return err_errno(err, "getrandom");
    (void)snprintf(upload->name, sizeof upload->name, FILE_UPLOAD_PREFIX "%016" PRIx64, random);
    return 0;
}

struct file_upload *file_upload_new(struct session *session, const struct policies *policies, const char *path, bool must_be_new,
                                    uint64_t expected, upload_on_event on_event, void *arg, struct err *err)
{
    struct file_order   order = {.operation = FILE_USAGE};
    struct session_info info;
    struct file_upload *upload = calloc(1, sizeof *upload);

    if (upload == NULL) {
        (void)err_set(err, ENOMEM, "no memory for an upload");
        return NULL;
    }
    session_get_info(session, &info);
    *upload =
        (struct file_upload){.session       = session,
                             .user          = {.on_end = on_jail_end, .arg = upload},
                             .must_be_new   = must_be_new,
                             .fd            = -1,
                             .limit         = policies->file_bytes,
                             .room          = UINT64_MAX,
                             .uploading     = session_files_uploading(session),
                             .expected      = expected,
                             .storage_bytes = info.limits.workspace_bytes != 0 ? info.limits.workspace_bytes : policies->storage_bytes,
                             .entries_max   = (uint64_t)policies->files + policies->directories,
                             .on_event      = on_event,
                             .arg           = arg};
    (void)snprintf(upload->path, sizeof upload->path, "%s", path);
    if (make_name(upload, err) < 0 || session_files_ask(session, &order, on_usage, upload, err) < 0) {
        free(upload);
        return NULL;
    }
    session_files_add_user(session, &upload->user);
    return upload;
}

void file_upload_free(struct file_upload *upload)
{
    struct file_order order = {.operation = FILE_REMOVE};
    struct err        err;

    if (upload == NULL)
        return;
    fdio_close(&upload->fd);
    if (upload->session != NULL) {
        order.path = upload->name;
        session_files_forget(upload->session, upload);
        session_files_remove_user(upload->session, &upload->user);
        *upload->uploading -= upload->size;
        if (upload->made && !upload->done)
            (void)session_files_ask(upload->session, &order, NULL, NULL, &err); /* if it can't be asked, the jail is at its end */
    }
    free(upload);
}

int file_upload_write(struct file_upload *upload, const void *data, size_t length)
{
    const char *from = data;

    if (length > upload->limit - upload->size)
        return EFBIG;
    if (upload->room != UINT64_MAX && length > upload->room - (*upload->uploading < upload->room ? *upload->uploading : upload->room))
        return ENOSPC;
    while (length > 0) {
        ssize_t n = pwrite(upload->fd, from, length, (off_t)upload->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        from += n;
        length -= (size_t)n;
        upload->size += (uint64_t)n;
        *upload->uploading += (uint64_t)n;
    }
    return 0;
}

static void on_renamed(const struct file_answer *answer, void *arg)
{
    struct file_upload *upload = arg;
    if (answer->error == ESHUTDOWN)
        return;
    if (answer->error != 0) {
        fail(upload, answer->error);
        return;
    }
    upload->done     = true;
    upload->replaced = answer->reply->replaced != 0;
    session_files_note_upload(upload->session, upload->path);
    upload->on_event(upload, UPLOAD_DONE, 0, upload->arg);
}

void file_upload_finish(struct file_upload *upload)
{
    struct file_order order = {.operation = FILE_RENAME,
                               .flags     = FILE_PARENTS | (upload->must_be_new ? FILE_NEW : 0),
                               .path      = upload->name,
                               .other     = upload->path};
    fdio_close(&upload->fd);
    (void)ask(upload, &order, on_renamed);
}

const char *file_upload_path(const struct file_upload *upload)
{
    return upload->path;
}

uint64_t file_upload_size(const struct file_upload *upload)
{
    return upload->size;
}

bool file_upload_replaced(const struct file_upload *upload)
{
    return upload->replaced;
}
