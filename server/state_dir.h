/* state_dir.h: the directory in which the zygote keeps its trees and logs. */
#ifndef PENNY_STATE_DIR_H
#define PENNY_STATE_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct state_dir {
    char path[256];
    bool ours;    /* made by us under a name of our own: removed at the end */
    int  lock_fd; /* of one that was named: while this lives, no other service takes what is in it for a dead one's; -1: none */
};

/* Makes `wanted` (mode 0700) where it does not exist, or removes what sessions of a service that was killed have left there; or makes a
 * fresh directory under /run or $TMPDIR when wanted is "". Returns 0 or -1. */
int state_dir_make(struct state_dir *dir, const char *wanted, struct err *err);

/* Whether it would take this directory, which is there. Returns 0, or -1 with err. */
int state_dir_look(const char *wanted, struct err *err);

/* Removes the directory if it is ours, and what is in it. Follows no link and crosses no mount. */
void state_dir_remove(struct state_dir *dir);

#endif
