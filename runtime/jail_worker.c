/* jail_worker.c: the last of the ordered lists of jail_enter.c: the layers that bind the worker but not init. */
#include "jail_layers.h"

int jail_enter_worker(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    if (jail_rlimit_enter_worker(jail, err) < 0 || jail_landlock_enter(jail, session, err) < 0 || jail_signal_enter(jail, err) < 0)
        return -1;
    return jail_seccomp_enter(jail, err); /* last: it forbids what the layers above needed */
}
