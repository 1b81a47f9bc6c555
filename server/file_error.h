/* file_error.h: what init's errno values mean to a client. */
#ifndef PENNY_FILE_ERROR_H
#define PENNY_FILE_ERROR_H

#include <stddef.h>

#include "err.h"
#include "http.h"
#include "policies.h"

enum { FILE_MESSAGE_BYTES = 384 };

struct file_error {
    int         status;
    const char *code; /* a constant */
    char        message[FILE_MESSAGE_BYTES];
};

/* `path` is what it was about. */
void file_error_describe(int error, const char *path, const struct policies *policies, struct file_error *ret);
/* Answers the request, which is dead afterwards. */
void file_error_reply(struct http_request *request, int error, const char *path, const struct policies *policies);
/* What session_files_ask or file_upload_new said. */
void file_error_refused(struct http_request *request, const struct err *err, const char *path, const struct policies *policies);

#endif
