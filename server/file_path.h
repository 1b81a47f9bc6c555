/* file_path.h: paths of files in a session's workspace, as clients write them. */
#ifndef PENNY_FILE_PATH_H
#define PENNY_FILE_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/*
 * Whether it is one that init takes: relative, names parted by single slashes, neither "." nor "..", shorter than FILE_PATH_BYTES, each
 * name of at most 255 bytes, none of the names that uploads have. "" (the workspace) only where may_be_empty. Returns NULL when it is
 * good, else what is wrong, which follows the words "the path".
 */
const char *file_path_fault(const char *path, size_t length, bool may_be_empty);

/* Joins directory ("" is the workspace) and name. Returns false when that is too long. */
bool file_path_join(const char *directory, const char *name, char ret_path[FILE_PATH_BYTES]);

const char *file_path_name(const char *path); /* its last part */

#endif
