#include "checkpoint_budget.h"

void checkpoint_budget_init(struct checkpoint_budget *budget, int64_t most_us, int64_t share, int64_t now_us)
{
    *budget = (struct checkpoint_budget){.left_us = most_us, .at_us = now_us, .most_us = most_us, .share = share};
}

static void save(struct checkpoint_budget *budget, int64_t now_us)
{
    int64_t gain = (now_us - budget->at_us) * budget->share / 1000;
    if (gain <= 0)
        return; /* too little to count yet: at_us stays, so that it is not lost */
    budget->at_us = now_us;
    budget->left_us += gain;
    if (budget->left_us > budget->most_us)
        budget->left_us = budget->most_us;
}

bool checkpoint_budget_allows(struct checkpoint_budget *budget, int64_t now_us)
{
    save(budget, now_us);
    return budget->left_us >= 0;
}

void checkpoint_budget_spend(struct checkpoint_budget *budget, int64_t cost_us)
{
    budget->left_us -= cost_us;
}

int64_t checkpoint_budget_wait_us(struct checkpoint_budget *budget, int64_t now_us)
{
    if (checkpoint_budget_allows(budget, now_us))
        return 0;
    return -budget->left_us * 1000 / budget->share + 1;
}
