#include "checkpoint_line.h"

#include "metrics.h"

enum { USUAL_FIRST_US = 2000, USUAL_WEIGHT = 8 /* of what it was, against the last one */ };

static int64_t wait_us(struct checkpoint_line *line, int64_t now_us)
{
    int64_t budget = checkpoint_budget_wait_us(&line->budget, now_us), pace = line->last_us + CHECKPOINT_PACE_US - now_us;
    return pace > budget ? pace : budget;
}

static void arm(struct checkpoint_line *line, int64_t now_us)
{
    int64_t        wait  = wait_us(line, now_us);
    struct timeval after = {.tv_sec = wait > 0 ? wait / 1000000 : 0, .tv_usec = wait > 0 ? wait % 1000000 : 0};
    if (!TAILQ_EMPTY(&line->waiting) && !evtimer_pending(&line->timer, NULL))
        (void)evtimer_add(&line->timer, &after);
}

static void give_turn(struct checkpoint_line *line, struct checkpoint_place *place, int64_t now_us)
{
    place->has_turn = true;
    place->spent_us = line->usual_us;
    line->last_us   = now_us;
    checkpoint_budget_spend(&line->budget, place->spent_us);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct checkpoint_line  *line   = arg;
    struct checkpoint_place *first  = TAILQ_FIRST(&line->waiting);
    int64_t                  now_us = metrics_now_us();
    (void)fd;
    (void)what;
    if (first != NULL && wait_us(line, now_us) <= 0) {
        TAILQ_REMOVE(&line->waiting, first, entry);
        first->waits = false;
        give_turn(line, first, now_us);
        first->on_turn(first->arg);
    }
    arm(line, now_us);
}

void checkpoint_line_init(struct checkpoint_line *line, struct event_base *base, int64_t most_us, int64_t share)
{
    *line = (struct checkpoint_line){.usual_us = USUAL_FIRST_US};
    checkpoint_budget_init(&line->budget, most_us, share, 0, metrics_now_us());
    TAILQ_INIT(&line->waiting);
    (void)evtimer_assign(&line->timer, base, on_timer, line);
}

void checkpoint_line_done(struct checkpoint_line *line)
{
    (void)evtimer_del(&line->timer);
}

bool checkpoint_line_ask(struct checkpoint_line *line, struct checkpoint_place *place)
{
    int64_t now_us = metrics_now_us();
    if (place->has_turn)
        return true;
    if (TAILQ_EMPTY(&line->waiting) && wait_us(line, now_us) <= 0) {
        give_turn(line, place, now_us);
        return true;
    }
    if (!place->waits)
        TAILQ_INSERT_TAIL(&line->waiting, place, entry);
    place->waits = true;
    arm(line, now_us);
    return false;
}

static void take_back(struct checkpoint_line *line, struct checkpoint_place *place)
{
    checkpoint_budget_spend(&line->budget, -place->spent_us);
    place->spent_us = 0;
    place->has_turn = false;
}

void checkpoint_line_pay(struct checkpoint_line *line, struct checkpoint_place *place, int64_t cost_us)
{
    take_back(line, place);
    if (cost_us > CHECKPOINT_COST_MOST_US)
        cost_us = CHECKPOINT_COST_MOST_US;
    checkpoint_budget_spend(&line->budget, cost_us);
    line->usual_us = (line->usual_us * (USUAL_WEIGHT - 1) + cost_us) / USUAL_WEIGHT;
}

void checkpoint_line_leave(struct checkpoint_line *line, struct checkpoint_place *place)
{
    if (place->waits)
        TAILQ_REMOVE(&line->waiting, place, entry);
    place->waits = false;
    take_back(line, place);
}
