/* worker_rule.h: what a worker may say, and when. */
#ifndef PENNY_WORKER_RULE_H
#define PENNY_WORKER_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

enum worker_state {
    WORKER_SPAWNING, /* asked of the zygote */
    WORKER_STARTING, /* the jail is there, the interpreter has not said READY yet */
    WORKER_IDLE,
    WORKER_BUSY,       /* runs a cell */
    WORKER_INPUT,      /* runs a cell that waits for input() */
    WORKER_INSPECTING, /* answers a REQUEST_INSPECT */
    WORKER_PARKING,    /* forks a copy of itself: REQUEST_PARK */
    WORKER_WAKING,     /* the interpreter has died, a parked copy takes its place but has not said READY yet */
    WORKER_ABSENT,     /* the interpreter has died, init lives */
    WORKER_ENDING,     /* the jail is being ended */
    WORKER_STATE_COUNT
};

const char *worker_state_name(enum worker_state state);

/* 256 rules for frame_reader_init: how long each type of frame may be. */
const struct frame_rule *worker_rule_table(void);

/* Whether a frame of this type may come in this state. */
bool worker_rule_permits(enum worker_state state, uint8_t type);

/* Whether a frame of this type must carry the number of the execution that runs. Text need not: a thread of an earlier cell may speak. */
bool worker_rule_names_execution(uint8_t type);

#endif
