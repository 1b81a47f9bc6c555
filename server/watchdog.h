/*
 * watchdog.h: when the supervisor tells the service manager that it lives, and asks the server process whether that does. One that does
 * not answer is killed, by which nothing is lost: the next goes on with its sessions. So the manager, which would end them all, need not act.
 */
#ifndef PENNY_WATCHDOG_H
#define PENNY_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

enum watchdog_act { WATCHDOG_WAIT, WATCHDOG_BEAT, WATCHDOG_ASK, WATCHDOG_KILL }; /* BEAT is part of ASK and KILL, too */

struct watchdog {
    int64_t patience_ms; /* 0: there is none */
    int64_t next_ms;     /* monotonic: the next beat; 0: there is none */
    int64_t asked_ms;    /* monotonic: what has not been answered yet; 0: nothing */
};

void watchdog_init(struct watchdog *watchdog, int64_t patience_ms, int64_t now_ms);
/* What is to be done now. `can_answer`: a server process is there. */
enum watchdog_act watchdog_act(struct watchdog *watchdog, bool can_answer, int64_t now_ms);
void              watchdog_on_answer(struct watchdog *watchdog);

#endif
