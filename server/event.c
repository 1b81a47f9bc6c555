#include "event.h"

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
