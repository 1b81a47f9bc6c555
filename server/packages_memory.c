#define _GNU_SOURCE
#include "packages_memory.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

struct packages_remembered {
    TAILQ_ENTRY(packages_remembered) entry;
    char                  *key;
    struct packages_answer answer;
    int64_t                made_ms;
};

bool packages_memory_init(struct packages_memory *memory, int64_t lasts_ms)
{
    *memory = (struct packages_memory){.lasts_ms = lasts_ms, .newest = json_object()};
    TAILQ_INIT(&memory->answers);
    return memory->newest != NULL;
}

static void forget(struct packages_memory *memory, struct packages_remembered *one)
{
    TAILQ_REMOVE(&memory->answers, one, entry);
    memory->count--;
    free(one->key);
    json_decref(one->answer.layers);
    json_decref(one->answer.satisfied);
    free(one);
}

void packages_memory_done(struct packages_memory *memory)
{
    while (!TAILQ_EMPTY(&memory->answers))
        forget(memory, TAILQ_FIRST(&memory->answers));
    json_decref(memory->newest);
}

static struct packages_remembered *find(struct packages_memory *memory, const char *key)
{
    struct packages_remembered *one, *next;
    int64_t                     now = json_time_monotonic();
    for (one = TAILQ_FIRST(&memory->answers); one != NULL; one = next) {
        next = TAILQ_NEXT(one, entry);
        if (now - one->made_ms > memory->lasts_ms)
            forget(memory, one);
        else if (strcmp(one->key, key) == 0)
            return one;
    }
    return NULL;
}

const struct packages_answer *packages_memory_find(struct packages_memory *memory, const char *key)
{
    struct packages_remembered *one = find(memory, key);
    return one != NULL ? &one->answer : NULL;
}

void packages_memory_add(struct packages_memory *memory, const char *key, const struct packages_answer *answer)
{
    struct packages_remembered *one = find(memory, key);
    json_t                     *layer;
    size_t                      i;

    json_array_foreach(answer->layers, i, layer)(void)
        json_object_set(memory->newest, json_string_value(json_object_get(layer, "name")), layer);
    if (one != NULL)
        forget(memory, one);
    if (memory->count >= PACKAGES_MEMORY_MAX)
        forget(memory, TAILQ_FIRST(&memory->answers));
    one = calloc(1, sizeof *one);
    if (one == NULL || (one->key = strdup(key)) == NULL) {
        free(one);
        return;
    }
    one->answer  = (struct packages_answer){json_incref(answer->layers), json_incref(answer->satisfied)};
    one->made_ms = json_time_monotonic();
    TAILQ_INSERT_TAIL(&memory->answers, one, entry);
    memory->count++;
}
