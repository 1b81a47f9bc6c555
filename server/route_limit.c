/*
 * route_limit.c: requests per window and client address, in a table of fixed size: a flood of addresses costs no memory, it only
 * makes the longest known ones be forgotten. IPv6 clients are counted by their /64, which is what one of them has.
 */
#include "route_limit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BUCKETS = 1024, WAYS = 4 };

struct slot {
    uint64_t key; /* 0: free */
    int64_t  start_ms;
    uint32_t count;
};

struct route_limit {
    uint32_t    max, window_ms;
    uint64_t    seed;
    struct slot slots[BUCKETS][WAYS];
};

struct route_limit *route_limit_new(uint32_t max, uint32_t window_ms)
{
    struct route_limit *limit = calloc(1, sizeof *limit);

    if (limit == NULL)
        return NULL;
    limit->max       = max;
    limit->window_ms = window_ms;
    if (getrandom(&limit->seed, sizeof limit->seed, 0) != sizeof limit->seed) {
        free(limit);
        return NULL;
    }
    return limit;
}

void route_limit_free(struct route_limit *limit)
{
    free(limit);
}

/* Multiply and fold; seeded, so that nobody can aim at one bucket. */
static uint64_t mix(uint64_t hash, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static uint64_t key_of(const struct route_limit *limit, const char *peer)
{
    struct in6_addr six;
    uint64_t        key;

    if (inet_pton(AF_INET6, peer, &six) == 1)
        key = mix(limit->seed, six.s6_addr, 8);
    else
        key = mix(limit->seed, (const unsigned char *)peer, strlen(peer));
    return key != 0 ? key : 1;
}

/* The client's slot: its own, a free one, one whose window is over, or the oldest. */
static struct slot *slot_of(struct route_limit *limit, uint64_t key, int64_t now_ms)
{
    struct slot *bucket = limit->slots[key % BUCKETS], *best = &bucket[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].key == key && now_ms - bucket[i].start_ms < limit->window_ms)
            return &bucket[i];
    }
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].key == 0 || bucket[i].key == key) {
            best = &bucket[i];
            break;
        }
        if (bucket[i].start_ms < best->start_ms)
            best = &bucket[i];
    }
    *best = (struct slot){.key = key, .start_ms = now_ms};
    return best;
}

bool route_limit_take(struct route_limit *limit, const char *peer, int64_t now_ms, uint32_t *ret_remaining, uint32_t *ret_reset_s)
{
    struct slot *slot = slot_of(limit, key_of(limit, peer), now_ms);
    bool         good = slot->count < limit->max;

    if (good)
        slot->count++;
    *ret_remaining = limit->max - slot->count;
    *ret_reset_s   = (uint32_t)((slot->start_ms + limit->window_ms - now_ms + 999) / 1000);
    return good;
}
