/* file_list.h: entries of a workspace as JSON: {path, entries: [{name, path, type, size, mode, modified}], truncated?}. */
#ifndef PENNY_FILE_LIST_H
#define PENNY_FILE_LIST_H

#include <jansson.h>

#include "file_rules.h"
#include "wire.h"

/*
 * From the answer to FILE_LIST and its memfd; sorted by path. A name that is not UTF-8 is shown with U+FFFD in place of what is wrong,
 * and can't be asked for. What the rules hide is left out. NULL: no memory.
 */
json_t *file_list_write(const char *directory, const struct control_file_reply *reply, int list_fd, const struct file_rules *rules);
/* The records of FILE_LIST one by one, as they come from a session: paths are any bytes, not NUL-terminated, borrowed from `data`. */
struct file_listed {
    struct control_file_entry entry;
    const char               *path; /* entry.length bytes */
};
/* Returns how many there are. What does not fit into its own length ends the list. */
size_t file_list_read(const char *data, size_t length, struct file_listed *all, size_t room);
/* One entry, from FILE_STAT. */
json_t *file_list_write_one(const char *path, const struct control_file_reply *reply);

#endif
