/*
 * package_dir.h: the directory of installed packages: `layers`, which every session sees and none can write, with one directory per name
 * and version; and `staging`, where an installation works, out of the sessions' sight.
 */
#ifndef PENNY_PACKAGE_DIR_H
#define PENNY_PACKAGE_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct package_dir {
    char path[256];
    bool ours;    /* made by us under a name of our own: removed at the end */
    int  lock_fd; /* while this lives, nobody takes the directory for a dead service's; -1: it is not ours */
};

/* To begin with. */
#define PACKAGE_DIR_INIT                                                                                                                   \
    {                                                                                                                                      \
        .lock_fd = -1                                                                                                                      \
    }

/* Makes `wanted` where it does not exist, or a fresh directory under /var/tmp, $TMPDIR or /run when wanted is "", where it first
 * removes what services of ours that were killed have left. Returns 0 or -1. */
int package_dir_make(struct package_dir *dir, const char *wanted, struct err *err);
/* Whether it would take this directory, which is there. Returns 0, or -1 with err. */
int  package_dir_look(const char *wanted, struct err *err);
void package_dir_remove(struct package_dir *dir); /* if it is ours; what installations have left behind in any case */

/* Removes a tree; what can't be removed stays. */
void package_dir_remove_tree(const char *path);

#endif
