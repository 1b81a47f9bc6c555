#define _GNU_SOURCE
#include "file_list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "file_path.h"
#include "json.h"
#include "text.h"

static const char *type_of(uint32_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" : "other";
}

static json_t *write_entry(const char *path, uint32_t mode, uint64_t size, int64_t modified_ns)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:i, s:o}", "name", file_path_name(path), "path", path, "type", type_of(mode), "size",
                     S_ISREG(mode) ? (json_int_t)size : (json_int_t)0, "mode", (int)(mode & 07777), "modified",
                     json_time(modified_ns / 1000000));
}

/* Below `directory`, and repaired where it is not UTF-8. */
static json_t *write_listed(const char *directory, const struct file_listed *listed)
{
    struct bytes path = {0};
    json_t      *json = NULL;
    if ((directory[0] == '\0' || (bytes_append(&path, directory, strlen(directory)) && bytes_append(&path, "/", 1))) &&
        text_repair(&path, listed->path, listed->entry.length) && bytes_append(&path, "", 1))
        json = write_entry(path.data, listed->entry.mode, listed->entry.size, listed->entry.modified_ns);
    bytes_done(&path);
    return json;
}

size_t file_list_read(const char *data, size_t length, struct file_listed *all, size_t room)
{
    size_t count = 0, at = 0;
    while (count < room && length - at >= sizeof all->entry) {
        struct file_listed *one = &all[count];
        memcpy(&one->entry, data + at, sizeof one->entry);
        at += sizeof one->entry;
        if (one->entry.length == 0 || one->entry.length > length - at)
            break;
        one->path = data + at;
        at += one->entry.length;
        count++;
    }
    return count;
}

static int by_path(const void *one, const void *other)
{
    const struct file_listed *a = one, *b = other;
    size_t                    common = a->entry.length < b->entry.length ? a->entry.length : b->entry.length;
    int                       order  = memcmp(a->path, b->path, common);
    return order != 0 ? order : (a->entry.length > b->entry.length) - (a->entry.length < b->entry.length);
}

static bool is_hidden(const json_t *entry, const struct file_rules *rules)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    return path != NULL && file_rules_hide(rules, path);
}

static json_t *write_all(const char *directory, struct file_listed *all, size_t count, const struct file_rules *rules)
{
    json_t *entries = json_array();
    qsort(all, count, sizeof *all, by_path);
    for (size_t i = 0; i < count && entries != NULL; i++) {
        json_t *entry = write_listed(directory, &all[i]);
        if (is_hidden(entry, rules)) {
            json_decref(entry);
        } else if (json_array_append_new(entries, entry) < 0) {
            json_decref(entries);
            entries = NULL;
        }
    }
    return entries;
}

json_t *file_list_write(const char *directory, const struct control_file_reply *reply, int list_fd, const struct file_rules *rules)
{
    size_t              length  = reply->size <= FILE_LIST_BYTES ? (size_t)reply->size : FILE_LIST_BYTES;
    size_t              room    = reply->entries <= FILE_ENTRIES_MAX ? (size_t)reply->entries : FILE_ENTRIES_MAX;
    char               *data    = malloc(length + 1);
    struct file_listed *all     = calloc(room + 1, sizeof *all);
    json_t             *entries = NULL, *list = NULL;

    if (data != NULL && all != NULL && pread(list_fd, data, length, 0) == (ssize_t)length)
        entries = write_all(directory, all, file_list_read(data, length, all, room), rules);
    if (entries != NULL)
        list = json_pack("{s:s, s:o}", "path", directory, "entries", entries);
    if (list != NULL && reply->is_cut)
        (void)json_object_set_new(list, "truncated", json_true());
    free(all);
    free(data);
    return list;
}

json_t *file_list_write_one(const char *path, const struct control_file_reply *reply)
{
    return json_pack("{s:s, s:[o]}", "path", path, "entries", write_entry(path, reply->mode, reply->size, reply->modified_ns));
}
