/*
 * checkpoint_line.h: which session is copied next when that is nobody's wish but the service's own. The budget of all together
 * (checkpoint_budget.h) says how many; each is told when it is its turn. Were all told when the budget allows again, thousands of
 * interpreters would fork in the same moment. What a copy costs is known when it is there; until then what they usually cost is spent.
 */
#ifndef PENNY_CHECKPOINT_LINE_H
#define PENNY_CHECKPOINT_LINE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "checkpoint_budget.h"

/* Of one session. Embedded; zero, but for the callback, when it is new. */
struct checkpoint_place {
    TAILQ_ENTRY(checkpoint_place) entry;
    bool    waits, has_turn;
    int64_t spent_us; /* beforehand */
    void (*on_turn)(void *arg);
    void *arg;
};

struct checkpoint_line {
    struct checkpoint_budget budget;
    TAILQ_HEAD(checkpoint_places, checkpoint_place) waiting;
    struct event timer;
    int64_t      usual_us, last_us; /* what one costs; when the last one had its turn */
};

enum {
    CHECKPOINT_PACE_US      = 1000,       /* between two turns, however much is saved up */
    CHECKPOINT_COST_MOST_US = 100 * 1000, /* of one copy is all that the others pay for: what it costs is in part a session's word */
};

void checkpoint_line_init(struct checkpoint_line *line, struct event_base *base, int64_t most_us, int64_t share);
void checkpoint_line_done(struct checkpoint_line *line); /* nobody is in it any more */
/* Whether it is this one's turn, which lasts until checkpoint_line_pay. Else on_turn follows, from the loop. */
bool checkpoint_line_ask(struct checkpoint_line *line, struct checkpoint_place *place);
/* The copy is there, or could not be had, and has cost this; also for one that was taken out of turn. */
void checkpoint_line_pay(struct checkpoint_line *line, struct checkpoint_place *place, int64_t cost_us);
/* It wants none any more; what was not used is given back. */
void checkpoint_line_leave(struct checkpoint_line *line, struct checkpoint_place *place);

#endif
