#include "json_slice.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* From the opening quote to behind the closing one. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

static const char *skip_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
        if (depth == 0)
            return at;
    }
    return end;
}

static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"')
        return skip_string(at, end);
    if (at < end && (*at == '{' || *at == '['))
        return skip_container(at, end);
    while (at < end && *at != ',' && *at != '}' && *at != ']' && !is_space(*at))
        at++;
    return at;
}

bool json_slice_member(const char *text, size_t length, const char *name, const char **ret_value, size_t *ret_length)
{
    const char *end = text + length, *at = skip_space(text, end);
    size_t      name_length = strlen(name);
    bool        found       = false;

    while (at < end && (*at == '{' || *at == ',')) {
        const char *key = skip_space(at + 1, end), *key_end, *value, *value_end;
        if (key == end || *key != '"')
            return found;
        key_end   = skip_string(key, end);
        value     = skip_space(skip_space(key_end, end) + 1, end); /* behind the colon */
        value_end = value < end ? skip_value(value, end) : end;
        if (value < end && (size_t)(key_end - key) == name_length + 2 && memcmp(key + 1, name, name_length) == 0) {
            *ret_value  = value;
            *ret_length = (size_t)(value_end - value);
            found       = true;
        }
        at = skip_space(value_end, end);
    }
    return found;
}
