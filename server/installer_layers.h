/* installer_layers.h: what an installation has left, looked at and put where sessions see it. */
#ifndef PENNY_INSTALLER_LAYERS_H
#define PENNY_INSTALLER_LAYERS_H

#include <stdint.h>

#include "err.h"

/* How many bytes the tree at `path` takes on the disk. */
uint64_t installer_layers_bytes(const char *path);

/*
 * Moves each directory of <place>/layers to <package_dir>/layers, unless one of that name is there already: then that one stays. None is
 * moved unless all are in order: plain files with one name each, plain directories, `most` bytes of them, and no more
 * than `most_in_all` with what is there already. The files become ours, and
 * read-only to all others. No process may be left that can still write to them. Returns 0 or -1.
 */
int installer_layers_publish(const char *place, const char *package_dir, uint64_t most, uint64_t most_in_all, struct err *err);

#endif
