/*
 * tenant.h: one API key's owner: what it may do, and how much of it. A NULL tenant is everybody, where there are no keys: it may do all
 * that the service allows.
 */
#ifndef PENNY_TENANT_H
#define PENNY_TENANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "turn.h"

enum { TENANT_NAME_BYTES = 64, TENANT_DIGEST_BYTES = 32, TENANT_KEYS_MAX = 4 };

/* 0: no limit. */
struct tenant_quota {
    uint32_t sessions;   /* alive at once */
    uint32_t executions; /* running at once; more wait for their turn */
    uint32_t cpu_s;      /* processor seconds a minute */
    uint32_t requests;   /* a minute */
};

enum { PROFILE_STANDARD = 1, PROFILE_OPEN = 2 };

struct tenant {
    char                name[TENANT_NAME_BYTES];
    unsigned char       digests[TENANT_KEYS_MAX][TENANT_DIGEST_BYTES]; /* SHA-256 of its keys */
    size_t              digest_count;                                  /* 0: its keys were taken away */
    bool                only_metrics;                                  /* may read GET /metrics and nothing else */
    bool                is_operator;                                   /* may drain the instance and move anybody's session */
    unsigned            profiles;                                      /* import profiles it may choose; 0: as the service */
    char                profile[16];                                   /* of its sessions that name none; "": as the service */
    struct tenant_quota quota;
    struct turn_line    line;
    size_t              sessions;
    int64_t             window_ms; /* when the present minute of requests began */
    uint32_t            window_requests;
    int64_t             cpu_left_us, cpu_at_ms; /* of the budget, as it was at that time; below 0: used in advance */
};

void        tenant_init(struct tenant *tenant, const char *name);
void        tenant_set_quota(struct tenant *tenant, const struct tenant_quota *quota);
const char *tenant_name(const struct tenant *tenant); /* "anonymous" of NULL */

/* The PROFILE_ bit of "standard" or "open"; 0: neither. */
unsigned tenant_profile_bit(const char *profile);

/* Counts one request. Returns false when it is one too many. now_ms: monotonic, also below. */
bool tenant_take_request(struct tenant *tenant, int64_t now_ms, uint32_t *ret_remaining, uint32_t *ret_reset_s);
/* Whether it may have `count` sessions more. Returns 0; or -1 with err (EDQUOT). */
int  tenant_check_sessions(const struct tenant *tenant, size_t count, struct err *err);
void tenant_count_session(struct tenant *tenant, int change);
/* Returns 0, or -1 with err (EDQUOT) when its processor time is used up. */
int tenant_check_cpu(struct tenant *tenant, int64_t now_ms, struct err *err);
/* Whether one more execution is taken on, to run or to wait. Returns 0, or -1 with err (EDQUOT). */
int  tenant_check_run(struct tenant *tenant, bool may_queue, uint32_t max_waiting, int64_t now_ms, struct err *err);
void tenant_charge(struct tenant *tenant, uint64_t cpu_us, int64_t now_ms);
/* Seconds until its processor time is enough again; at least 1. For Retry-After. */
int tenant_retry_s(struct tenant *tenant, int64_t now_ms);

#endif
