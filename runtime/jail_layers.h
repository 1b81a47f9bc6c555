/* jail_layers.h: the layers, one file each, in the order jail.c applies them. For jail.c alone. */
#ifndef PENNY_JAIL_LAYERS_H
#define PENNY_JAIL_LAYERS_H

#include "jail.h"

/* jail_namespace.c: which namespaces can be had; the zygote's own user and network namespace. */
int jail_namespace_prepare(struct jail *jail, struct err *err);
int jail_namespace_enter(const struct jail *jail, struct err *err); /* host name; the cgroup namespace, once the group is entered */
int jail_namespace_join(const struct jail *jail, struct err *err);  /* of one whose init has entered: what is a process's own */

/* jail_user.c: who the session is. */
int jail_user_prepare(struct jail *jail, struct err *err);
/* That a user of its own can read what every session needs. What can't be is said with what to do. */
int jail_user_reach(const struct jail *jail, struct err *err);
int jail_user_admit(const struct jail *jail, const struct jail_session *session, pid_t pid, struct err *err);
int jail_user_enter(const struct jail *jail, const struct jail_session *session, struct err *err);

/* jail_root.c: the read-only root, made once. */
int jail_root_prepare(struct jail *jail, struct err *err);

/* jail_workspace.c: what is writable: /workspace and /tmp; and /proc. */
int  jail_workspace_prepare(struct jail *jail, struct err *err);
void jail_workspace_name(const struct jail *jail, struct jail_session *session); /* fills workspace, temporary */
int  jail_workspace_reserve(const struct jail *jail, const struct jail_session *session, struct err *err);
int  jail_workspace_enter(const struct jail *jail, const struct jail_session *session, struct err *err);
void jail_workspace_done(const struct jail *jail);

/* jail_cgroup_place.c: where the groups are made. */
int jail_cgroup_prepare(struct jail *jail, struct err *err);

/* jail_cgroup_claim.c: whose they are. */
/* Fills jail->cgroup_name: no other service on this machine has that name, nor has had it since the machine was started. */
void jail_cgroup_name(struct jail *jail, pid_t supervisor);
/* Makes the group unless it is there, and locks it for as long as the descriptor that is returned is open. -1 with errno. */
int jail_cgroup_claim(int parent_fd, const char *name);

/* jail_cgroup.c: memory, processes and processor time, held by the kernel; stats.c reads them. */
extern const char *const jail_cgroup_controllers[CGROUP_KINDS];
/* Writes one file of a group. Returns 0, or -1 with errno. */
int jail_cgroup_write(int dir_fd, const char *path, const char *text);
/* Makes a group unless it is there, and opens it. Returns a descriptor or -1 with errno. */
int jail_cgroup_make(int parent_fd, const char *name);
/* Removes a service's group and those in it that have no process. Returns false when one of them has. */
bool jail_cgroup_remove(int parent_fd, const char *name);
int  jail_cgroup_reserve(const struct jail *jail, const struct jail_session *session, struct err *err);
int  jail_cgroup_enter(const struct jail *jail, const struct jail_session *session, struct err *err);
void jail_cgroup_done(struct jail *jail);

/* Asks the kernel to take back what the session's processes do not use. *ret_bytes: by how much its memory has shrunk. Blocks. 0 or -1. */
int jail_cgroup_reclaim(const struct jail *jail, const struct jail_session *session, uint64_t *ret_bytes, struct err *err);

/* jail_rlimit.c */
int  jail_rlimit_prepare(struct jail *jail, struct err *err);
void jail_rlimit_reserve(const struct jail *jail, struct jail_session *session);
int  jail_rlimit_enter(const struct jail *jail, const struct jail_session *session, struct err *err);
int  jail_rlimit_enter_worker(const struct jail *jail, struct err *err); /* it may have fewer open files than init */

/* jail_capability.c: no capabilities, and no way to gain any. */
int jail_capability_prepare(struct jail *jail, struct err *err);
int jail_capability_enter(const struct jail *jail, struct err *err);

/* jail_landlock.c */
int jail_landlock_prepare(struct jail *jail, struct err *err);
int jail_landlock_enter(const struct jail *jail, const struct jail_session *session, struct err *err);

/* jail_network.c: the way out, where there is to be one. */
int jail_network_prepare(struct jail *jail, struct err *err);

/* jail_signal.c: whether a signal of a session could reach others; if so, a worker may send none. */
bool jail_signal_leaves(const struct jail *jail);
bool jail_signal_scoped(const struct jail *jail); /* whether Landlock keeps a worker's signals from all outside its domain */
int  jail_signal_enter(const struct jail *jail, struct err *err);

/* jail_seccomp.c */
int jail_seccomp_prepare(struct jail *jail, struct err *err);
int jail_seccomp_enter(const struct jail *jail, struct err *err);

#endif
