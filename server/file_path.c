#define _GNU_SOURCE
#include "file_path.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

enum { NAME_MAX_BYTES = 255 };

static const char *name_fault(const char *name, size_t length)
{
    if (length == 0)
        return "must be relative, with names parted by single slashes";
    if (length <= 2 && strspn(name, ".") >= length)
        return "must not have . or .. as a part";
    return length > NAME_MAX_BYTES ? "has a name longer than 255 bytes" : NULL;
}

const char *file_path_fault(const char *path, size_t length, bool may_be_empty)
{
    const char *fault = NULL;

    if (length == 0)
        return may_be_empty ? NULL : "must not be empty";
    if (length >= FILE_PATH_BYTES)
        return "is longer than 1023 bytes";
    if (memchr(path, '\0', length) != NULL)
        return "must not contain NUL";
    if (text_valid(path, length) != length)
        return "must be UTF-8";
    for (const char *part = path, *end = path + length; part <= end && fault == NULL;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        fault             = name_fault(part, (size_t)((slash != NULL ? slash : end) - part));
        part              = slash != NULL ? slash + 1 : end + 1;
    }
    if (fault == NULL && strncmp(path, FILE_UPLOAD_PREFIX, sizeof FILE_UPLOAD_PREFIX - 1) == 0)
        fault = "begins as those of unfinished uploads do";
    return fault;
}

bool file_path_join(const char *directory, const char *name, char ret_path[FILE_PATH_BYTES])
{
    int n = snprintf(ret_path, FILE_PATH_BYTES, "%s%s%s", directory, directory[0] != '\0' ? "/" : "", name);
    return n < FILE_PATH_BYTES;
}

const char *file_path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}
