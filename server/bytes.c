#include "bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

char *bytes_reserve(struct bytes *bytes, size_t more)
{
    if (more > SIZE_MAX / 4 - bytes->length)
        return NULL;
    if (bytes->data == NULL || bytes->length + more > bytes->capacity) {
        size_t capacity = bytes->capacity == 0 ? FIRST_CAPACITY : bytes->capacity * 2;
        char  *data;
        if (capacity < bytes->length + more)
            capacity = bytes->length + more;
        data = realloc(bytes->data, capacity);
        if (data == NULL)
            return NULL;
        bytes->data     = data;
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->length;
}

bool bytes_append(struct bytes *bytes, const void *data, size_t length)
{
    char *to = bytes_reserve(bytes, length);
    if (to == NULL)
        return false;
    if (length > 0)
        memcpy(to, data, length);
    bytes->length += length;
    return true;
}

void bytes_done(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

struct bytes_shared *bytes_shared_new(const void *data, size_t length)
{
    struct bytes_shared *shared = malloc(sizeof *shared + length);
    if (shared == NULL)
        return NULL;
    shared->length     = length;
    shared->references = 1;
    memcpy(shared->data, data, length);
    return shared;
}

struct bytes_shared *bytes_shared_ref(struct bytes_shared *shared)
{
    shared->references++;
    return shared;
}

void bytes_shared_unref(struct bytes_shared *shared)
{
    if (shared != NULL && --shared->references == 0)
        free(shared);
}
