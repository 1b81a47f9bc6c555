/* doctor_group.h: what the control groups that we are in leave of the machine: a container's, or a unit's, limits. */
#ifndef PENNY_DOCTOR_GROUP_H
#define PENNY_DOCTOR_GROUP_H

#include <stdint.h>

/*
 * The least limit of our group and those above it, as far as they are seen from here; INT64_MAX: none. `groups` is /proc/self/cgroup, `mounts`
 * /sys/fs/cgroup, where version 2 is mounted itself and the hierarchies of version 1 in directories of their controllers' names.
 */
int64_t doctor_group_memory(const char *groups, const char *mounts); /* bytes */
int64_t doctor_group_processes(const char *groups, const char *mounts);

#endif
