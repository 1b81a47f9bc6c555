/*
 * file_upload.h: one file on its way into a session's workspace: written under a name of its own, then put in its place in one step, so
 * that nobody sees half of it, and nothing is lost when it does not come to its end.
 */
#ifndef PENNY_FILE_UPLOAD_H
#define PENNY_FILE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "policies.h"
#include "session.h"

struct file_upload;

enum upload_event {
    UPLOAD_READY,  /* file_upload_write() may be called */
    UPLOAD_DONE,   /* it is in its place */
    UPLOAD_FAILED, /* nothing is left of it; `error` says why: EFBIG, ENOSPC, EISDIR, ... */
};

/* May call file_upload_free(). */
typedef void (*upload_on_event)(struct file_upload *upload, enum upload_event event, int error, void *arg);

/*
 * path is one that file_path_fault() finds none in. must_be_new: EEXIST when it is there already. expected: how many bytes will come, 0 when
 * not known. on_event is never called before this returns. Returns NULL with err filled.
 */
struct file_upload *file_upload_new(struct session *session, const struct policies *policies, const char *path, bool must_be_new,
                                    uint64_t expected, upload_on_event on_event, void *arg, struct err *err);
/* NULL is fine. One that is not DONE leaves nothing behind. */
void file_upload_free(struct file_upload *upload);

/* Returns 0, or an errno value: then it is to be freed. */
int file_upload_write(struct file_upload *upload, const void *data, size_t length);
/* All has been written: DONE or FAILED follows. */
void file_upload_finish(struct file_upload *upload);

const char *file_upload_path(const struct file_upload *upload);
uint64_t    file_upload_size(const struct file_upload *upload);
bool        file_upload_replaced(const struct file_upload *upload); /* after DONE: there was one before */

#endif
