#define _GNU_SOURCE
#include "session_export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "fdio.h"
#include "file_list.h"
#include "file_path.h"
#include "json.h"
#include "session_body.h"
#include "session_files.h"
#include "session_inspect.h"
#include "session_packages.h"
#include "session_transfer.h"
#include "text.h"
#include "version.h"

enum {
    REASON_BYTES = 160,
    MARGIN_BYTES = 32 * 1024 * 1024, /* of memory, beside what is written */
    OMITTED_MAX  = 5000,
};

struct exporting {
    struct server         *server;
    struct session_export *gathered;
    export_on_end          on_end; /* NULL: who asked has left */
    void                  *arg;
    uint64_t               room; /* what is left of the archive's limit */
    json_t                *omitted;
    size_t                 omitted_files; /* beyond those that are named */
    char                   path[64];      /* of the variables' file */
};

void session_export_free(struct session_export *gathered)
{
    if (gathered == NULL)
        return;
    json_decref(gathered->manifest);
    fdio_close(&gathered->variables_fd);
    bytes_done(&gathered->history);
    for (size_t i = 0; i < gathered->file_count; i++)
        free(gathered->files[i].path);
    free(gathered->files);
    free(gathered);
}

static void exporting_free(struct exporting *exporting)
{
    session_export_free(exporting->gathered);
    json_decref(exporting->omitted);
    free(exporting);
}

void session_export_forget(struct exporting *exporting)
{
    exporting->on_end = NULL;
}

static struct session *session_of(const struct exporting *exporting)
{
    return sessions_find(server_sessions(exporting->server), &exporting->gathered->session);
}

static void fail(struct exporting *exporting, int status, const char *code, const char *message)
{
    const struct export_failure failure = {status, code, message};
    if (exporting->on_end != NULL)
        exporting->on_end(NULL, &failure, exporting->arg);
    exporting_free(exporting);
}

static void fail_memory(struct exporting *exporting)
{
    fail(exporting, 503, "NO_MEMORY", "No memory for an archive");
}

static bool omit(struct exporting *exporting, const char *kind, const char *name, const char *type, const char *reason)
{
    if (json_array_size(exporting->omitted) >= OMITTED_MAX) {
        exporting->omitted_files++;
        return true;
    }
    return json_array_append_new(exporting->omitted,
                                 json_pack("{s:s, s:s, s:s, s:s}", "kind", kind, "name", name, "type", type, "reason", reason)) == 0;
}

/* ---- the manifest ---- */

static json_t *write_settings(const struct session_info *info)
{
    const struct worker_limits *limits = &info->limits;
    json_t                     *json =
        json_pack("{s:O*, s:O*, s:{s:s}, s:I, s:s}", "metadata", info->metadata, "envVars", info->environment, "policy", "profile",
                  info->profile, "idleTimeout", (json_int_t)info->idle_timeout_ms, "checkpoints", checkpoint_mode_name(info->checkpoints));
    json_t *resources = json_object();
    if (limits->memory_bytes != 0)
        (void)json_object_set_new(resources, "memory", json_integer((json_int_t)limits->memory_bytes));
    if (limits->workspace_bytes != 0)
        (void)json_object_set_new(resources, "storage", json_integer((json_int_t)limits->workspace_bytes));
    if (limits->processes != 0)
        (void)json_object_set_new(resources, "processes", json_integer((json_int_t)limits->processes));
    if (limits->cpu_percent != 0)
        (void)json_object_set_new(resources, "cpu", json_integer((json_int_t)limits->cpu_percent));
    if (json_object_size(resources) > 0)
        (void)json_object_set(json, "resources", resources);
    json_decref(resources);
    return json;
}

static uint64_t count_bytes(const struct session_export *gathered)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < gathered->file_count; i++)
        bytes += gathered->files[i].size;
    return bytes;
}

/* What the session said of its variables is in the manifest already. */
static bool complete_manifest(struct exporting *exporting, const struct session *session)
{
    struct session_export *gathered = exporting->gathered;
    char                   text[ID_TEXT_BYTES], more[REASON_BYTES];
    struct session_info    info;
    json_t                *rest;

    if (exporting->omitted_files > 0) {
        (void)snprintf(more, sizeof more, "%zu more, which are not named", exporting->omitted_files);
        (void)json_array_append_new(exporting->omitted,
                                    json_pack("{s:s, s:s, s:s, s:s}", "kind", "file", "name", "", "type", "", "reason", more));
    }
    session_get_info(session, &info);
    id_format(session_id(session), text);
    rest =
        json_pack("{s:s, s:i, s:s, s:o, s:s, s:o, s:o, s:o, s:{s:I, s:I}, s:O}", "format", ARCHIVE_FORMAT, "version", ARCHIVE_VERSION,
                  "service", PENNY_VERSION, "exportedAt", json_time(json_time_now()), "sessionId", text, "createdAt",
                  json_time(info.created_us / 1000), "session", write_settings(&info), "packages", session_packages_names(session), "files",
                  "count", (json_int_t)gathered->file_count, "bytes", (json_int_t)count_bytes(gathered), "omitted", exporting->omitted);
    if (rest == NULL || json_object_update(rest, gathered->manifest) < 0) {
        json_decref(rest);
        return false;
    }
    (void)json_object_set(rest, "omitted", exporting->omitted);
    (void)json_object_set_new(rest, "executionCount", json_integer((json_int_t)info.executions));
    json_decref(gathered->manifest);
    gathered->manifest = rest;
    return true;
}

static void finish(struct exporting *exporting)
{
    struct session        *session  = session_of(exporting);
    struct session_export *gathered = exporting->gathered;
    struct err             err      = {0};

    if (session == NULL) {
        fail(exporting, 410, "SESSION_GONE", "the session has ended");
        return;
    }
    if (session_write_notebook(session, 0, &gathered->history, &err) < 0) {
        fail(exporting, 503, "NOTEBOOK_UNREADABLE", err.message);
        return;
    }
    if (!complete_manifest(exporting, session)) {
        fail_memory(exporting);
        return;
    }
    exporting->gathered = NULL;
    if (exporting->on_end != NULL)
        exporting->on_end(gathered, NULL, exporting->arg);
    else
        session_export_free(gathered);
    exporting_free(exporting);
}

/* ---- files ---- */

static const char *type_of(uint32_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISLNK(mode) ? "symlink" : S_ISDIR(mode) ? "directory" : "other";
}

/* Why it stays behind; NULL: it goes. */
static const char *fault_of(const struct exporting *exporting, const struct file_listed *one, const char *path)
{
    uint64_t size = S_ISREG(one->entry.mode) ? one->entry.size : 0;
    if (strlen(path) != one->entry.length || file_path_fault(path, one->entry.length, false) != NULL ||
        text_valid(one->path, one->entry.length) != one->entry.length)
        return "its name is not UTF-8, or can't be in an archive";
    if (file_rules_hide(&server_policies(exporting->server)->file_rules, path))
        return "the policy keeps hidden files from clients";
    if (!S_ISREG(one->entry.mode) && !S_ISDIR(one->entry.mode))
        return "neither a file nor a directory";
    return size + 4 * ARCHIVE_BLOCK > exporting->room ? "too large for the archive" : NULL;
}

static bool take_file(struct exporting *exporting, const struct file_listed *one)
{
    struct session_export *gathered = exporting->gathered;
    struct bytes           name     = {0};
    const char            *fault;
    bool                   fine = text_repair(&name, one->path, one->entry.length) && bytes_append(&name, "", 1);

    fault = fine ? fault_of(exporting, one, name.data) : NULL;
    if (fine && fault != NULL) {
        fine = omit(exporting, "file", name.data, type_of(one->entry.mode), fault);
    } else if (fine) {
        struct export_file *file = &gathered->files[gathered->file_count];
        *file                    = (struct export_file){strdup(name.data), one->entry.mode, S_ISREG(one->entry.mode) ? one->entry.size : 0,
                                                        one->entry.modified_ns / 1000000000};
        fine                     = file->path != NULL;
        gathered->file_count += fine;
        exporting->room -= file->size + 4 * ARCHIVE_BLOCK;
    }
    bytes_done(&name);
    return fine;
}

static int by_path(const void *one, const void *other)
{
    return strcmp(((const struct export_file *)one)->path, ((const struct export_file *)other)->path);
}

static bool take_list(struct exporting *exporting, const struct control_file_reply *reply, int fd)
{
    size_t              length = reply->size <= FILE_LIST_BYTES ? (size_t)reply->size : FILE_LIST_BYTES, count = 0;
    size_t              room = reply->entries <= FILE_ENTRIES_MAX ? (size_t)reply->entries : FILE_ENTRIES_MAX;
    char               *data = malloc(length + 1);
    struct file_listed *all  = calloc(room + 1, sizeof *all);
    bool                fine = data != NULL && all != NULL && pread(fd, data, length, 0) == (ssize_t)length;

    if (fine) {
        count                      = file_list_read(data, length, all, room);
        exporting->gathered->files = calloc(count + 1, sizeof *exporting->gathered->files);
        fine                       = exporting->gathered->files != NULL;
    }
    for (size_t i = 0; fine && i < count; i++)
        fine = take_file(exporting, &all[i]);
    if (fine && reply->is_cut)
        fine = omit(exporting, "file", "", "", "there are more files than can be listed");
    if (fine)
        qsort(exporting->gathered->files, exporting->gathered->file_count, sizeof *exporting->gathered->files, by_path);
    free(all);
    free(data);
    return fine;
}

static void on_listed(const struct file_answer *answer, void *arg)
{
    struct exporting *exporting = arg;
    int               fd        = answer->fd;
    bool              fine      = answer->error == 0 && take_list(exporting, answer->reply, fd);

    fdio_close(&fd);
    if (fine)
        finish(exporting);
    else if (answer->error == ESHUTDOWN)
        fail(exporting, 410, "SESSION_GONE", "the session has ended");
    else if (answer->error != 0)
        fail(exporting, 503, "WORKSPACE_UNREADABLE", "The session's files could not be listed");
    else
        fail_memory(exporting);
}

/* Asks init, unless the session is gone or can't be asked: then that is the end. */
static void ask_files(struct exporting *exporting, const struct file_order *order, files_on_answer on_answer)
{
    struct session *session = session_of(exporting);
    struct err      err     = {0};
    if (session == NULL)
        fail(exporting, 410, "SESSION_GONE", "the session has ended");
    else if (session_files_ask(session, order, on_answer, exporting, &err) < 0)
        fail(exporting, 503, "WORKSPACE_UNREADABLE", err.message);
}

static void list_files(struct exporting *exporting)
{
    const struct file_order order = {.operation = FILE_LIST, .depth = FILE_DEPTH_MAX};
    ask_files(exporting, &order, on_listed);
}

static void on_opened(const struct file_answer *answer, void *arg)
{
    struct exporting       *exporting = arg;
    struct session         *session   = session_of(exporting);
    const struct file_order removal   = {.operation = FILE_REMOVE, .path = exporting->path};
    struct err              err       = {0};

    exporting->gathered->variables_fd = answer->fd;
    if (session != NULL)
        (void)session_files_ask(session, &removal, NULL, NULL, &err); /* if it can't be asked, the jail is at its end */
    if (answer->error != 0) {
        fail(exporting, 503, "EXPORT_FAILED", "The session's variables could not be read back");
        return;
    }
    exporting->gathered->variables_bytes = answer->reply->size;
    exporting->room -= answer->reply->size < exporting->room ? answer->reply->size : exporting->room;
    list_files(exporting);
}

/* ---- variables ---- */

static bool take_variables(struct exporting *exporting, const json_t *said)
{
    json_t *variables = json_object_get(said, "variables"), *modules = json_object_get(said, "modules"),
           *omitted = json_object_get(said, "omitted");
    if (!json_is_array(variables) || !json_is_object(modules) || !json_is_array(omitted))
        return false;
    exporting->gathered->manifest = json_pack("{s:O, s:O}", "variables", variables, "modules", modules);
    return exporting->gathered->manifest != NULL && json_array_extend(exporting->omitted, omitted) == 0;
}

static void fail_unanswered(struct exporting *exporting, const struct inspect_reply *said)
{
    switch (said->end) {
    case INSPECT_BUSY: fail(exporting, 409, "SESSION_BUSY", "The session runs a cell; it can be exported when that has ended"); break;
    case INSPECT_GONE: fail(exporting, 410, "SESSION_GONE", "the session has ended"); break;
    case INSPECT_DIED:
        fail(exporting, 422, "INTERPRETER_DIED",
             said->after->kind == STATE_ROLLED_BACK
                 ? "The session's interpreter died, or hung and had to be ended, over this request; it was rolled back"
                 : "The session's interpreter died, or hung and had to be ended, over this request; what it held is lost");
        break;
    default: fail(exporting, 503, "EXPORT_FAILED", "The session's answer is not what was asked for"); break;
    }
}

static void on_variables(const struct inspect_reply *said, void *arg)
{
    struct exporting       *exporting = arg;
    const struct file_order opening   = {.operation = FILE_OPEN, .path = exporting->path};
    const char             *message   = json_string_value(json_object_get(json_object_get(said->json, "error"), "message"));
    char                    text[REASON_BYTES];

    if (said->end != INSPECT_ANSWERED) {
        fail_unanswered(exporting, said);
    } else if (!json_is_true(json_object_get(said->json, "ok"))) {
        (void)snprintf(text, sizeof text, "The variables could not be written: %.100s", message != NULL ? message : "no reason given");
        fail(exporting, 422, "EXPORT_FAILED", text);
    } else if (!take_variables(exporting, said->json)) {
        fail(exporting, 503, "EXPORT_FAILED", "The session's answer is not what was asked for");
    } else {
        ask_files(exporting, &opening, on_opened);
    }
}

/* As much as may be, and as the session's memory has room for once more: they are packed into a file of its workspace. *ret_why: of what does not fit. */
static uint64_t room_for_variables(const struct exporting *exporting, const struct session *session, const char **ret_why)
{
    const struct policies *policies = server_policies(exporting->server);
    struct session_info    info;
    uint64_t               memory, room = exporting->room;
    session_get_info(session, &info);
    memory   = info.limits.memory_bytes != 0 ? info.limits.memory_bytes : policies->memory_per_session_bytes;
    memory   = memory > info.memory_bytes + MARGIN_BYTES ? memory - info.memory_bytes - MARGIN_BYTES : 0;
    *ret_why = "too large for the archive";
    if (room > memory) {
        room     = memory;
        *ret_why = "the session's memory has no room for it once more, which packing takes";
    }
    if (room > policies->file_bytes) {
        room     = policies->file_bytes;
        *ret_why = "too large to be packed into one file (storage.maxFileSize)";
    }
    return room;
}

struct exporting *session_export_begin(struct server *server, struct session *session, export_on_end on_end, void *arg, struct err *err)
{
    struct exporting *exporting = calloc(1, sizeof *exporting);
    uint64_t          random    = 0, room;
    const char       *why;

    if (exporting != NULL)
        exporting->gathered = calloc(1, sizeof *exporting->gathered);
    if (exporting == NULL || exporting->gathered == NULL || (exporting->omitted = json_array()) == NULL ||
        getrandom(&random, sizeof random, 0) != sizeof random) {
        if (exporting != NULL)
            exporting_free(exporting);
        (void)err_set(err, ENOMEM, "no memory for an archive");
        return NULL;
    }
    exporting->server                 = server;
    exporting->on_end                 = on_end;
    exporting->arg                    = arg;
    exporting->room                   = server_policies(server)->archive_bytes;
    exporting->gathered->session      = *session_id(session);
    exporting->gathered->variables_fd = -1;
    room                              = room_for_variables(exporting, session, &why);
    (void)snprintf(exporting->path, sizeof exporting->path, FILE_UPLOAD_PREFIX "%016" PRIx64, random);
    if (session_inspect(session,
                        json_pack("{s:s, s:s, s:I, s:s}", "op", "export", "path", exporting->path, "room", (json_int_t)room, "why", why), 0,
                        on_variables, exporting, err) < 0) {
        exporting_free(exporting);
        return NULL;
    }
    return exporting;
}
