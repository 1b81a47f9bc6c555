/* sessions_sweep.c: what becomes of sessions as time goes by: idle ones expire or hibernate, those that are over are forgotten. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "json.h"
#include "session_limits.h"
#include "sessions_private.h"
#include "table.h"
#include "workers.h"

enum {
    READERS_KEPT_MS = 60 * 1000,     /* how long a session that is over stays for readers who lag, */
    RESULTS_KEPT_MS = 5 * 60 * 1000, /* and one whose results may be asked for, */
    RESULTS_KEPT    = 1000,          /* the newest of these */
};

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Found by a walk, to be changed after it. */
struct found {
    struct session **session;
    size_t           count;
    int64_t          now_ms;
};

static int found_init(struct found *found, const struct sessions *sessions)
{
    *found = (struct found){.session = calloc(table_count(sessions->by_id) + 1, sizeof *found->session), .now_ms = monotonic_ms()};
    return found->session != NULL ? 0 : -1;
}

static void note_expired(void *value, void *arg)
{
    struct found *found = arg;
    if (session_is_expired(value, found->now_ms))
        found->session[found->count++] = value;
}

static void expire(struct sessions *sessions)
{
    struct found found;
    if (table_count(sessions->by_id) == 0 || found_init(&found, sessions) < 0)
        return; /* the next sweep finds them again */
    table_each(sessions->by_id, note_expired, &found);
    for (size_t i = 0; i < found.count; i++)
        session_end(found.session[i], "expired", NULL, NULL);
    free(found.session);
}

static bool may_go(const struct session *session, bool is_surplus)
{
    int64_t kept_ms = session_is_kept(session) && !is_surplus ? RESULTS_KEPT_MS : READERS_KEPT_MS;
    return session_is_over(session) || (is_surplus && session_is_kept(session)) || json_time_now() >= session_ended_ms(session) + kept_ms;
}

/* Of those that nobody uses something is asked, of so many at once. */
struct asking {
    int64_t  now_ms;
    uint32_t after_ms;
    unsigned left;
};

static void hibernate_one(void *session, void *arg)
{
    struct asking *now = arg;
    now->left -= now->left > 0 && session_hibernate(session, now->now_ms, now->after_ms);
}

static void hibernate(struct sessions *sessions)
{
    const struct policies *policies = sessions->settings.policies;
    struct asking          now      = {.now_ms = monotonic_ms(), .left = SESSIONS_HIBERNATE_AT_ONCE};
    if (policies == NULL || policies->hibernate_after_ms == 0)
        return;
    now.after_ms = policies->hibernate_after_ms;
    table_each(sessions->by_id, hibernate_one, &now);
}

static void shed_one(void *session, void *arg)
{
    struct asking *now = arg;
    now->left -= now->left > 0 && session_shed(session, now->now_ms);
}

static void shed(struct sessions *sessions)
{
    struct asking now = {.now_ms = monotonic_ms(), .left = SESSIONS_SHED_AT_ONCE};
    table_each(sessions->by_id, shed_one, &now);
}

static void sample_one(void *session, void *arg)
{
    session_limits_sample(session, *(const bool *)arg);
}

static void sample(struct sessions *sessions)
{
    const json_t *layers = json_object_get(workers_isolation(pool_workers(sessions->pool)), "layers");
    bool          held   = layers == NULL || json_is_true(json_object_get(json_object_get(layers, "cgroupMemory"), "active"));
    table_each(sessions->by_id, sample_one, &held);
}

void sessions_bury(struct sessions *sessions)
{
    struct session_node *node, *next;
    size_t               kept = 0;
    TAILQ_FOREACH(node, &sessions->over, ended)
    {
        kept += session_is_kept(node->session);
    }
    for (node = TAILQ_FIRST(&sessions->over); node != NULL; node = next) {
        next         = TAILQ_NEXT(node, ended);
        bool is_kept = session_is_kept(node->session);
        if (!may_go(node->session, kept > RESULTS_KEPT))
            continue;
        kept -= is_kept;
        TAILQ_REMOVE(&sessions->over, node, ended);
        session_free(node->session);
    }
}

void sessions_sweep(struct sessions *sessions)
{
    expire(sessions);
    shed(sessions);
    hibernate(sessions);
    sample(sessions);
    sessions_bury(sessions);
    ended_sweep(sessions->ended, json_time_now());
}

static void note(void *value, void *arg)
{
    struct found *found            = arg;
    found->session[found->count++] = value;
}

void sessions_end_all(struct sessions *sessions, const char *reason)
{
    struct found found;
    if (found_init(&found, sessions) < 0)
        return; /* the zygote ends what is left */
    table_each(sessions->by_id, note, &found);
    for (size_t i = 0; i < found.count; i++)
        session_end(found.session[i], reason, NULL, NULL);
    free(found.session);
}
