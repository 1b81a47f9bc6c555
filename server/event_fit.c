#include "event_fit.h"

#include <string.h>

#include "sse.h"
#include "text.h"

enum { TEXT_KEPT = 16 * 1024 }; /* escaped: of stdout and of stderr, when the whole does not fit */

static size_t size_of(const json_t *value)
{
    return value == NULL ? 0 : json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Shortens a string until it takes at most `room` bytes in JSON. `tail` keeps the end, else the beginning. */
static void shorten(json_t *object, const char *name, size_t room, bool tail)
{
    json_t     *whole  = json_incref(json_object_get(object, name));
    const char *text   = json_string_value(whole);
    size_t      length = json_string_length(whole), keep = room;

    for (; text != NULL && size_of(json_object_get(object, name)) > room; keep /= 2) {
        size_t from = tail && length > keep ? text_cut(text, length, length - keep) : 0;
        size_t to   = tail ? length : text_cut(text, length, keep);
        (void)json_object_set_new(object, name, json_stringn(text + from, to - from));
    }
    json_decref(whole);
}

static void empty(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (json_is_array(value))
        (void)json_array_clear(value);
    else if (json_is_object(value))
        (void)json_object_clear(value);
}

bool event_fit(json_t *result)
{
    static const char *const EMPTIED[] = {"results", "plots", "variables"};
    json_t                  *output    = json_object_get(result, "output");
    json_t                  *error     = json_object_get(result, "error");

    if (size_of(result) <= SSE_VALUE_MAX)
        return true;
    (void)json_object_set_new(result, "truncated", json_true());
    shorten(output, "stdout", TEXT_KEPT, false);
    shorten(output, "stderr", TEXT_KEPT, false);
    for (size_t i = 0; i < sizeof EMPTIED / sizeof EMPTIED[0] && size_of(result) > SSE_VALUE_MAX; i++)
        empty(output, EMPTIED[i]);
    if (size_of(result) > SSE_VALUE_MAX)
        empty(result, "artifacts");
    if (size_of(result) > SSE_VALUE_MAX)
        shorten(error, "traceback", TEXT_KEPT, true);
    if (size_of(result) > SSE_VALUE_MAX)
        shorten(error, "message", TEXT_KEPT, false);
    return size_of(result) <= SSE_VALUE_MAX;
}
