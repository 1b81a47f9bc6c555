#include "checkpoint_budget.h"

void checkpoint_budget_init(struct checkpoint_budget *budget, int64_t most_us, int64_t share, int64_t brief_us, int64_t now_us)
{
    *budget =
        (struct checkpoint_budget){.left = most_us * 1000, .at_us = now_us, .most = most_us * 1000, .share = share, .brief_us = brief_us};
}

static void save(struct checkpoint_budget *budget, int64_t now_us)
{
    int64_t passed = now_us - budget->at_us;
    if (passed < BUDGET_BRIEF_US && budget->brief_us > 0 && passed > budget->brief_us)
        passed = budget->brief_us;
    budget->at_us = now_us;
    budget->left += passed * budget->share;
    if (budget->left > budget->most)
        budget->left = budget->most;
}

bool checkpoint_budget_allows(struct checkpoint_budget *budget, int64_t now_us)
{
    save(budget, now_us);
    return budget->left >= 0;
}

void checkpoint_budget_spend(struct checkpoint_budget *budget, int64_t cost_us)
{
    budget->left -= cost_us * 1000;
}

int64_t checkpoint_budget_wait_us(struct checkpoint_budget *budget, int64_t now_us)
{
    if (checkpoint_budget_allows(budget, now_us))
        return 0;
    return -budget->left / budget->share + 1;
}
