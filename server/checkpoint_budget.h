/*
 * checkpoint_budget.h: how much time may go into copies: a share of the time that passes, saved up to a limit, so that the cells of a
 * person at work are all copied and a loop of thousands is not held up. Pure arithmetic; the caller brings the clock.
 */
#ifndef PENNY_CHECKPOINT_BUDGET_H
#define PENNY_CHECKPOINT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct checkpoint_budget {
    int64_t left_us; /* negative: overdrawn */
    int64_t at_us;   /* monotonic */
    int64_t most_us; /* that can be saved up */
    int64_t share;   /* in thousandths of the time that passes */
};

/* Full. */
void checkpoint_budget_init(struct checkpoint_budget *budget, int64_t most_us, int64_t share, int64_t now_us);
bool checkpoint_budget_allows(struct checkpoint_budget *budget, int64_t now_us);
void checkpoint_budget_spend(struct checkpoint_budget *budget, int64_t cost_us);
/* How long until it allows again; 0: it does. */
int64_t checkpoint_budget_wait_us(struct checkpoint_budget *budget, int64_t now_us);

#endif
