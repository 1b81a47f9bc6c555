#include "json_said.h"

#include <string.h>

/* As jansson and malloc have it on 64 bits, with a value's place in its array or object. */
enum { ARRAY_BYTES = 160, OBJECT_BYTES = 400, STRING_BYTES = 112, NUMBER_BYTES = 64, LEAST_TEXT_BYTES = 3 /* of what takes most: "{}," */ };

/* Behind the string that begins at `at`. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

static const char *skip_number(const char *at, const char *end)
{
    while (at < end && strchr("+-.0123456789eE", *at) != NULL && *at != '\0')
        at++;
    return at;
}

/* Behind the one token, or the byte, at `at`; what it takes is added. */
static const char *weigh(const char *at, const char *end, size_t *bytes)
{
    const char *next = at + 1;
    if (*at == '"') {
        next = skip_string(at, end);
        *bytes += STRING_BYTES + (size_t)(next - at);
    } else if (*at == '-' || (*at >= '0' && *at <= '9')) {
        next = skip_number(at, end);
        *bytes += NUMBER_BYTES;
    } else {
        *bytes += *at == '[' ? ARRAY_BYTES : *at == '{' ? OBJECT_BYTES : 0;
    }
    return next;
}

bool json_said_is_too_much(const char *text, size_t length)
{
    const char *end   = text + length;
    size_t      bytes = 0;
    if (length < JSON_SAID_BYTES_MAX / OBJECT_BYTES * LEAST_TEXT_BYTES)
        return false;
    while (text < end && bytes <= JSON_SAID_BYTES_MAX)
        text = weigh(text, end, &bytes);
    return bytes > JSON_SAID_BYTES_MAX;
}

json_t *json_said_read(const char *text, size_t length)
{
    json_error_t error;
    json_t      *json;
    if (json_said_is_too_much(text, length))
        return NULL;
    json = json_loadb(text, length, JSON_ALLOW_NUL, &error);
    if (json == NULL && json_error_code(&error) == json_error_numeric_overflow)
        json = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    return json;
}
