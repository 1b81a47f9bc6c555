#define _GNU_SOURCE
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SLOTS_MIN = 64 };

struct entry {
    struct entry *next;
    uint64_t      hash;
    void         *value;
    unsigned char key[TABLE_KEY_MAX];
};

struct table {
    struct entry **slots;
    size_t         slot_count; /* a power of two */
    size_t         count;
    size_t         key_bytes;
    uint64_t       seed[2];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

static uint64_t hash_of(const struct table *table, const void *key)
{
    uint64_t words[2] = {0, 0};
    memcpy(words, key, table->key_bytes);
    return mix(mix(words[0] ^ table->seed[0]) ^ words[1] ^ table->seed[1]);
}

struct table *table_new(size_t key_bytes)
{
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->key_bytes  = key_bytes;
    table->slot_count = SLOTS_MIN;
    table->slots      = calloc(table->slot_count, sizeof(struct entry *));
    while (getrandom(table->seed, sizeof table->seed, 0) != (ssize_t)sizeof table->seed)
        continue;
    if (table->slots == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->slot_count; i++) {
        for (struct entry *e = table->slots[i], *next; e != NULL; e = next) {
            next = e->next;
            free(e);
        }
    }
    free(table->slots);
    free(table);
}

/* The link that points at the entry of this key, or at the NULL where it would be appended. */
static struct entry **find(const struct table *table, const void *key, uint64_t hash)
{
    struct entry **link = &table->slots[hash & (table->slot_count - 1)];
    while (*link != NULL && ((*link)->hash != hash || memcmp((*link)->key, key, table->key_bytes) != 0))
        link = &(*link)->next;
    return link;
}

/* Failing to grow is no failure: the chains are longer, that is all. */
static void grow(struct table *table)
{
    size_t         wanted = table->slot_count * 2;
    struct entry **slots  = calloc(wanted, sizeof(struct entry *));
    if (slots == NULL)
        return;
    for (size_t i = 0; i < table->slot_count; i++) {
        for (struct entry *e = table->slots[i], *next; e != NULL; e = next) {
            next                          = e->next;
            e->next                       = slots[e->hash & (wanted - 1)];
            slots[e->hash & (wanted - 1)] = e;
        }
    }
    free(table->slots);
    table->slots      = slots;
    table->slot_count = wanted;
}

int table_put(struct table *table, const void *key, void *value)
{
    uint64_t       hash = hash_of(table, key);
    struct entry **link = find(table, key, hash);
    if (*link == NULL) {
        struct entry *e = calloc(1, sizeof *e);
        if (e == NULL)
            return -1;
        memcpy(e->key, key, table->key_bytes);
        e->hash = hash;
        *link   = e;
        table->count++;
    }
    (*link)->value = value;
    if (table->count > table->slot_count)
        grow(table);
    return 0;
}

void *table_get(const struct table *table, const void *key)
{
    struct entry *e = *find(table, key, hash_of(table, key));
    return e != NULL ? e->value : NULL;
}

void *table_take(struct table *table, const void *key)
{
    struct entry **link = find(table, key, hash_of(table, key)), *e = *link;
    void          *value;
    if (e == NULL)
        return NULL;
    *link = e->next;
    value = e->value;
    free(e);
    table->count--;
    return value;
}

size_t table_count(const struct table *table)
{
    return table->count;
}

void table_each(struct table *table, void (*on_value)(void *value, void *arg), void *arg)
{
    for (size_t i = 0; i < table->slot_count; i++) {
        for (struct entry *e = table->slots[i], *next; e != NULL; e = next) {
            next = e->next;
            on_value(e->value, arg);
        }
    }
}
