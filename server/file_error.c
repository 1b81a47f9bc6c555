#define _GNU_SOURCE
#include "file_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_error.h"
#include "metrics.h"
#include "text.h"

enum { SHOWN_BYTES = 200 /* of a path, in a message */ };

struct meaning {
    int         error, status;
    const char *code, *format; /* of a printf with the path */
};

static const struct meaning meanings[] = {
    {ENOENT, 404, "FILE_NOT_FOUND", "There is no '%.*s' in the session's workspace"},
    {ENOTDIR, 409, "NOT_A_DIRECTORY", "'%.*s' is not a directory, or lies below something that is none"},
    {EISDIR, 409, "IS_A_DIRECTORY", "'%.*s' is a directory"},
    {ENXIO, 422, "NOT_A_FILE", "'%.*s' is neither a file nor a directory"},
    {EEXIST, 412, "FILE_EXISTS", "'%.*s' exists"},
    {ENOTEMPTY, 409, "DIRECTORY_NOT_EMPTY", "The directory '%.*s' is not empty; ?recursive=true removes it with all that is in it"},
    {EXDEV, 403, "PATH_LEAVES_WORKSPACE", "'%.*s' leads out of the session's workspace"},
    {ELOOP, 403, "PATH_LEAVES_WORKSPACE", "'%.*s' is, or lies behind, a symbolic link that is not followed"},
    {EACCES, 403, "FILE_FORBIDDEN", "The permissions of '%.*s' forbid it"},
    {EPERM, 403, "FILE_FORBIDDEN", "The permissions of '%.*s' forbid it"},
    {ENAMETOOLONG, 422, "PATH_TOO_LONG", "'%.*s' is too long, or what is in it too deep"},
    {EINVAL, 400, "INVALID_PATH", "'%.*s' is not a path in the session's workspace"},
    {ETXTBSY, 409, "FILE_BUSY", "'%.*s' is being executed"},
    {EBUSY, 409, "FILE_BUSY", "'%.*s' is in use"},
    {EAGAIN, 503, "FILE_BUSY", "'%.*s' changes too fast to be looked at"},
    {ENOSPC, 507, "WORKSPACE_FULL", "The session's workspace has no room for '%.*s'"},
    {EDQUOT, 507, "WORKSPACE_FULL", "The session's workspace has no room for '%.*s'"},
    {ETIMEDOUT, 503, "SESSION_UNAVAILABLE", "The session did not answer about '%.*s' in time"},
    {ESHUTDOWN, 503, "SESSION_UNAVAILABLE", "The session's files are gone, '%.*s' among them: it ended, or its jail did"},
    {ENOMEM, 503, "NO_MEMORY", "No memory for '%.*s'"},
};

void file_error_describe(int error, const char *path, const struct policies *policies, struct file_error *ret)
{
    int shown = (int)text_cut(path, strlen(path), SHOWN_BYTES);

    if (error == EFBIG || error == ENOSPC || error == EDQUOT || error == EXDEV || error == ELOOP)
        metrics_deny(METRICS_DENIED_FILES);
    if (error == EFBIG) {
        ret->status = 413;
        ret->code   = "FILE_TOO_LARGE";
        (void)snprintf(ret->message, sizeof ret->message, "'%.*s' is larger than a file may be: %" PRIu64 " bytes", shown, path,
                       policies->file_bytes);
        return;
    }
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (meanings[i].error != error)
            continue;
        ret->status = meanings[i].status;
        ret->code   = meanings[i].code;
        (void)snprintf(ret->message, sizeof ret->message, meanings[i].format, shown, path);
        return;
    }
    ret->status = 500;
    ret->code   = "FILE_ERROR";
    (void)snprintf(ret->message, sizeof ret->message, "'%.*s': %s", shown, path, strerror(error));
}

void file_error_reply(struct http_request *request, int error, const char *path, const struct policies *policies)
{
    struct file_error described;
    file_error_describe(error, path, policies, &described);
    http_reply_error(request, described.status, described.code, described.message, NULL, described.status == 503 ? 1 : 0);
}

void file_error_refused(struct http_request *request, const struct err *err, const char *path, const struct policies *policies)
{
    if (err->code == ENOBUFS)
        api_error_busy(request, "QUEUE_FULL", err->message);
    else
        file_error_reply(request, err->code, path, policies);
}
