#define _GNU_SOURCE
#include "retired.h"

#include <stddef.h>
#include <sys/mman.h>

enum {
    ROOM         = 8192,
    QUIET_MS     = 50,    /* without anything to do */
    PATIENCE_MS  = 10000, /* where that never comes */
    SPARE        = 64,    /* beside those whose place no living session has taken: a group without a session weighs less than one with it */
    AT_ONCE      = 8,     /* about a millisecond: then we look whether somebody wants something */
    AT_ONCE_BUSY = 2,     /* each turn, so more than there come */
};

struct retired {
    const struct jail *jail;
    bool               is_quiet; /* it has been for QUIET_MS, and nothing has happened since */
    uint32_t           first, count;
    size_t             peak; /* living sessions, since there was nothing to remove */
    struct {
        uint32_t session; /* 0: removed already */
        int64_t  since_ms;
    } ring[ROOM];
};

struct retired *retired_new(const struct jail *jail, struct err *err)
{
    struct retired *retired = mmap(NULL, sizeof *retired, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (retired == MAP_FAILED) {
        (void)err_errno(err, "table of ended sessions");
        return NULL;
    }
    (void)madvise(retired, sizeof *retired, MADV_DONTFORK);
    retired->jail = jail;
    return retired;
}

static void remove_first(struct retired *retired)
{
    uint32_t session = retired->ring[retired->first].session;
    retired->first   = (retired->first + 1) % ROOM;
    retired->count--;
    if (session != 0)
        jail_cgroup_release(retired->jail, session, true);
}

void retired_add(struct retired *retired, uint32_t session, int64_t now_ms)
{
    uint32_t place;
    if (retired->jail->cgroup_version == 0)
        return;
    if (!retired->jail->report[LAYER_PID_NAMESPACE].active) { /* a process may have outlived init, and goes with the group */
        jail_cgroup_release(retired->jail, session, true);
        return;
    }
    if (retired->count == ROOM)
        remove_first(retired);
    jail_cgroup_release(retired->jail, session, false);
    place                         = (retired->first + retired->count++) % ROOM;
    retired->ring[place].session  = session;
    retired->ring[place].since_ms = now_ms;
}

void retired_make_way(struct retired *retired, uint32_t session)
{
    for (uint32_t i = 0; i < retired->count; i++) {
        uint32_t place = (retired->first + i) % ROOM;
        if (retired->ring[place].session != session)
            continue;
        jail_cgroup_release(retired->jail, session, true);
        retired->ring[place].session = 0;
    }
}

int retired_wait_ms(const struct retired *retired)
{
    if (retired->count == 0)
        return -1;
    return retired->is_quiet ? 0 : QUIET_MS;
}

/* Whether the first should not wait any longer, though there is other work. */
static bool is_pressing(const struct retired *retired, size_t alive, int64_t now_ms)
{
    return retired->count > 0 &&
           (retired->count + alive > retired->peak + SPARE || retired->ring[retired->first].since_ms <= now_ms - PATIENCE_MS);
}

void retired_turn(struct retired *retired, bool is_quiet, size_t alive, int64_t now_ms)
{
    retired->is_quiet = is_quiet;
    if (retired->count == 0 || alive > retired->peak)
        retired->peak = alive;
    for (int i = 0; is_quiet && i < AT_ONCE && retired->count > 0; i++)
        remove_first(retired);
    for (int i = 0; i < AT_ONCE_BUSY && is_pressing(retired, alive, now_ms); i++)
        remove_first(retired);
}
