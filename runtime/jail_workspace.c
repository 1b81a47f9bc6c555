/*
 * jail_workspace.c: what a session can write, and its view of processes. With a mount namespace: tmpfs on /workspace and /tmp, limited
 * in bytes and inodes by the kernel, and a /proc that shows the session's own processes and nothing of the host. Without: two
 * directories in the state directory, limited per file only (RLIMIT_FSIZE).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clone.h"
#include "jail_layers.h"

static const char proc_options[] = "subset=pid"; /* process directories only: no meminfo, sys, keys, kernel command line */

static int mount_proc(void)
{
    return mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, proc_options);
}

/* A masked /proc (as in a container) forbids a fresh one: find out in a child that has a session's namespaces. Returns 0 or errno. */
static int try_proc(const struct jail *jail)
{
    int   status = 0;
    pid_t pid    = clone_process(jail->clone_flags, -1);

    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(mount_proc() < 0 ? errno : 0);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int jail_workspace_prepare(struct jail *jail, struct err *err)
{
    const struct policy *policy = jail->policy;
    int                  error;

    if (!jail->has_root) {
        /* sessions with users of their own must be able to pass through to their directories; to read it they need not */
        if (jail->unique_uid && chmod(policy->state_dir, 0711) < 0)
            return err_errno(err, "chmod %s", policy->state_dir);
        jail_inactive(jail, LAYER_WORKSPACE, "directories in %.60s, limited per file only: no mount namespace", policy->state_dir);
        jail_inactive(jail, LAYER_PROC, "no mount namespace: /proc is closed by Landlock where that is active");
        return 0;
    }
    jail_active(jail, LAYER_WORKSPACE, "tmpfs /workspace %" PRIu64 " bytes and %u inodes, /tmp %" PRIu64 " bytes", policy->workspace_bytes,
                policy->workspace_inodes, policy->temporary_bytes);
    error            = try_proc(jail);
    jail->mount_proc = error == 0;
    if (error == 0)
        jail_active(jail, LAYER_PROC, "own, process directories only");
    else
        jail_active(jail, LAYER_PROC, "empty: a fresh one was refused (%s)", strerror(error));
    return 0;
}

void jail_workspace_name(const struct jail *jail, struct jail_session *session)
{
    if (jail->has_root) {
        (void)snprintf(session->workspace, sizeof session->workspace, "/workspace");
        (void)snprintf(session->temporary, sizeof session->temporary, "/tmp");
        return;
    }
    (void)snprintf(session->workspace, sizeof session->workspace, "%s/s%u/workspace", jail->policy->state_dir, session->session);
    (void)snprintf(session->temporary, sizeof session->temporary, "%s/s%u/tmp", jail->policy->state_dir, session->session);
}

static int make_directory(const struct jail *jail, const struct jail_session *session, const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0)
        return err_errno(err, "mkdir %s", path);
    if (jail->unique_uid && chown(path, session->uid, session->uid) < 0)
        return err_errno(err, "chown %s", path);
    return 0;
}

int jail_workspace_reserve(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    char parent[PATH_MAX];

    if (jail->has_root)
        return 0;
    (void)snprintf(parent, sizeof parent, "%s/s%u", jail->policy->state_dir, session->session);
    if (make_directory(jail, session, parent, err) < 0 || make_directory(jail, session, session->workspace, err) < 0)
        return -1;
    return make_directory(jail, session, session->temporary, err);
}

static int mount_limited(const char *path, uint64_t bytes, uint32_t inodes, const char *mode, struct err *err)
{
    char options[96];

    (void)snprintf(options, sizeof options, "size=%" PRIu64 ",nr_inodes=%u,mode=%s", bytes, inodes, mode);
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return err_errno(err, "tmpfs %s", path);
    return 0;
}

int jail_workspace_enter(const struct jail *jail, const struct jail_session *session, struct err *err)
{
    const struct policy *policy = jail->policy;

    if (jail->has_root) {
        if (mount_limited("/workspace", session->workspace_bytes, policy->workspace_inodes, "0755", err) < 0 ||
            mount_limited("/tmp", policy->temporary_bytes, policy->workspace_inodes, "1777", err) < 0)
            return -1;
        if (jail->mount_proc ? mount_proc() < 0
                             : mount("tmpfs", "/proc", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=1") < 0)
            return err_errno(err, "/proc");
    }
    if (chdir(session->workspace) < 0)
        return err_errno(err, "chdir %s", session->workspace);
    return 0;
}

/* For nftw(). */
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    (void)remove(path); /* what can't be removed now goes with the state directory */
    return 0;
}

void jail_workspace_release(const struct jail *jail, const struct jail_session *session)
{
    char parent[PATH_MAX];

    if (jail->has_root) /* the kernel drops the tmpfs with the namespace */
        return;
    (void)snprintf(parent, sizeof parent, "%s/s%u", jail->policy->state_dir, session->session);
    (void)nftw(parent, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void jail_workspace_done(const struct jail *jail)
{
    if (!jail->has_root && jail->state_fd >= 0)
        (void)nftw(jail->matplotlib, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
