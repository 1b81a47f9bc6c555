#define _GNU_SOURCE
#include "clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t clone_process(uint64_t flags, int cgroup_fd)
{
    struct clone_args args = {.flags = flags | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, .exit_signal = SIGCHLD};
    int              *tid  = NULL; /* glibc caches the thread's id there; a raw clone must keep it right */
    pid_t             pid;

    (void)prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0);
    args.child_tid = (uint64_t)(uintptr_t)tid;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid >= 0 || errno != ENOSYS || cgroup_fd >= 0)
        return pid;
        /* a container's filter hides clone3 so that it can see the flags */
#if defined(__x86_64__)
    return (pid_t)syscall(SYS_clone, (unsigned long)args.flags | SIGCHLD, 0UL, 0UL, tid, 0UL);
#else
    return (pid_t)syscall(SYS_clone, (unsigned long)args.flags | SIGCHLD, 0UL, 0UL, 0UL, tid);
#endif
}
