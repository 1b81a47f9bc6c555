/* worker.h: from a fork of the zygote's image to the interpreter of a session: the layers that bind a worker, then its descriptors. */
#ifndef PENNY_WORKER_H
#define PENNY_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "jail.h"

/* What init hands to the worker that waits at its door, with DOOR_FD_COUNT descriptors, or one less: there is no channel. */
struct worker_order {
    uint32_t member;
};

/* Beside it. As enum adopt_fd. */
enum { DOOR_FD_COUNT = 5 };

/*
 * In a fork of the zygote that a visit made. is_grouped: in its control groups already. Waits at the door, and leaves when it is closed. report_fd: gets a struct spawn_report, once; -1: nobody.
 */
_Noreturn void worker_visit(const struct jail *jail, const struct jail_session *session, uint32_t member, bool is_grouped, int report_fd,
                            int door_fd);

/* In a fork of an init that has the zygote's image, in which the layers of init hold already. Descriptors are at their places after `place`. */
_Noreturn void worker_begin(const struct jail *jail, const struct jail_session *session, int report_fd, void (*place)(void *arg),
                            void *arg);

#endif
