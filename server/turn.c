#include "turn.h"

void turn_line_init(struct turn_line *line, uint32_t limit)
{
    *line = (struct turn_line){.limit = limit};
    TAILQ_INIT(&line->waiting);
}

void turns_init(struct turns *turns, uint32_t limit)
{
    *turns = (struct turns){.limit = limit};
    TAILQ_INIT(&turns->lines);
}

static bool has_room(const struct turn_line *line)
{
    return line->limit == 0 || line->running < line->limit;
}

bool turns_may_run(const struct turns *turns, const struct turn_line *line)
{
    return (turns->limit == 0 || turns->running < turns->limit) && has_room(line);
}

void turns_wait(struct turns *turns, struct turn_line *line, struct turn *turn)
{
    if (turn->line != NULL)
        return;
    turn->line = line;
    TAILQ_INSERT_TAIL(&line->waiting, turn, entry);
    if (line->waiting_count++ == 0)
        TAILQ_INSERT_TAIL(&turns->lines, line, entry);
}

void turns_leave(struct turns *turns, struct turn *turn)
{
    struct turn_line *line = turn->line;
    if (line == NULL)
        return;
    turn->line = NULL;
    TAILQ_REMOVE(&line->waiting, turn, entry);
    if (--line->waiting_count == 0)
        TAILQ_REMOVE(&turns->lines, line, entry);
}

void turns_on_start(struct turns *turns, struct turn_line *line)
{
    turns->running++;
    line->running++;
    line->served = ++turns->served;
}

void turns_on_stop(struct turns *turns, struct turn_line *line)
{
    turns->running--;
    line->running--;
}

static bool goes_before(const struct turn_line *one, const struct turn_line *other)
{
    return one->running != other->running ? one->running < other->running : one->served < other->served;
}

struct turn *turns_next(struct turns *turns)
{
    struct turn_line *line, *best = NULL;
    struct turn      *turn;

    if (turns->limit != 0 && turns->running >= turns->limit)
        return NULL;
    for (line = TAILQ_FIRST(&turns->lines); line != NULL; line = TAILQ_NEXT(line, entry)) {
        if (has_room(line) && (best == NULL || goes_before(line, best)))
            best = line;
    }
    if (best == NULL)
        return NULL;
    turn = TAILQ_FIRST(&best->waiting);
    turns_leave(turns, turn);
    return turn;
}
