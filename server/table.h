/*
 * table.h: a hash table from a key of fixed size (an id, a serial number) to a pointer. The hash is seeded at random, since
 * clients may choose session ids. Nothing is owned: neither keys (copied) nor values.
 */
#ifndef PENNY_TABLE_H
#define PENNY_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_KEY_MAX = 16 };

struct table;

/* key_bytes: 1..TABLE_KEY_MAX. Returns NULL when memory is short. */
struct table *table_new(size_t key_bytes);
void          table_free(struct table *table);

/* Adds or replaces. Returns 0, or -1 when memory is short (the table is then as before). */
int    table_put(struct table *table, const void *key, void *value);
void  *table_get(const struct table *table, const void *key); /* NULL: not there */
void  *table_take(struct table *table, const void *key);      /* removes; returns what was there or NULL */
size_t table_count(const struct table *table);

/* Calls on_value for each value, in no order. It may take this very entry out, but change nothing else. */
void table_each(struct table *table, void (*on_value)(void *value, void *arg), void *arg);

#endif
