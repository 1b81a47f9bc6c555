#define _GNU_SOURCE
#include "event.h"

#include <string.h>

static const char *const NAMES[EVENT_KIND_COUNT] = {
    [EVENT_KIND_NONE]          = "",
    [EVENT_KIND_START]         = "start",
    [EVENT_KIND_OUT]           = "stdout",
    [EVENT_KIND_ERR]           = "stderr",
    [EVENT_KIND_PLOT]          = "plot",
    [EVENT_KIND_RESULT]        = "result",
    [EVENT_KIND_VARIABLE]      = "variable",
    [EVENT_KIND_PART]          = "part",
    [EVENT_KIND_INPUT_REQUEST] = "inputRequest",
    [EVENT_KIND_TRUNCATED]     = "truncated",
    [EVENT_KIND_GAP]           = "gap",
    [EVENT_KIND_COMPLETE]      = "complete",
    [EVENT_KIND_ERROR]         = "error",
};

const char *event_kind_name(enum event_kind kind)
{
    return (unsigned)kind < EVENT_KIND_COUNT ? NAMES[kind] : "";
}

bool event_kind_is_terminal(enum event_kind kind)
{
    return kind == EVENT_KIND_COMPLETE || kind == EVENT_KIND_ERROR;
}

bool event_kind_is_text(enum event_kind kind)
{
    return kind == EVENT_KIND_OUT || kind == EVENT_KIND_ERR;
}

bool event_kind_is_output(enum event_kind kind)
{
    return kind >= EVENT_KIND_OUT && kind <= EVENT_KIND_PART;
}

/* What stands between its names, which a value can't imitate, since the search goes from outside. */
bool event_view_data(const struct event_view *event, const char **ret_text, size_t *ret_length)
{
    static const char before[] = ",\"data\":", after[] = ",\"timestamp\":\"";
    const char       *start = memmem(event->json, event->json_length, before, sizeof before - 1), *end;
    if (start == NULL)
        return false;
    start += sizeof before - 1;
    for (end = event->json + event->json_length - (sizeof after - 1); end > start; end--) {
        if (memcmp(end, after, sizeof after - 1) == 0) {
            *ret_text   = start;
            *ret_length = (size_t)(end - start);
            return true;
        }
    }
    return false;
}
