/* A form read in one piece and in pieces of any size says the same, and never more than it was given. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "multipart.h"

static void add(struct bytes *said, const void *data, size_t length)
{
    if (length > 0 && !bytes_append(said, data, length))
        abort();
}

static void add_text(struct bytes *said, const char *text)
{
    add(said, text, strlen(text) + 1);
}

/* Returns false when there is nothing more to be said. */
static bool feed(struct multipart *multipart, const char *data, size_t length, struct bytes *said, size_t *body)
{
    for (;;) {
        const char *piece = NULL;
        size_t      n     = 0;
        switch (multipart_next(multipart, &data, &length, &piece, &n)) {
        case MULTIPART_MORE:
            if (length != 0)
                abort();
            return true;
        case MULTIPART_PART:
            add_text(said, "part");
            add_text(said, multipart->name);
            add_text(said, multipart->filename);
            break;
        case MULTIPART_DATA:
            if (n == 0)
                abort();
            *body += n;
            add(said, piece, n);
            break;
        case MULTIPART_END_OF_PART: add_text(said, "end of part"); break;
        case MULTIPART_END: add_text(said, "end"); break;
        case MULTIPART_BAD: add_text(said, multipart->fault); return false;
        }
    }
}

static void read_form(const char *form, size_t size, size_t step, struct bytes *said)
{
    static struct multipart multipart;
    size_t                  body = 0;
    if (!multipart_init(&multipart, "multipart/form-data; boundary=b"))
        abort();
    for (size_t at = 0; at < size; at += step) {
        size_t n    = size - at < step ? size - at : step;
        char  *copy = malloc(n); /* of its own size, so that reading past it is seen */
        bool   more;
        if (copy == NULL)
            abort();
        memcpy(copy, form + at, n);
        more = feed(&multipart, copy, n, said, &body);
        free(copy);
        if (!more)
            break;
    }
    if (body > size)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes     whole = {0}, pieces = {0};
    struct multipart multipart;
    char             type[200];

    if (size < 1)
        return 0;
    read_form((const char *)data + 1, size - 1, size, &whole);
    read_form((const char *)data + 1, size - 1, data[0] % 16 + 1u, &pieces);
    if (whole.length != pieces.length || (whole.length > 0 && memcmp(whole.data, pieces.data, whole.length) != 0))
        abort();
    bytes_done(&whole);
    bytes_done(&pieces);
    strcpy(type, "multipart/form-data");
    strncat(type, (const char *)data, size < 150 ? size : 150);
    (void)multipart_init(&multipart, type);
    return 0;
}
