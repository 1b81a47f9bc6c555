#include "worker_rule.h"

enum { KB = 1024, MB = 1024 * 1024 };

static const struct frame_rule rules[256] = {
    [EVENT_READY]         = {.limit = 4 * KB},
    [EVENT_STDOUT]        = {.limit = FRAME_PAYLOAD_MAX, .parts = true},
    [EVENT_STDERR]        = {.limit = FRAME_PAYLOAD_MAX, .parts = true},
    [EVENT_DISPLAY]       = {.limit = 8 * MB},
    [EVENT_PLOT]          = {.limit = 8 * MB},
    [EVENT_VARIABLE]      = {.limit = 2 * MB},
    [EVENT_INPUT_REQUEST] = {.limit = 64 * KB},
    [EVENT_DONE]          = {.limit = 1 * MB},
    [EVENT_REPLY]         = {.limit = 16 * MB},
    [EVENT_PONG]          = {.limit = 16},
    [EVENT_PARKED]        = {.limit = 4 * KB},
};

#define STATE(state) (1u << (state))

enum {
    RUNNING = STATE(WORKER_BUSY) | STATE(WORKER_INPUT),
    /* Threads that outlive their cell may speak while nothing runs. */
    ANY_TIME = RUNNING | STATE(WORKER_IDLE) | STATE(WORKER_INSPECTING) | STATE(WORKER_PARKING),
};

/* By type: the states in which it may come. */
static const uint16_t permitted[256] = {
    [EVENT_READY]         = STATE(WORKER_STARTING) | STATE(WORKER_WAKING),
    [EVENT_STDOUT]        = ANY_TIME,
    [EVENT_STDERR]        = ANY_TIME,
    [EVENT_DISPLAY]       = ANY_TIME,
    [EVENT_PLOT]          = ANY_TIME,
    [EVENT_VARIABLE]      = RUNNING,
    [EVENT_INPUT_REQUEST] = RUNNING, /* again, after an interrupted one */
    [EVENT_DONE]          = RUNNING,
    [EVENT_REPLY]         = STATE(WORKER_INSPECTING),
    [EVENT_PONG]          = ANY_TIME, /* worker_heard.c knows whether one is due */
    [EVENT_PARKED]        = STATE(WORKER_PARKING),
};

const char *worker_state_name(enum worker_state state)
{
    static const char *const names[WORKER_STATE_COUNT] = {
        [WORKER_SPAWNING] = "spawning", [WORKER_STARTING] = "starting",     [WORKER_IDLE] = "idle",       [WORKER_BUSY] = "busy",
        [WORKER_INPUT] = "input",       [WORKER_INSPECTING] = "inspecting", [WORKER_PARKING] = "parking", [WORKER_WAKING] = "waking",
        [WORKER_ABSENT] = "absent",     [WORKER_ENDING] = "ending",
    };
    return names[state];
}

const struct frame_rule *worker_rule_table(void)
{
    return rules;
}

bool worker_rule_permits(enum worker_state state, uint8_t type)
{
    return (permitted[type] & STATE(state)) != 0;
}

bool worker_rule_names_execution(uint8_t type)
{
    return type == EVENT_VARIABLE || type == EVENT_INPUT_REQUEST || type == EVENT_DONE || type == EVENT_REPLY;
}
