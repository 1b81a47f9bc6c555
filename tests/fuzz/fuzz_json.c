/* json_read() beside jansson: the same texts are JSON, and become the same values. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"
#include "text.h"

static bool is_deep(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '[' || text[i] == '{';
    return count > JSON_READ_DEPTH_MAX;
}

/* jansson passes over a NUL byte behind a number; JSON has none anywhere. */
static json_t *load(const char *text, size_t size, size_t flags)
{
    return size > 0 && memchr(text, '\0', size) != NULL ? NULL : json_loadb(text, size, flags, NULL);
}

static void compare(const char *text, size_t size, size_t flags)
{
    json_t *read = json_read(text, size, JSON_READ_DEPTH_MAX, flags), *loaded = load(text, size, flags);
    if ((read == NULL) != (loaded == NULL) || (read != NULL && !json_equal(read, loaded)))
        abort();
    json_decref(read);
    json_decref(loaded);
}

static void look(const char *text, size_t size)
{
    json_t *loaded = load(text, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL);
    bool    is_line;
    if (json_read_is_object(text, size, &is_line) != json_is_object(loaded) ||
        (json_is_object(loaded) && is_line != text_is_line(text, size)))
        abort();
    json_decref(loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    if (is_deep(text, size))
        return 0;
    for (int i = 0; i < 4; i++)
        compare(text, size, ((i & 1) != 0 ? JSON_ALLOW_NUL : 0) | ((i & 2) != 0 ? JSON_DECODE_INT_AS_REAL : 0));
    look(text, size);
    return 0;
}
