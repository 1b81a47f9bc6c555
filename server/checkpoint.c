#define _GNU_SOURCE
#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

void checkpoints_init(struct checkpoints *all)
{
    *all = (struct checkpoints){.base = 0};
    TAILQ_INIT(&all->list);
}

void checkpoints_done(struct checkpoints *all)
{
    while (!TAILQ_EMPTY(&all->list)) {
        struct checkpoint *first = TAILQ_FIRST(&all->list);
        TAILQ_REMOVE(&all->list, first, entry);
        free(first);
    }
}

static const struct checkpoint *any_at(const struct checkpoints *all, uint64_t state)
{
    const struct checkpoint *one;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (one->state == state)
            return one;
    }
    return NULL;
}

/* What lies before a copy of this state, given where the session is. */
static uint64_t before(const struct checkpoints *all, uint64_t state)
{
    const struct checkpoint *twin = any_at(all, state);
    return twin != NULL ? twin->before : all->base;
}

const char *checkpoint_mode_name(enum checkpoint_mode mode)
{
    static const char *const names[CHECKPOINT_MODES] = {"adaptive", "always", "off"};
    return names[mode];
}

void checkpoints_name(struct checkpoints *all, struct checkpoint *checkpoint, const char *name)
{
    all->numbered++;
    checkpoint->is_named   = true;
    checkpoint->created_ms = json_time_now();
    if (name[0] == '\0')
        (void)snprintf(checkpoint->name, sizeof checkpoint->name, "checkpoint %llu", (unsigned long long)all->numbered);
    else
        (void)snprintf(checkpoint->name, sizeof checkpoint->name, "%s", name);
}

void checkpoints_unname(struct checkpoint *checkpoint)
{
    checkpoint->is_named = false;
    checkpoint->name[0]  = '\0';
}

struct checkpoint *checkpoints_add(struct checkpoints *all, const char *name, int32_t pid, uint64_t state)
{
    struct checkpoint *one = calloc(1, sizeof *one);
    if (one == NULL)
        return NULL;
    id_make(&one->id);
    id_format(&one->id, one->id_text);
    if (name != NULL)
        checkpoints_name(all, one, name);
    one->status     = CHECKPOINT_PARKED;
    one->pid        = pid;
    one->state      = state;
    one->before     = before(all, state);
    one->created_ms = json_time_now();
    all->base       = state;
    TAILQ_INSERT_TAIL(&all->list, one, entry);
    return one;
}

/* Who came after it comes after what was before it, unless there is another copy of the same state. */
static void relink(struct checkpoints *all, const struct checkpoint *gone)
{
    struct checkpoint *one;
    if (any_at(all, gone->state) != NULL)
        return;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (one->before == gone->state)
            one->before = gone->before;
    }
    if (all->base == gone->state)
        all->base = gone->before;
}

void checkpoints_remove(struct checkpoints *all, struct checkpoint *checkpoint)
{
    TAILQ_REMOVE(&all->list, checkpoint, entry);
    relink(all, checkpoint);
    free(checkpoint);
}

static void forget_oldest_lost(struct checkpoints *all)
{
    struct checkpoint *one, *oldest = NULL;
    size_t             lost = 0;
    TAILQ_FOREACH_REVERSE(one, &all->list, checkpoint_list, entry)
    {
        if (one->status != CHECKPOINT_LOST)
            continue;
        oldest = one;
        lost++;
    }
    if (lost > CHECKPOINTS_LOST_MAX)
        checkpoints_remove(all, oldest);
}

void checkpoints_lose(struct checkpoints *all, struct checkpoint *checkpoint)
{
    if (!checkpoint->is_named) {
        checkpoints_remove(all, checkpoint);
        return;
    }
    checkpoint->status = CHECKPOINT_LOST;
    checkpoint->pid    = 0;
    forget_oldest_lost(all);
}

void checkpoints_return(struct checkpoints *all, const struct checkpoint *checkpoint)
{
    all->base = checkpoint->state;
}

void checkpoints_leave(struct checkpoints *all)
{
    all->base = 0;
}

struct checkpoint *checkpoints_find(const struct checkpoints *all, const char *text)
{
    struct checkpoint *one, *lost = NULL;
    TAILQ_FOREACH_REVERSE(one, &all->list, checkpoint_list, entry)
    {
        if (!one->is_named || (text != NULL && strcasecmp(one->id_text, text) != 0 && strcmp(one->name, text) != 0))
            continue;
        if (one->status != CHECKPOINT_LOST)
            return one;
        if (lost == NULL)
            lost = one;
    }
    return text != NULL ? lost : NULL;
}

struct checkpoint *checkpoints_of_pid(const struct checkpoints *all, int32_t pid)
{
    struct checkpoint *one;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (one->pid == pid && one->status != CHECKPOINT_LOST)
            return one;
    }
    return NULL;
}

struct checkpoint *checkpoints_at(const struct checkpoints *all, uint64_t state)
{
    struct checkpoint *one;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (one->state == state && one->status == CHECKPOINT_PARKED)
            return one;
    }
    return NULL;
}

struct checkpoint *checkpoints_nearest(const struct checkpoints *all)
{
    uint64_t state = all->base;
    while (state != 0) {
        struct checkpoint       *parked = checkpoints_at(all, state);
        const struct checkpoint *any    = any_at(all, state);
        if (parked != NULL)
            return parked;
        state = any != NULL && any->before < state ? any->before : 0;
    }
    return NULL;
}

struct checkpoint *checkpoints_oldest_own(const struct checkpoints *all, const struct checkpoint *but)
{
    struct checkpoint *one;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (!one->is_named && one != but && one->status == CHECKPOINT_PARKED)
            return one;
    }
    return NULL;
}

size_t checkpoints_count_named(const struct checkpoints *all)
{
    const struct checkpoint *one;
    size_t                   count = 0;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        count += one->is_named && one->status != CHECKPOINT_LOST;
    }
    return count;
}

uint64_t checkpoints_own_bytes(const struct checkpoints *all)
{
    const struct checkpoint *one;
    uint64_t                 bytes = 0;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (!one->is_named && one->status == CHECKPOINT_PARKED)
            bytes += one->memory_bytes;
    }
    return bytes;
}

json_t *checkpoint_write(const struct checkpoint *checkpoint)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:I}", "id", checkpoint->id_text, "name", checkpoint->name, "createdAt",
                     json_time(checkpoint->created_ms), "executionCount", (json_int_t)checkpoint->execution_count, "memory",
                     (json_int_t)checkpoint->memory_bytes);
}

json_t *checkpoints_write(const struct checkpoints *all)
{
    json_t                  *array = json_array();
    const struct checkpoint *one;
    TAILQ_FOREACH(one, &all->list, entry)
    {
        if (one->is_named && one->status != CHECKPOINT_LOST)
            (void)json_array_append_new(array, checkpoint_write(one));
    }
    return array;
}
