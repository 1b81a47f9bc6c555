/* The beginning of an archive from anywhere: the manifest is within what was given, and no answer is taken back when more comes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"

static enum archive_start look(const uint8_t *data, size_t size, const char **ret_text, size_t *ret_length, char **ret_copy)
{
    *ret_copy = malloc(size + 1); /* of its own size, so that reading past it is seen */
    if (*ret_copy == NULL)
        abort();
    memcpy(*ret_copy, data, size);
    *ret_copy = realloc(*ret_copy, size > 0 ? size : 1);
    return archive_find_manifest(*ret_copy, size, ret_text, ret_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum archive_start last = ARCHIVE_MORE;
    for (size_t n = 0; n <= size; n += n < ARCHIVE_BLOCK || size - n < 4 ? 1 : (size - n) / 2) {
        const char        *text   = NULL;
        size_t             length = 0;
        char              *copy;
        enum archive_start now = look(data, n, &text, &length, &copy);
        if (last != ARCHIVE_MORE && now != last)
            abort();
        if (now == ARCHIVE_FOUND && (text < copy || text + length > copy + n || length > ARCHIVE_MANIFEST_MAX))
            abort();
        last = now;
        free(copy);
    }
    return 0;
}
