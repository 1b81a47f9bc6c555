/* execution_keep_files.c: the files that an execution has brought along, for the server process that comes after this one. */
#define _GNU_SOURCE
#include <string.h>

#include "event_record.h"
#include "execution_private.h"
#include "files_given.h"
#include "log.h"

/* Appends its content to the log. Returns where it stands, part by part; or NULL. */
static json_t *write_parts(struct execution *execution, const struct bytes *content, struct err *err)
{
    json_t *parts = json_array();

    for (size_t done = 0; parts != NULL && done < content->length;) {
        size_t   left = content->length - done, length = left < EVENT_RECORD_PAYLOAD_MAX ? left : EVENT_RECORD_PAYLOAD_MAX;
        uint64_t at = 0;
        if (event_log_record(execution->log, EVENT_RECORD_FILE, execution->serial, content->data + done, length, &at, err) < 0 ||
            json_array_append_new(parts, json_integer((json_int_t)at)) < 0) {
            json_decref(parts);
            return NULL;
        }
        done += length;
    }
    return parts;
}

void execution_keep_files(struct execution *execution)
{
    const struct files_given *files = execution->files;
    struct err                err   = {0};
    const char               *path;

    if (files == NULL || execution->files_kept != NULL || (execution->files_kept = json_array()) == NULL)
        return;
    for (size_t i = 0; (path = files_given_path(files, i)) != NULL; i++) {
        json_t *parts = write_parts(execution, files_given_content(files, i), &err);
        json_t *file  = parts != NULL ? json_pack("{s:s, s:o}", "path", path, "parts", parts) : NULL;
        if (file == NULL || json_array_append_new(execution->files_kept, file) < 0) {
            log_warn("execution %s: its files would be lost with this process: %s", execution->id_text, err.message);
            json_decref(file);
            execution_forget_files_kept(execution);
            execution->files_kept = json_false();
            return;
        }
    }
}

void execution_forget_files_kept(struct execution *execution)
{
    json_t *file, *at;
    size_t  i, n;

    json_array_foreach(execution->files_kept, i, file)
    {
        json_array_foreach(json_object_get(file, "parts"), n, at)
        {
            event_log_erase(execution->log, (uint64_t)json_integer_value(at));
        }
    }
    json_decref(execution->files_kept);
    execution->files_kept = NULL;
}

/* ---- afterwards ---- */

void execution_restore_files_kept(struct execution *execution, const json_t *note)
{
    json_decref(execution->files_kept);
    execution->files_kept = json_incref(json_object_get(note, "filesKept"));
}

static bool read_parts(const struct execution *execution, const json_t *parts, struct bytes *ret)
{
    struct err    err = {0};
    const json_t *at;
    size_t        n;

    json_array_foreach(parts, n, at)
    {
        if (event_log_read(execution->log, (uint64_t)json_integer_value(at), EVENT_RECORD_FILE, ret, &err) < 0) {
            log_warn("execution %s: its files can't be restored: %s", execution->id_text, err.message);
            return false;
        }
    }
    return true;
}

bool execution_restore_files(struct execution *execution)
{
    struct files_given *files;
    const json_t       *file;
    size_t              i;

    files_given_free(execution_take_files(execution));
    if (execution->files_kept == NULL)
        return true;
    if (!json_is_array(execution->files_kept))
        return false;
    files = files_given_new(json_array_size(execution->files_kept));
    if (files == NULL)
        return false;
    json_array_foreach(execution->files_kept, i, file)
    {
        struct bytes content = {0};
        if (!read_parts(execution, json_object_get(file, "parts"), &content)) {
            bytes_done(&content);
            files_given_free(files);
            return false;
        }
        if (!files_given_put(files, json_string_value(json_object_get(file, "path")), &content)) {
            files_given_free(files);
            return false;
        }
    }
    execution_give_files(execution, files);
    return true;
}
