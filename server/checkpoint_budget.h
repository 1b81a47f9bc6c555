/*
 * checkpoint_budget.h: how much time may go into copies: a share of the time that passes, saved up to a limit, so that the cells of a
 * person at work are all copied and a loop of thousands is not held up. Pure arithmetic; the caller brings the clock.
 */
#ifndef PENNY_CHECKPOINT_BUDGET_H
#define PENNY_CHECKPOINT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct checkpoint_budget {
    int64_t left;  /* thousandths of microseconds; negative: overdrawn */
    int64_t most;  /* that can be saved up, likewise */
    int64_t at_us; /* monotonic */
    int64_t share; /* in thousandths of the time that passes */
    int64_t brief_us;
};

enum { BUDGET_BRIEF_US = 5000 };

/*
 * Full. Of a time between two calls that is shorter than BUDGET_BRIEF_US at most brief_us count: so much of it was work, and the rest is that
 * others held the processor, which is no reason to take more of it. 0: all of it counts.
 */
void checkpoint_budget_init(struct checkpoint_budget *budget, int64_t most_us, int64_t share, int64_t brief_us, int64_t now_us);
bool checkpoint_budget_allows(struct checkpoint_budget *budget, int64_t now_us);
void checkpoint_budget_spend(struct checkpoint_budget *budget, int64_t cost_us);
/* How long until it allows again; 0: it does. */
int64_t checkpoint_budget_wait_us(struct checkpoint_budget *budget, int64_t now_us);

#endif
