/*
 * jail_namespace.c: namespaces.
 *
 * As root, sessions get user namespaces made from the zygote's own. As an ordinary user the zygote first enters a user namespace
 * in which it is root, because only so may it build a root file system. The network namespace is made once: it has nothing but a
 * loopback device that is down, and making one per session would cost 0.4 ms and 220 KB of kernel memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "fdio.h"
#include "jail_layers.h"

/* What Docker's default profile and hardened hosts refuse differs by flag, so each is tried alone, on top of `base`. Returns 0 or errno. */
static int try_clone(uint64_t flags)
{
    pid_t pid = clone_process(flags, -1);

    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(0);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC), failed;
    if (fd < 0)
        return -1;
    failed = fdio_write_all(fd, text, strlen(text));
    close(fd);
    return failed;
}

/* The ordinary user's zygote becomes root of a user namespace of its own. */
static int enter_user_namespace(uid_t uid, gid_t gid)
{
    char text[64];

    if (unshare(CLONE_NEWUSER) < 0)
        return -1;
    if (write_file("/proc/self/setgroups", "deny") < 0)
        return -1;
    (void)snprintf(text, sizeof text, "0 %u 1", (unsigned)uid);
    if (write_file("/proc/self/uid_map", text) < 0)
        return -1;
    (void)snprintf(text, sizeof text, "0 %u 1", (unsigned)gid);
    return write_file("/proc/self/gid_map", text);
}

static void no_namespaces(struct jail *jail, const char *reason)
{
    static const enum jail_layer_id layers[] = {LAYER_USER_NAMESPACE, LAYER_PID_NAMESPACE,    LAYER_MOUNT_NAMESPACE,  LAYER_IPC_NAMESPACE,
                                                LAYER_UTS_NAMESPACE,  LAYER_CGROUP_NAMESPACE, LAYER_NETWORK_NAMESPACE};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        jail_inactive(jail, layers[i], "%s", reason);
}

static void try_layer(struct jail *jail, enum jail_layer_id layer, uint64_t flag, uint64_t base)
{
    int error = try_clone(base | flag);
    if (error != 0) {
        jail_inactive(jail, layer, "the kernel refused: %s", strerror(error));
        return;
    }
    jail->clone_flags |= flag;
    jail_active(jail, layer, "one per session");
}

static void prepare_network(struct jail *jail)
{
    if (unshare(CLONE_NEWNET) < 0) {
        jail_inactive(jail, LAYER_NETWORK_NAMESPACE, "the kernel refused: %s", strerror(errno));
        return;
    }
    jail_active(jail, LAYER_NETWORK_NAMESPACE, "one for all sessions, empty, loopback down");
}

int jail_namespace_prepare(struct jail *jail, struct err *err)
{
    bool  root  = geteuid() == 0;
    uid_t uid   = geteuid();
    gid_t gid   = getegid();
    int   error = 0;
    char  reason[160];

    (void)err; /* a host without namespaces is weaker, not broken */
    if (!jail->policy->allow_user_namespaces) {
        no_namespaces(jail, "turned off by configuration (SANDBOX_USER_NAMESPACES=off)");
        return 0;
    }
    error = try_clone(CLONE_NEWUSER);
    if (error == 0 && !root && enter_user_namespace(uid, gid) < 0)
        error = errno;
    if (error != 0) {
        (void)snprintf(
            reason, sizeof reason,
            "no user namespaces: %s (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, or a container's seccomp profile)",
            strerror(error));
        no_namespaces(jail, reason);
        return 0;
    }
    jail->clone_flags = CLONE_NEWUSER;
    jail_active(jail, LAYER_USER_NAMESPACE, root ? "one per session" : "one per session, inside one of the zygote's own");
    try_layer(jail, LAYER_PID_NAMESPACE, CLONE_NEWPID, CLONE_NEWUSER);
    try_layer(jail, LAYER_MOUNT_NAMESPACE, CLONE_NEWNS, CLONE_NEWUSER);
    try_layer(jail, LAYER_IPC_NAMESPACE, CLONE_NEWIPC, CLONE_NEWUSER);
    try_layer(jail, LAYER_UTS_NAMESPACE, CLONE_NEWUTS, CLONE_NEWUSER);
    try_layer(jail, LAYER_CGROUP_NAMESPACE, CLONE_NEWCGROUP, CLONE_NEWUSER);
    jail->clone_flags &= ~(uint64_t)CLONE_NEWCGROUP; /* entered once the session is in its group: see jail_namespace_enter */
    prepare_network(jail);
    return 0;
}

int jail_namespace_join(const struct jail *jail, struct err *err)
{
    if (jail->report[LAYER_CGROUP_NAMESPACE].active && unshare(CLONE_NEWCGROUP) < 0)
        return err_errno(err, "cgroup namespace");
    return 0;
}

int jail_namespace_enter(const struct jail *jail, struct err *err)
{
    if (jail->own_network && (jail->clone_flags & CLONE_NEWNET) == 0 && unshare(CLONE_NEWNET) < 0)
        return err_errno(err, "network namespace");
    if (jail_namespace_join(jail, err) < 0)
        return -1;
    if ((jail->clone_flags & CLONE_NEWUTS) != 0 && sethostname("sandbox", 7) < 0)
        return err_errno(err, "host name");
    return 0;
}
