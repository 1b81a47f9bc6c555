#include "ended.h"

#include <stdlib.h>

#include "table.h"

struct ended {
    struct table     *by_id;
    struct ended_list list;
};

struct ended *ended_new(void)
{
    struct ended *ended = calloc(1, sizeof *ended);
    if (ended == NULL)
        return NULL;
    TAILQ_INIT(&ended->list);
    ended->by_id = table_new(ID_BYTES);
    if (ended->by_id == NULL) {
        free(ended);
        return NULL;
    }
    return ended;
}

static void drop(struct ended *ended, struct ended_session *session)
{
    (void)table_take(ended->by_id, &session->id);
    TAILQ_REMOVE(&ended->list, session, entry);
    free(session);
}

void ended_free(struct ended *ended)
{
    if (ended == NULL)
        return;
    while (!TAILQ_EMPTY(&ended->list))
        drop(ended, TAILQ_FIRST(&ended->list));
    table_free(ended->by_id);
    free(ended);
}

void ended_add(struct ended *ended, const struct ended_session *session)
{
    struct ended_session *former = table_get(ended->by_id, &session->id), *copy = malloc(sizeof *copy);
    if (former != NULL)
        drop(ended, former);
    if (copy == NULL)
        return;
    while (table_count(ended->by_id) >= ENDED_MAX)
        drop(ended, TAILQ_FIRST(&ended->list));
    *copy = *session;
    if (table_put(ended->by_id, &copy->id, copy) < 0) {
        free(copy);
        return;
    }
    TAILQ_INSERT_TAIL(&ended->list, copy, entry);
    ended_sweep(ended, session->ended_ms);
}

const struct ended_session *ended_find(const struct ended *ended, const struct id *id)
{
    return table_get(ended->by_id, id);
}

void ended_sweep(struct ended *ended, int64_t now_ms)
{
    while (!TAILQ_EMPTY(&ended->list) && TAILQ_FIRST(&ended->list)->ended_ms + ENDED_KEEP_MS < now_ms)
        drop(ended, TAILQ_FIRST(&ended->list));
}

const struct ended_list *ended_list(const struct ended *ended)
{
    return &ended->list;
}
