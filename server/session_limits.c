/*
 * session_limits.c: memory is held by the interpreter's own address-space limit, so that too much of it is a MemoryError and the session's
 * state is kept; processor time by the control group of the jail, children included.
 */
#define _GNU_SOURCE
#include "session_limits.h"

#include "session_private.h"
#include "sessions.h"

static const char NOT_HELD[] =
    "maxCpu is not held: the session shares its jail with forks, there is no control group for processor time on this host, or no zygote "
    "at the moment (see /health)";

static const struct policies *policies_of(const struct session *session)
{
    return sessions_settings(session->sessions)->policies;
}

/* 0: no limit. */
static uint32_t cpu_of(const struct session *session)
{
    return session->limits.cpu_percent != 0 ? session->limits.cpu_percent : policies_of(session)->cpu_percent;
}

static uint64_t memory_of(const struct session *session)
{
    return session->limits.memory_bytes != 0 ? session->limits.memory_bytes : policies_of(session)->memory_per_session_bytes;
}

static json_t *limit_memory(const struct session *session, uint64_t bytes, json_t *options)
{
    uint64_t whole = memory_of(session);
    if (bytes == 0 || bytes >= whole)
        return options;
    if (options == NULL)
        options = json_object();
    (void)json_object_set_new(options, "memoryBelow", json_integer((json_int_t)(whole - bytes)));
    return options;
}

static void limit_cpu(struct session *session, uint32_t percent)
{
    uint32_t whole = cpu_of(session);
    if (percent == 0 || (whole != 0 && percent >= whole))
        return;
    session->cpu_is_limited = worker_limit_cpu(session->worker, percent);
    if (!session->cpu_is_limited)
        session_set_notice(session, NOT_HELD);
}

json_t *session_limits_apply(struct session *session, const struct execution *execution, json_t *options)
{
    const struct execution_use *limits = execution_use(execution);
    limit_cpu(session, limits->cpu_percent);
    return limit_memory(session, limits->memory_bytes, options);
}

void session_limits_lift(struct session *session)
{
    if (session->cpu_is_limited && session->worker != NULL)
        (void)worker_limit_cpu(session->worker, cpu_of(session)); /* a new jail, should this one be gone, has its own already */
    session->cpu_is_limited = false;
    session->has_too_much   = false;
}

/* A copy that is being made counts for a moment; so a little more than the limit is let through. */
static uint64_t most_of(const struct session *session)
{
    uint64_t whole = memory_of(session) * worker_family(session->worker);
    return whole + whole / 8;
}

void session_limits_sample(struct session *session, bool is_held)
{
    session->is_sampled = !is_held;
    if (!is_held && session->running != NULL && session->worker != NULL && !execution_is_dying(session->running))
        (void)worker_ask_stats(session->worker);
}

bool session_limits_judge(struct session *session, uint64_t memory_bytes)
{
    if (session->is_sampled && !session->has_too_much && session->worker != NULL && session->running != NULL &&
        !execution_is_dying(session->running) && memory_bytes > most_of(session)) {
        session->has_too_much = true;
        worker_kill_interpreter(session->worker);
    }
    return session->has_too_much;
}
