/* bytes.h: a growable buffer of bytes, and immutable bytes shared by several readers. */
#ifndef PENNY_BYTES_H
#define PENNY_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty buffer. `data` is NULL until something was added; it is not NUL-terminated. */
struct bytes {
    char  *data;
    size_t length;
    size_t capacity;
};

/* Makes room for `more` bytes behind `length` and returns where they go, or NULL when there is no memory (the buffer is as before). */
char *bytes_reserve(struct bytes *bytes, size_t more);
/* Returns false when there is no memory (the buffer is as before). */
bool bytes_append(struct bytes *bytes, const void *data, size_t length);
void bytes_done(struct bytes *bytes); /* frees; the buffer is empty and usable again */

/* Immutable once made; counted. */
struct bytes_shared {
    size_t   length;
    unsigned references;
    char     data[];
};

struct bytes_shared *bytes_shared_new(const void *data, size_t length); /* one reference; NULL when there is no memory */
struct bytes_shared *bytes_shared_ref(struct bytes_shared *shared);
void                 bytes_shared_unref(struct bytes_shared *shared); /* NULL is fine */

#endif
