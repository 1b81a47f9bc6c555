#define _GNU_SOURCE
#include "compat_e2b_folder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "compat_e2b_path.h"
#include "compat_e2b_rpc.h"
#include "compat_e2b_run.h"
#include "fdio.h"
#include "file_error.h"
#include "file_list.h"
#include "file_path.h"
#include "json.h"
#include "metrics.h"
#include "session_files.h"

enum { PERMISSION_BITS = 07777 };

/* A request that waits for init. */
struct call {
    struct server       *server;
    struct http_request *request;
    struct session      *session;
    struct file_order    order;
    char                 path[FILE_PATH_BYTES + 1], other[FILE_PATH_BYTES + 1];
    const char          *given; /* borrowed from the request: what the answer's paths look like */
};

static void on_client_gone(void *arg)
{
    struct call *call = arg;
    session_files_forget(call->session, call);
    free(call);
}

/* ---- asking ---- */

static bool refuse(struct http_request *request, int status, const char *code, const char *message)
{
    http_reply_error(request, status, code, message, NULL, 0);
    return false;
}

/* Returns false when the request has been answered. */
static bool check_path(struct http_request *request, const struct policies *policies, const char *path, bool may_be_empty)
{
    const char *fault = file_path_fault(path, strlen(path), may_be_empty);
    char        message[FILE_MESSAGE_BYTES];

    if (fault != NULL) {
        (void)snprintf(message, sizeof message, "The path %s", fault);
        return refuse(request, 400, "INVALID_PATH", message);
    }
    if (file_rules_hide(&policies->file_rules, path)) {
        metrics_deny(METRICS_DENIED_FILES);
        return refuse(request, 403, "FILE_FORBIDDEN", "The policy keeps hidden files from clients");
    }
    return true;
}

/* Of the field, into `ret`. Returns false when the request has been answered. */
static bool read_path(struct http_request *request, const struct server *server, const char *field, bool may_be_empty,
                      const char **ret_given, char ret_path[FILE_PATH_BYTES + 1])
{
    struct json_check check = JSON_CHECK_INIT;
    *ret_given              = "";
    (void)json_field_string(&check, http_request_json(request), field, 0, FILE_PATH_BYTES, ret_given);
    if (json_check_reply(&check, request))
        return false;
    compat_e2b_path_copy(*ret_given, ret_path);
    return check_path(request, server_policies((struct server *)server), ret_path, may_be_empty);
}

/* NULL: the request has been answered. */
static struct call *call_new(struct http_request *request, struct server *server, const char *field, bool may_be_empty)
{
    struct session *session = compat_e2b_running_of(request, server);
    struct call    *call    = session != NULL ? calloc(1, sizeof *call) : NULL;

    if (session != NULL && call == NULL)
        api_error_unavailable(request, "NO_MEMORY", "No memory for the answer");
    if (call == NULL)
        return NULL;
    *call = (struct call){.server = server, .request = request, .session = session};
    if (!read_path(request, server, field, may_be_empty, &call->given, call->path)) {
        free(call);
        return NULL;
    }
    call->order.path = call->path;
    return call;
}

static void fail(struct call *call, int error, const char *path)
{
    http_request_on_gone(call->request, NULL, NULL);
    file_error_reply(call->request, error, path, server_policies(call->server));
    free(call);
}

static void ask(struct call *call, files_on_answer on_answer)
{
    struct err err = {0};
    http_request_on_gone(call->request, on_client_gone, call);
    if (session_files_ask(call->session, &call->order, on_answer, call, &err) == 0)
        return;
    http_request_on_gone(call->request, NULL, NULL);
    file_error_refused(call->request, &err, call->path, server_policies(call->server));
    free(call);
}

static void answer(struct call *call, json_t *owned)
{
    http_request_on_gone(call->request, NULL, NULL);
    http_reply_json(call->request, 200, owned);
    free(call);
}

/* ---- entries ---- */

static const char *type_of(const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    return type == NULL                     ? "FILE_TYPE_UNSPECIFIED"
           : strcmp(type, "directory") == 0 ? "FILE_TYPE_DIRECTORY"
           : strcmp(type, "symlink") == 0   ? "FILE_TYPE_SYMLINK"
                                            : "FILE_TYPE_FILE";
}

/* "drwxr-xr-x" */
static void permissions_of(const json_t *entry, unsigned mode, char ret[11])
{
    static const char letters[] = "rwxrwxrwx";
    const char       *type      = type_of(entry);
    ret[0]                      = strcmp(type, "FILE_TYPE_DIRECTORY") == 0 ? 'd' : strcmp(type, "FILE_TYPE_SYMLINK") == 0 ? 'l' : '-';
    for (unsigned i = 0; i < 9; i++)
        ret[i + 1] = (mode & (0400u >> i)) != 0 ? letters[i] : '-';
    ret[10] = '\0';
}

/* From one of file_list.c's. */
static json_t *write_entry(const struct call *call, const json_t *entry)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    unsigned    mode = (unsigned)json_integer_value(json_object_get(entry, "mode")) & PERMISSION_BITS;
    char        whole[COMPAT_E2B_PATH_BYTES], permissions[11];
    const char *name;

    compat_e2b_path_whole(call->given, path != NULL ? path : "", whole);
    permissions_of(entry, mode, permissions);
    name = file_path_name(whole);
    return json_pack("{s:s, s:s, s:s, s:O, s:i, s:s, s:s, s:s, s:O}", "name", name, "type", type_of(entry), "path", whole, "size",
                     json_object_get(entry, "size"), "mode", (int)mode, "permissions", permissions, "owner", "user", "group", "user",
                     "modifiedTime", json_object_get(entry, "modified"));
}

static json_t *write_one(const struct call *call, const char *path, const struct control_file_reply *reply)
{
    json_t *list  = file_list_write_one(path, reply);
    json_t *entry = json_array_get(json_object_get(list, "entries"), 0), *written = write_entry(call, entry);
    json_decref(list);
    return json_pack("{s:o}", "entry", written);
}

static void on_stat(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    if (said->error != 0)
        fail(call, said->error == ENOTDIR ? ENOENT : said->error, call->order.path);
    else
        answer(call, write_one(call, call->order.path, said->reply));
}

static void ask_stat(struct call *call, const char *path)
{
    call->order = (struct file_order){.operation = FILE_STAT, .path = path};
    ask(call, on_stat);
}

void compat_e2b_folder_stat(struct http_request *request, void *context)
{
    struct call *call = call_new(request, context, "path", true);
    if (call != NULL)
        ask_stat(call, call->path);
}

static void on_listed(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    int          fd   = said->fd;
    json_t      *list, *entries = json_array(), *entry;
    size_t       i;

    if (said->error != 0) {
        json_decref(entries);
        fail(call, said->error, call->path);
        return;
    }
    list = file_list_write(call->path, said->reply, fd, &server_policies(call->server)->file_rules);
    fdio_close(&fd);
    json_array_foreach(json_object_get(list, "entries"), i, entry)
    {
        (void)json_array_append_new(entries, write_entry(call, entry));
    }
    json_decref(list);
    answer(call, json_pack("{s:o}", "entries", entries));
}

void compat_e2b_folder_list(struct http_request *request, void *context)
{
    struct json_check check = JSON_CHECK_INIT;
    int64_t           depth = 0;
    struct call      *call;

    (void)json_field_integer(&check, http_request_json(request), "depth", 0, FILE_DEPTH_MAX, &depth);
    if (json_check_reply(&check, request) || (call = call_new(request, context, "path", true)) == NULL)
        return;
    call->order.operation = FILE_LIST;
    call->order.depth     = depth > 0 ? (unsigned)depth : 1;
    ask(call, on_listed);
}

/* ---- changes ---- */

static void on_made(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    if (said->error != 0)
        fail(call, said->error, call->path);
    else
        ask_stat(call, call->path);
}

/* Where there is none yet. */
static void on_looked_for(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    if (said->error != ENOENT) {
        fail(call, said->error == 0 ? EEXIST : said->error, call->path);
        return;
    }
    call->order = (struct file_order){.operation = FILE_MKDIR, .flags = FILE_PARENTS, .path = call->path};
    ask(call, on_made);
}

void compat_e2b_folder_make(struct http_request *request, void *context)
{
    struct call *call = call_new(request, context, "path", true);
    if (call == NULL)
        return;
    call->order.operation = FILE_STAT;
    ask(call, on_looked_for);
}

static void on_moved(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    if (said->error != 0)
        fail(call, said->error, call->path);
    else
        ask_stat(call, call->other);
}

void compat_e2b_folder_move(struct http_request *request, void *context)
{
    struct call *call = call_new(request, context, "source", false);
    const char  *fault;

    if (call == NULL)
        return;
    if (!read_path(request, context, "destination", false, &call->given, call->other)) {
        free(call);
        return;
    }
    fault = file_rules_fault(&server_policies(context)->file_rules, call->other);
    if (fault != NULL) {
        free(call);
        (void)refuse(request, 422, "FILE_TYPE_NOT_ALLOWED", fault);
        return;
    }
    call->order = (struct file_order){.operation = FILE_RENAME, .flags = FILE_PARENTS, .path = call->path, .other = call->other};
    ask(call, on_moved);
}

static void on_removed(const struct file_answer *said, void *arg)
{
    struct call *call = arg;
    if (said->error == EAGAIN)
        ask(call, on_removed); /* in turns, so that init can do other things between them */
    else if (said->error != 0)
        fail(call, said->error, call->path);
    else
        answer(call, json_object());
}

void compat_e2b_folder_remove(struct http_request *request, void *context)
{
    struct call *call = call_new(request, context, "path", false);
    if (call == NULL)
        return;
    call->order.operation = FILE_REMOVE;
    call->order.flags     = FILE_TREE;
    ask(call, on_removed);
}

static const char NO_WATCH[] = "Directories can't be watched here: list them";

void compat_e2b_folder_watch(struct http_request *request, void *context)
{
    if (compat_e2b_running_of(request, context) != NULL)
        (void)refuse(request, 501, "NOT_IMPLEMENTED", NO_WATCH);
}

void compat_e2b_folder_watch_stream(struct http_request *request, void *context)
{
    if (compat_e2b_running_of(request, context) != NULL)
        compat_e2b_rpc_refuse(request, "unimplemented", NO_WATCH);
}
