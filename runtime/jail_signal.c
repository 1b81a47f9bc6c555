/*
 * jail_signal.c: signals where neither a pid namespace nor Landlock (ABI 6) keeps them inside. There all sessions and the service are one
 * user, so that `kill(-1, SIGKILL)` of one program would end everybody's. A second filter refuses to send any; what the kernel sends by
 * itself, and init, is not touched. Loaded beside the policy's: of two filters the stricter answer holds.
 */
#define _GNU_SOURCE
#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail_layers.h"

enum { LANDLOCK_ABI_OF_SIGNALS = 6 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { LOW_WORD = 0 };
#else
enum { LOW_WORD = 4 };
#endif

/* Places in the program below; a jump counts from the instruction behind it. */
enum { AT_FCNTL = 9, AT_IOCTL = 13, AT_ALLOW = 16, AT_REFUSE = 17 };

#define NUMBER                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define SECOND                          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + LOW_WORD) /* the kernel, too, looks at 32 bits */
#define ANSWER(value)                   BPF_STMT(BPF_RET | BPF_K, (value))
#define IF(here, value, to)             BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (to) - (here)-1, 0)
#define IF_ELSE(here, value, to, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (to) - (here)-1, (other) - (here)-1)

static struct sock_filter program[] = {
    NUMBER,
    IF(1, SYS_kill, AT_REFUSE),
    IF(2, SYS_tkill, AT_REFUSE),
    IF(3, SYS_tgkill, AT_REFUSE),
    IF(4, SYS_rt_sigqueueinfo, AT_REFUSE),
    IF(5, SYS_rt_tgsigqueueinfo, AT_REFUSE),
    IF(6, SYS_pidfd_send_signal, AT_REFUSE),
    IF(7, SYS_fcntl, AT_FCNTL),
    IF_ELSE(8, SYS_ioctl, AT_IOCTL, AT_ALLOW),
    /* a signal to a process of one's choice whenever there is something to read */
    SECOND,
    IF(10, F_SETOWN, AT_REFUSE),
    IF(11, F_SETSIG, AT_REFUSE),
    IF_ELSE(12, F_SETOWN_EX, AT_REFUSE, AT_ALLOW),
    SECOND,
    IF(14, FIOSETOWN, AT_REFUSE),
    IF(15, SIOCSPGRP, AT_REFUSE),
    ANSWER(SECCOMP_RET_ALLOW),
    ANSWER(SECCOMP_RET_ERRNO | EPERM),
};
_Static_assert(sizeof program / sizeof *program == AT_REFUSE + 1, "the places are those of the program");

bool jail_signal_scoped(const struct jail *jail)
{
    return jail->landlock_abi >= LANDLOCK_ABI_OF_SIGNALS;
}

bool jail_signal_leaves(const struct jail *jail)
{
    return !jail->report[LAYER_PID_NAMESPACE].active && !jail_signal_scoped(jail);
}

int jail_signal_enter(const struct jail *jail, struct err *err)
{
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    if (jail_signal_leaves(jail) && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        return err_errno(err, "seccomp for signals");
    return 0;
}
