/*
 * archive.h: a session as a tar archive (POSIX ustar; names beyond 100 bytes in an extended header). Its entries, in this order:
 * manifest.json, variables.pickle, history.ipynb, files/..., end.json. Here they are framed, and of one that comes in the first entry is
 * found; all else of it is read in the session's jail (runtime/python/archive_in.py).
 */
#ifndef PENNY_ARCHIVE_H
#define PENNY_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum {
    ARCHIVE_VERSION      = 1,
    ARCHIVE_BLOCK        = 512,
    ARCHIVE_MANIFEST_MAX = 4 * 1024 * 1024,
};
#define ARCHIVE_FORMAT "penny-sandbox session"

enum archive_kind { ARCHIVE_FILE = '0', ARCHIVE_DIRECTORY = '5' };

struct archive_entry {
    const char       *prefix, *path; /* one behind the other: the name. At most 1,100 bytes */
    enum archive_kind kind;
    uint32_t          mode;
    uint64_t          size; /* below 8 GiB */
    int64_t           modified_s;
};

/* Appends what stands before an entry's content; what stands behind it; a whole entry; the end of all. False: no memory. */
bool archive_put_head(struct bytes *out, const struct archive_entry *entry);
bool archive_put_padding(struct bytes *out, uint64_t size);
bool archive_put(struct bytes *out, const char *name, const void *data, size_t length, int64_t modified_s);
bool archive_put_end(struct bytes *out);

enum archive_start { ARCHIVE_MORE, ARCHIVE_WRONG, ARCHIVE_FOUND };
/* Whether `data` begins with manifest.json, and where its content is. MORE: all of it has not come yet. */
enum archive_start archive_find_manifest(const char *data, size_t length, const char **ret_text, size_t *ret_length);

#endif
