/*
 * turn.h: whose turn it is to run. So many may run at once, and so many of one line (an API key, or everybody where there are none). When
 * a place is free it goes to the line that has the fewest running, and among equals to the one that was not served for the longest;
 * within a line the first come is the first served.
 */
#ifndef PENNY_TURN_H
#define PENNY_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct turn_line;

/* Of one who may wait; embedded, all zero at the start. */
struct turn {
    TAILQ_ENTRY(turn) entry;
    struct turn_line *line; /* in which it waits; NULL: it does not */
};

struct turn_line {
    TAILQ_ENTRY(turn_line) entry;
    TAILQ_HEAD(turn_list, turn) waiting;
    size_t   waiting_count, running;
    uint32_t limit;  /* 0: none */
    uint64_t served; /* when it was last, by the count of those served */
};

struct turns {
    TAILQ_HEAD(turn_lines, turn_line) lines; /* that have someone waiting */
    uint32_t limit;                          /* 0: none */
    size_t   running;
    uint64_t served;
};

void turn_line_init(struct turn_line *line, uint32_t limit);
void turns_init(struct turns *turns, uint32_t limit);

bool turns_may_run(const struct turns *turns, const struct turn_line *line);
/* Waits at the end of the line; one that waits already goes on waiting where it is. */
void turns_wait(struct turns *turns, struct turn_line *line, struct turn *turn);
void turns_leave(struct turns *turns, struct turn *turn); /* waits no more; one that does not is left alone */
void turns_on_start(struct turns *turns, struct turn_line *line);
void turns_on_stop(struct turns *turns, struct turn_line *line);
/* The next that may run now, taken out of its line; NULL when none may. */
struct turn *turns_next(struct turns *turns);

#endif
