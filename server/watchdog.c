#include "watchdog.h"

enum { BEATS = 3 }; /* in one patience: one may be late without harm */

void watchdog_init(struct watchdog *watchdog, int64_t patience_ms, int64_t now_ms)
{
    *watchdog = (struct watchdog){.patience_ms = patience_ms, .next_ms = patience_ms > 0 ? now_ms : 0};
}

enum watchdog_act watchdog_act(struct watchdog *watchdog, bool can_answer, int64_t now_ms)
{
    if (watchdog->next_ms == 0 || now_ms < watchdog->next_ms)
        return WATCHDOG_WAIT;
    if (watchdog->asked_ms != 0) /* the time in which we did not run ourselves, late as we are, is none in which it was silent */
        watchdog->asked_ms += now_ms - watchdog->next_ms;
    watchdog->next_ms = now_ms + (watchdog->patience_ms + BEATS - 1) / BEATS;
    if (!can_answer)
        watchdog->asked_ms = 0;
    else if (watchdog->asked_ms == 0)
        watchdog->asked_ms = now_ms;
    else if (now_ms - watchdog->asked_ms >= watchdog->patience_ms)
        return WATCHDOG_KILL;
    else
        return WATCHDOG_BEAT;
    return can_answer ? WATCHDOG_ASK : WATCHDOG_BEAT;
}

void watchdog_on_answer(struct watchdog *watchdog)
{
    watchdog->asked_ms = 0;
}
