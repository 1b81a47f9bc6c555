/* sessions_census.c: the sessions by what they are doing. */
#include <string.h>

#include "sessions_private.h"
#include "table.h"

static void count(void *value, void *arg)
{
    const struct session   *session = value;
    struct sessions_census *census  = arg;
    struct session_info     info;

    session_get_info(session, &info);
    if (session_state(session) == SESSION_RECOVERING)
        census->recovering++;
    else if (info.busy)
        census->busy++;
    else
        census->idle++;
    census->memory_bytes += info.memory_bytes;
}

void sessions_take_census(struct sessions *sessions, struct sessions_census *ret)
{
    struct session_node *node;
    memset(ret, 0, sizeof *ret);
    table_each(sessions->by_id, count, ret);
    ret->making = sessions->birth_count;
    for (node = TAILQ_FIRST(&sessions->over); node != NULL; node = TAILQ_NEXT(node, ended))
        ret->over++;
}
