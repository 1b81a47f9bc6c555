#define _GNU_SOURCE
#include "clone.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { RSEQ_SIGNATURE = 0x53053053 };
#else
enum { RSEQ_SIGNATURE = 0 }; /* not known here: restartable sequences are left out, which glibc is prepared for */
#endif

/* glibc 2.35 and later. */
extern const ptrdiff_t    __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* glibc caches the thread's id there; a raw clone must keep it right. The same place in each fork; a clone that shares memory has none. */
static int *thread_id(void)
{
    static int *place;
    static bool is_known;
    if (!is_known)
        (void)prctl(PR_GET_TID_ADDRESS, &place, 0, 0, 0);
    is_known = true;
    return place;
}

pid_t clone_process(uint64_t flags, int cgroup_fd)
{
    int              *tid  = thread_id();
    struct clone_args args = {
        .flags = flags | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, .exit_signal = SIGCHLD, .child_tid = (uint64_t)(uintptr_t)tid};
    pid_t pid;

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

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

/*
 * The child goes on with the caller's stack pointer, so what is below it is the child's until the caller wakes; a function between this
 * one and the system call would have its return address overwritten. The address sanitizer takes such a stack for a broken one.
 */
#if defined(__x86_64__) && !defined(IS_SANITIZED)
__attribute__((noinline)) static long clone_here(const struct clone_args *args, void (*run)(void *arg), void *arg)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args) : "rcx", "r11", "memory");
    if (result == 0) {
        run(arg);
        _exit(0);
    }
    return result;
}
#elif defined(__aarch64__) && !defined(IS_SANITIZED)
__attribute__((noinline)) static long clone_here(const struct clone_args *args, void (*run)(void *arg), void *arg)
{
    register long x8 __asm__("x8") = SYS_clone3;
    register long x0 __asm__("x0") = (long)args;
    register long x1 __asm__("x1") = (long)sizeof *args;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    if (x0 == 0) {
        run(arg);
        _exit(0);
    }
    return x0;
}
#else
static long clone_here(const struct clone_args *args, void (*run)(void *arg), void *arg)
{
    (void)args;
    (void)run;
    (void)arg;
    return -ENOSYS;
}
#endif

pid_t clone_sharing(uint64_t flags, int cgroup_fd, void (*run)(void *arg), void *arg, int *ret_pidfd)
{
    struct clone_args args = {.flags = flags | CLONE_VM | CLONE_VFORK, .exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD};
    long              result;

    (void)thread_id(); /* found out while this process still has one of its own */
    if ((flags & CLONE_PIDFD) != 0)
        args.pidfd = (uint64_t)(uintptr_t)ret_pidfd;
    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup_fd;
    }
    result = clone_here(&args, run, arg);
    if (result >= 0)
        return (pid_t)result;
    errno = (int)-result;
    return -1;
}

void clone_register(void)
{
    if (RSEQ_SIGNATURE != 0 && &__rseq_size != NULL && __rseq_size > 0)
        (void)syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 0, RSEQ_SIGNATURE);
}
