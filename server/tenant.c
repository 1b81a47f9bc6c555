#include "tenant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"

enum { WINDOW_MS = 60000 };

void tenant_init(struct tenant *tenant, const char *name)
{
    *tenant = (struct tenant){0};
    (void)snprintf(tenant->name, sizeof tenant->name, "%s", name);
    turn_line_init(&tenant->line, 0);
}

void tenant_set_quota(struct tenant *tenant, const struct tenant_quota *quota)
{
    if (quota->cpu_s != tenant->quota.cpu_s)
        tenant->cpu_left_us = (int64_t)quota->cpu_s * 1000000;
    tenant->quota      = *quota;
    tenant->line.limit = quota->executions;
}

const char *tenant_name(const struct tenant *tenant)
{
    return tenant != NULL ? tenant->name : "anonymous";
}

unsigned tenant_profile_bit(const char *profile)
{
    return strcmp(profile, "standard") == 0 ? PROFILE_STANDARD : strcmp(profile, "open") == 0 ? PROFILE_OPEN : 0;
}

bool tenant_take_request(struct tenant *tenant, int64_t now_ms, uint32_t *ret_remaining, uint32_t *ret_reset_s)
{
    bool good;
    if (now_ms - tenant->window_ms >= WINDOW_MS || tenant->window_ms == 0) {
        tenant->window_ms       = now_ms;
        tenant->window_requests = 0;
    }
    good = tenant->window_requests < tenant->quota.requests;
    if (good)
        tenant->window_requests++;
    *ret_remaining = tenant->quota.requests > tenant->window_requests ? tenant->quota.requests - tenant->window_requests : 0;
    *ret_reset_s   = (uint32_t)((tenant->window_ms + WINDOW_MS - now_ms + 999) / 1000);
    return good;
}

int tenant_check_sessions(const struct tenant *tenant, size_t count, struct err *err)
{
    if (tenant == NULL || tenant->quota.sessions == 0 || tenant->sessions + count <= tenant->quota.sessions)
        return 0;
    metrics_deny(METRICS_DENIED_KEY_SESSIONS);
    return err_set(err, EDQUOT, "this key has %zu sessions already, and %u is its quota", tenant->sessions, tenant->quota.sessions);
}

void tenant_count_session(struct tenant *tenant, int change)
{
    if (tenant != NULL)
        tenant->sessions = (size_t)((ptrdiff_t)tenant->sessions + change);
}

static int64_t budget_us(const struct tenant *tenant)
{
    return (int64_t)tenant->quota.cpu_s * 1000000;
}

static void refill(struct tenant *tenant, int64_t now_ms)
{
    int64_t budget = budget_us(tenant), passed_ms = now_ms - tenant->cpu_at_ms;
    if (tenant->cpu_at_ms == 0 || passed_ms > 24 * 3600 * 1000)
        passed_ms = 24 * 3600 * 1000;
    tenant->cpu_left_us += passed_ms * budget / WINDOW_MS;
    if (tenant->cpu_left_us > budget)
        tenant->cpu_left_us = budget;
    tenant->cpu_at_ms = now_ms;
}

int tenant_check_cpu(struct tenant *tenant, int64_t now_ms, struct err *err)
{
    if (tenant == NULL || tenant->quota.cpu_s == 0)
        return 0;
    refill(tenant, now_ms);
    if (tenant->cpu_left_us > 0)
        return 0;
    metrics_deny(METRICS_DENIED_KEY_CPU);
    return err_set(err, EDQUOT, "this key has used its %u processor seconds a minute; more in %d s", tenant->quota.cpu_s,
                   tenant_retry_s(tenant, now_ms));
}

int tenant_check_run(struct tenant *tenant, bool may_queue, uint32_t max_waiting, int64_t now_ms, struct err *err)
{
    const struct turn_line *line;
    if (tenant == NULL)
        return 0;
    line = &tenant->line;
    if (tenant_check_cpu(tenant, now_ms, err) < 0)
        return -1;
    if (line->limit != 0 && line->running >= line->limit && (!may_queue || line->waiting_count >= max_waiting)) {
        metrics_deny(METRICS_DENIED_KEY_EXECUTIONS);
        return err_set(err, EDQUOT, "this key runs %zu executions already, which is its quota, and %zu sessions wait for their turn",
                       line->running, line->waiting_count);
    }
    return 0;
}

void tenant_charge(struct tenant *tenant, uint64_t cpu_us, int64_t now_ms)
{
    if (tenant == NULL || tenant->quota.cpu_s == 0)
        return;
    refill(tenant, now_ms);
    tenant->cpu_left_us -= (int64_t)cpu_us;
}

int tenant_retry_s(struct tenant *tenant, int64_t now_ms)
{
    int64_t missing_us;
    if (tenant == NULL || tenant->quota.cpu_s == 0)
        return 1;
    refill(tenant, now_ms);
    missing_us = -tenant->cpu_left_us;
    return missing_us <= 0 ? 1 : (int)(missing_us * 60 / budget_us(tenant) + 1);
}
