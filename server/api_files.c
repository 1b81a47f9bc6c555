#define _GNU_SOURCE
#include "api_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_error.h"
#include "fdio.h"
#include "file_download.h"
#include "file_error.h"
#include "file_list.h"
#include "file_path.h"
#include "file_range.h"
#include "json.h"
#include "metrics.h"
#include "server.h"
#include "session_files.h"

enum { DEPTH_DEFAULT = 1, DISPOSITION_BYTES = 1200 };

/* A request that waits for init. */
struct asking {
    struct server       *server;
    struct http_request *request;
    struct session      *session;
    struct file_order    order;
    char                 path[FILE_PATH_BYTES];
};

static void on_client_gone(void *arg)
{
    struct asking *asking = arg;
    session_files_forget(asking->session, asking);
    free(asking);
}

/* NULL: the request has been answered. */
static struct asking *asking_new(struct server *server, struct http_request *request, const char *path, bool may_be_empty)
{
    struct session *session = api_session_of(request, server_sessions(server));
    const char     *fault   = session != NULL ? file_path_fault(path, strlen(path), may_be_empty) : NULL;
    struct asking  *asking;
    char            message[FILE_MESSAGE_BYTES];

    if (session == NULL)
        return NULL;
    if (fault != NULL) {
        (void)snprintf(message, sizeof message, "The path %s", fault);
        http_reply_error(request, 400, "INVALID_PATH", message, NULL, 0);
        return NULL;
    }
    if (file_rules_hide(&server_policies(server)->file_rules, path)) {
        metrics_deny(METRICS_DENIED_FILES);
        http_reply_error(request, 403, "FILE_FORBIDDEN", "The policy keeps hidden files from clients", NULL, 0);
        return NULL;
    }
    asking = api_wait(request, sizeof *asking, on_client_gone);
    if (asking == NULL)
        return NULL;
    asking->server  = server;
    asking->request = request;
    asking->session = session;
    (void)snprintf(asking->path, sizeof asking->path, "%s", path);
    asking->order.path = asking->path;
    return asking;
}

/* Asks init; if it can't be asked, that is the answer, and `asking` is gone. */
static void ask(struct asking *asking, files_on_answer on_answer)
{
    struct err err = {0};
    if (session_files_ask(asking->session, &asking->order, on_answer, asking, &err) == 0)
        return;
    http_request_on_gone(asking->request, NULL, NULL);
    file_error_refused(asking->request, &err, asking->path, server_policies(asking->server));
    free(asking);
}

/* True when init could not do it: the request has been answered and `asking` is gone. */
static bool has_failed(struct asking *asking, const struct file_answer *answer)
{
    int error = answer->error;

    http_request_on_gone(asking->request, NULL, NULL);
    if (error == 0)
        return false;
    if (error == ENOTDIR && asking->order.operation != FILE_LIST)
        error = ENOENT; /* what lies below a file is not there */
    file_error_reply(asking->request, error, asking->path, server_policies(asking->server));
    free(asking);
    return true;
}

/* ---- list ---- */

static void on_listed(const struct file_answer *answer, void *arg)
{
    struct asking *asking = arg;
    int            fd     = answer->fd;
    json_t        *list;

    if (has_failed(asking, answer))
        return;
    list = file_list_write(asking->path, answer->reply, fd, &server_policies(asking->server)->file_rules);
    fdio_close(&fd);
    if (list != NULL)
        http_reply_json(asking->request, 200, list);
    else
        api_error_unavailable(asking->request, "NO_MEMORY", "No memory for the list");
    free(asking);
}

static void on_stat(const struct file_answer *answer, void *arg)
{
    struct asking *asking = arg;
    if (has_failed(asking, answer))
        return;
    http_reply_json(asking->request, 200, file_list_write_one(asking->path, answer->reply));
    free(asking);
}

void api_files_list(struct http_request *request, void *context)
{
    const char       *path  = http_request_query(request, "path");
    struct json_check check = JSON_CHECK_INIT;
    int64_t           depth = DEPTH_DEFAULT;
    struct asking    *asking;

    (void)json_text_integer(&check, "depth", http_request_query(request, "depth"), 0, FILE_DEPTH_MAX, &depth);
    if (json_check_reply(&check, request))
        return;
    asking = asking_new(context, request, path == NULL || strcmp(path, ".") == 0 || strcmp(path, "/") == 0 ? "" : path, true);
    if (asking == NULL)
        return;
    asking->order.operation = depth > 0 ? FILE_LIST : FILE_STAT;
    asking->order.depth     = (unsigned)depth;
    ask(asking, depth > 0 ? on_listed : on_stat);
}

/* ---- get ---- */

static char *put_encoded(char *to, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    *to = '\0';
    return to;
}

/* To be saved under its name, never shown: a browser must not run what a session wrote. */
static void add_disposition(struct http_request *request, const char *name)
{
    char text[DISPOSITION_BYTES] = "attachment; filename=\"", *to = text + strlen(text);

    for (const char *from = name; *from != '\0'; from++) {
        unsigned char c = (unsigned char)*from;
        *to++           = c < ' ' || c >= 127 || c == '"' || c == '\\' || c == '%' ? '_' : (char)c;
    }
    to = stpcpy(to, "\"; filename*=UTF-8''");
    (void)put_encoded(to, name);
    http_request_add_header(request, "Content-Disposition", text);
}

static void add_headers(struct http_request *request, const char *path, const struct control_file_reply *file, const char *tag)
{
    char date[FILE_DATE_BYTES];
    file_range_date(file->modified_ns, date);
    http_request_add_header(request, "ETag", tag);
    http_request_add_header(request, "Last-Modified", date);
    http_request_add_header(request, "Accept-Ranges", "bytes");
    http_request_add_header(request, "Cache-Control", "private, no-cache");
    http_request_add_header(request, "Content-Security-Policy", "default-src 'none'; sandbox");
    http_request_add_header(request, "Cross-Origin-Resource-Policy", "same-origin");
    add_disposition(request, file_path_name(path));
}

static bool is_unchanged(const struct http_request *request, const struct control_file_reply *file, const char *tag)
{
    const char *tags = http_request_header(request, "If-None-Match");
    int64_t     since;
    if (tags != NULL)
        return file_range_has_tag(tags, tag, false);
    since = file_range_parse_date(http_request_header(request, "If-Modified-Since"));
    return since >= 0 && file->modified_ns / 1000000000 <= since;
}

static enum file_range range_of(const struct http_request *request, const char *tag, uint64_t size, uint64_t *ret_from,
                                uint64_t *ret_length)
{
    const char *condition = http_request_header(request, "If-Range");
    *ret_from             = 0;
    *ret_length           = size;
    if (http_request_method(request) != HTTP_GET || (condition != NULL && !file_range_has_tag(condition, tag, true)))
        return FILE_RANGE_NONE;
    return file_range_read(http_request_header(request, "Range"), size, ret_from, ret_length);
}

static void reply_unsatisfiable(struct http_request *request, uint64_t size)
{
    char text[64];
    (void)snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)size);
    http_request_add_header(request, "Content-Range", text);
    http_reply_error(request, 416, "RANGE_NOT_SATISFIABLE", "The file ends before the range begins", NULL, 0);
}

static void send_file(struct asking *asking, const struct control_file_reply *file, int fd, const char *tag)
{
    struct http_request *request = asking->request;
    uint64_t             from, length;
    enum file_range      range = range_of(request, tag, file->size, &from, &length);
    char                 text[96];

    if (range == FILE_RANGE_UNSATISFIABLE) {
        fdio_close(&fd);
        reply_unsatisfiable(request, file->size);
        return;
    }
    add_headers(request, asking->path, file, tag);
    if (range == FILE_RANGE_PART) {
        (void)snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)from, (unsigned long long)(from + length - 1),
                       (unsigned long long)file->size);
        http_request_add_header(request, "Content-Range", text);
    }
    file_download_start(asking->session, request, range == FILE_RANGE_PART ? 206 : 200, fd, from, length);
}

static void on_opened(const struct file_answer *answer, void *arg)
{
    struct asking  *asking = arg;
    int             fd     = answer->fd;
    char            tag[FILE_TAG_BYTES];
    struct timespec now;

    if (has_failed(asking, answer))
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    file_range_tag(answer->reply, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, tag);
    if (is_unchanged(asking->request, answer->reply, tag)) {
        fdio_close(&fd);
        add_headers(asking->request, asking->path, answer->reply, tag);
        http_reply_bytes(asking->request, 304, "application/octet-stream", "", 0);
    } else {
        send_file(asking, answer->reply, fd, tag);
    }
    free(asking);
}

void api_files_get(struct http_request *request, void *context)
{
    struct asking *asking = asking_new(context, request, http_request_parameter(request, 1), false);
    if (asking == NULL)
        return;
    asking->order.operation = FILE_OPEN;
    ask(asking, on_opened);
}

/* ---- delete ---- */

static void on_removed(const struct file_answer *answer, void *arg)
{
    struct asking *asking = arg;
    if (answer->error == EAGAIN && (asking->order.flags & FILE_TREE) != 0) { /* in turns, so that init can do other things between them */
        ask(asking, on_removed);
        return;
    }
    if (has_failed(asking, answer))
        return;
    http_reply_json(asking->request, 200, json_pack("{s:b, s:s}", "success", 1, "path", asking->path));
    free(asking);
}

void api_files_delete(struct http_request *request, void *context)
{
    static const char *const choices[] = {"false", "true", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    size_t                   recursive = 0;
    struct asking           *asking;

    (void)json_text_choice(&check, "recursive", http_request_query(request, "recursive"), choices, &recursive);
    if (json_check_reply(&check, request) || (asking = asking_new(context, request, http_request_parameter(request, 1), false)) == NULL)
        return;
    asking->order.operation = FILE_REMOVE;
    asking->order.flags     = recursive != 0 ? FILE_TREE : 0;
    ask(asking, on_removed);
}
