/*
 * jail_enter.c: the ordered lists of layers that a session enters.
 *
 * The group (while we may still write it), who we are, what we see, what we may use, what we may do. Each step needs rights that a
 * later one takes away. Layers of the worker come last of all: init, which keeps no user data and reads only fixed-size messages,
 * stays outside the worker's Landlock domain so that the worker can't signal it.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "jail_layers.h"

int jail_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    if (jail_cgroup_enter(jail, session, err) < 0 || /* as the zygote's user, who owns the group */
        jail_user_enter(jail, session, err) < 0 ||   /* mounts below belong to this user */
        jail_namespace_enter(jail, err) < 0 || jail_workspace_enter(jail, session, err) < 0 || jail_rlimit_enter(jail, session, err) < 0)
        return -1;
    return jail_capability_enter(jail, err); /* the last act that needs a capability has been done */
}

int jail_join(const struct jail *jail, const struct jail_session *session, bool is_grouped, struct err *err)
{
    return (!is_grouped && jail_cgroup_enter(jail, session, err) < 0) || jail_namespace_join(jail, err) < 0 ? -1 : 0;
}

int jail_become(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    if (jail_user_enter(jail, session, err) < 0)
        return -1;
    if (chdir(session->workspace) < 0)
        return err_errno(err, "chdir %s", session->workspace);
    if (jail_rlimit_enter(jail, session, err) < 0)
        return -1;
    return jail_capability_enter(jail, err);
}
