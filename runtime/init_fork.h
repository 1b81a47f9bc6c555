/* init_fork.h: an init that is a fork of the zygote and forks workers itself, where a visit (visit.h) is not possible. */
#ifndef PENNY_INIT_FORK_H
#define PENNY_INIT_FORK_H

#include "jail.h"

/* The life of such an init, after jail_enter(). */
_Noreturn void init_fork_main(const struct jail *jail, const struct jail_session *session);

#endif
