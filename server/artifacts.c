#define _GNU_SOURCE
#include "artifacts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_path.h"

enum { MIME_MAX = 100 };

static const char ANY_TYPE[] = "application/octet-stream";

static bool is_mime(const char *text)
{
    static const char marks[] = "!#$&-^_.+/";
    size_t            length = 0, slashes = 0;
    for (; text != NULL && text[length] != '\0'; length++) {
        slashes += text[length] == '/';
        if (!isalnum((unsigned char)text[length]) && strchr(marks, text[length]) == NULL)
            return false;
    }
    return slashes == 1 && length <= MIME_MAX && text[0] != '/' && text[length - 1] != '/';
}

static json_t *read_one(const json_t *sent)
{
    const json_t *path = json_object_get(sent, "path"), *size = json_object_get(sent, "size");
    const char   *mime = json_string_value(json_object_get(sent, "mime"));

    if (!json_is_string(path) || !json_is_integer(size) || json_integer_value(size) < 0 ||
        file_path_fault(json_string_value(path), json_string_length(path), false) != NULL)
        return NULL;
    return json_pack("{s:O, s:O, s:s}", "path", path, "size", size, "mime", is_mime(mime) ? mime : ANY_TYPE);
}

json_t *artifacts_read(const json_t *sent, uint64_t *ret_omitted)
{
    json_t *artifacts = json_array_size(sent) > 0 ? json_array() : NULL;
    json_t *one;
    size_t  i;

    *ret_omitted = 0;
    if (artifacts == NULL)
        return NULL;
    json_array_foreach((json_t *)sent, i, one)
    {
        json_t *read = json_array_size(artifacts) < ARTIFACTS_MAX ? read_one(one) : NULL;
        if (read != NULL)
            (void)json_array_append_new(artifacts, read);
        else if (json_array_size(artifacts) == ARTIFACTS_MAX)
            (*ret_omitted)++;
    }
    return artifacts;
}

static bool write_one(struct bytes *out, const json_t *one, bool first, size_t *room, uint64_t *omitted)
{
    char  *text   = json_dumps(one, JSON_COMPACT);
    size_t length = text != NULL ? strlen(text) : 0;
    bool   fine   = text != NULL;

    if (length + 1 > *room) {
        (*omitted)++;
        *room = 0; /* the first ones, in their order */
    } else if (fine) {
        *room -= length + 1;
        fine = (first || bytes_append(out, ",", 1)) && bytes_append(out, text, length);
    }
    free(text);
    return fine;
}

bool artifacts_write(struct bytes *out, const json_t *artifacts, uint64_t omitted, size_t room)
{
    static const char open[] = ",\"artifacts\":[";
    char              close[64];
    size_t            i;
    json_t           *one;
    bool              fine = bytes_append(out, open, sizeof open - 1);
    int               n;

    json_array_foreach((json_t *)artifacts, i, one)
    {
        fine = fine && write_one(out, one, i == 0, &room, &omitted);
    }
    n = omitted > 0 ? snprintf(close, sizeof close, "],\"artifactsOmitted\":%llu", (unsigned long long)omitted)
                    : snprintf(close, sizeof close, "]");
    return fine && bytes_append(out, close, (size_t)n);
}
