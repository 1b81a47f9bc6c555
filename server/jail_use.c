/* jail_use.c: what a jail uses, and may use: its numbers from the zygote, memory taken back, limits. */
#include "jail_private.h"
#include "workers.h"
#include "zygote_client.h"

void jail_tell_family(struct jail *jail)
{
    (void)zygote_client_family(workers_zygote(jail->workers), jail->limits, (uint32_t)jail_count(jail));
}

/* A process that was ended for want of memory is counted once, with the member whose interpreter is dead: the kernel does not say whose it was. */
static void tell_stats(struct jail *jail, struct jail_member *member, struct session_stats stats)
{
    if (stats.oom_kills > jail->oom_kills && (jail_count(jail) == 1 || member->is_absent)) {
        member->oom_kills += stats.oom_kills - jail->oom_kills;
        jail->oom_kills = stats.oom_kills;
    }
    stats.oom_kills = member->oom_kills;
    member->events->on_stats(member, &stats);
}

static struct jail_member *next_asking(const struct jail *jail)
{
    struct jail_member *member;
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        if (member->asks)
            return member;
    }
    return NULL;
}

void jail_on_stats(struct jail *jail, const struct session_stats *stats)
{
    struct workers     *workers = jail->workers;
    uint32_t            serial  = jail->serial;
    struct jail_member *member;
    for (int i = 0; i < FAMILY_MAX && workers_find(workers, serial) == jail && (member = next_asking(jail)) != NULL; i++) {
        member->asks = false;
        tell_stats(jail, member, *stats);
    }
}

bool jail_ask_stats(struct jail_member *member)
{
    member->asks = true;
    return zygote_client_stats(workers_zygote(member->jail->workers), member->jail->serial) == 0;
}

bool jail_reclaim(struct jail_member *member)
{
    struct jail *jail = member->jail;
    if (jail_count(jail) != 1 || zygote_client_reclaim(workers_zygote(jail->workers), jail->serial) < 0)
        return false;
    jail->reclaimed = (struct worker_reclaimed){0};
    return true;
}

const struct worker_reclaimed *jail_reclaimed(const struct jail_member *member)
{
    return &member->jail->reclaimed;
}

void jail_on_reclaimed(struct jail *jail, const struct zygote_message *message)
{
    jail->reclaimed = (struct worker_reclaimed){.is_known = true, .error = message->error, .bytes = message->memory_bytes};
}

bool jail_limit_cpu(const struct jail_member *member, uint32_t cpu_percent)
{
    struct jail  *jail   = member->jail;
    const json_t *layers = json_object_get(workers_isolation(jail->workers), "layers");
    if (jail_count(jail) > 1) { /* a limit of the group would hold the others, too */
        jail_tell_family(jail);
        return false;
    }
    return json_is_true(json_object_get(json_object_get(layers, "cgroupCpu"), "active")) &&
           zygote_client_limit(workers_zygote(jail->workers), jail->serial, cpu_percent) == 0;
}
