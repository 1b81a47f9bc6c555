/*
 * session_export.h: what goes into a session's archive, gathered: the variables in a file that the session has written, the history, a
 * list of the files, and the manifest, which names what could not go. archive_send.h sends it.
 */
#ifndef PENNY_SESSION_EXPORT_H
#define PENNY_SESSION_EXPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "server.h"

struct export_file {
    char    *path; /* UTF-8 */
    uint32_t mode; /* as of stat(2): a regular file or a directory */
    uint64_t size; /* when it was listed */
    int64_t  modified_s;
};

struct session_export {
    struct id           session;
    json_t             *manifest;
    int                 variables_fd; /* -1: there are none */
    uint64_t            variables_bytes;
    struct bytes        history;
    struct export_file *files; /* by path, a directory before what is in it */
    size_t              file_count;
};

void session_export_free(struct session_export *export); /* NULL is fine */

/* Why there is none, for the answer. */
struct export_failure {
    int         status;
    const char *code; /* a constant; "SESSION_GONE": there is no such session any more */
    const char *message;
};

struct exporting;
/* `export` is the receiver's; or NULL and a failure. Called once, never before session_export_begin returns. */
typedef void (*export_on_end)(struct session_export *export, const struct export_failure *failure, void *arg);

/* Returns NULL with err when it can't be begun. */
struct exporting *session_export_begin(struct server *server, struct session *session, export_on_end on_end, void *arg, struct err *err);
/* Who asked has left: on_end is not called. What was begun comes to its end by itself. */
void session_export_forget(struct exporting *exporting);

#endif
