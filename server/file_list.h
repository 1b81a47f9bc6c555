/* file_list.h: entries of a workspace as JSON: {path, entries: [{name, path, type, size, modified}], truncated?}. */
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
/* One entry, from FILE_STAT. */
json_t *file_list_write_one(const char *path, const struct control_file_reply *reply);

#endif
