/*
 * jail_seccomp.c: the system calls a worker may make, from policies/syscalls.json. The filter is compiled once, by libseccomp (5 ms),
 * exported and loaded raw in every worker (0.13 ms). What no rule names answers ENOSYS, so that programs fall back to what they know.
 *
 * libseccomp can't allow a call and refuse some uses of it. So what rules refuse under a condition is a program of its own that stands before
 * the other's: what it does not refuse is judged there. One filter of both is 5 KB less of each session than two.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdio.h"
#include "jail_layers.h"

static uint32_t action_of(const struct syscall_rule *rule)
{
    switch ((enum syscall_action)rule->action) {
    case SYSCALL_ALLOW: return SCMP_ACT_ALLOW;
    case SYSCALL_EPERM: return SCMP_ACT_ERRNO(EPERM);
    case SYSCALL_ENOSYS: break;
    }
    return SCMP_ACT_ERRNO(ENOSYS);
}

static int add_rule(scmp_filter_ctx filter, const struct syscall_rule *rule, uint32_t action, struct err *err)
{
    int number = seccomp_syscall_resolve_name(rule->name), failed;

    if (number == __NR_SCMP_ERROR || number < 0) /* this libseccomp or architecture does not know it: the default covers it */
        return 0;
    if (rule->has_condition) {
        struct scmp_arg_cmp compare = {.arg = rule->argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = rule->mask, .datum_b = rule->value};
        failed                      = seccomp_rule_add_array(filter, action, number, 1, &compare);
    } else {
        failed = seccomp_rule_add(filter, action, number, 0);
    }
    return failed < 0 && failed != -EACCES /* equal to the default */ ? err_set(err, -failed, "seccomp rule for %s: %s", rule->name,
                                                                                strerror(-failed))
                                                                      : 0;
}

static bool refuses_a_use(const struct syscall_rule *rule)
{
    return rule->has_condition && rule->action != SYSCALL_ALLOW;
}

static int add_refused_uses(const struct jail *jail, scmp_filter_ctx filter, struct err *err)
{
    for (uint32_t i = 0; i < jail->policy->syscall_count; i++) {
        const struct syscall_rule *rule = &jail->policy->syscalls[i];
        if (refuses_a_use(rule) && add_rule(filter, rule, action_of(rule), err) < 0)
            return -1;
    }
    return 0;
}

static int refuse(scmp_filter_ctx filter, int number, struct scmp_arg_cmp compare, const char *name, struct err *err)
{
    int failed = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), number, 1, &compare);
    return failed < 0 ? err_set(err, -failed, "seccomp refusal for %s: %s", name, strerror(-failed)) : 0;
}

/*
 * An allowed call with a condition answers EPERM, not ENOSYS, where the condition fails: the call exists, this use of it is refused.
 * A filter can't say "not masked equal", but it can say "one of these bits is set" and "not this value", which is what rules need.
 */
static int add_refusal(scmp_filter_ctx filter, const struct syscall_rule *rule, struct err *err)
{
    int number = seccomp_syscall_resolve_name(rule->name);

    if (number < 0)
        return 0;
    if (rule->mask == UINT64_MAX)
        return refuse(filter, number, (struct scmp_arg_cmp){.arg = rule->argument, .op = SCMP_CMP_NE, .datum_a = rule->value}, rule->name,
                      err);
    for (int bit = 0; bit < 64 && rule->value == 0; bit++) {
        uint64_t one = UINT64_C(1) << bit;
        if ((rule->mask & one) != 0 &&
            refuse(filter, number, (struct scmp_arg_cmp){.arg = rule->argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = one, .datum_b = one},
                   rule->name, err) < 0)
            return -1;
    }
    return 0;
}

static int add_socket_rule(scmp_filter_ctx filter, uint32_t action, size_t count, const struct scmp_arg_cmp *compare, struct err *err)
{
    int failed = seccomp_rule_add_array(filter, action, SCMP_SYS(socket), (unsigned)count, compare);
    return failed < 0 ? err_set(err, -failed, "seccomp rule for socket: %s", strerror(-failed)) : 0;
}

/* With a way out: TCP over IPv4 beside what the policy's own rule allows. All else answers as before. */
static int add_way_out(scmp_filter_ctx filter, uint64_t unix_family, struct err *err)
{
    enum { FAMILY = AF_INET, TYPE_MASK = 0xf };
    for (uint64_t type = 0; type <= TYPE_MASK; type++) {
        const struct scmp_arg_cmp both[] = {{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = FAMILY},
                                            {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = TYPE_MASK, .datum_b = type}};
        if (add_socket_rule(filter, type == SOCK_STREAM ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), 2, both, err) < 0)
            return -1;
    }
    for (uint64_t family = 0; family < FAMILY; family++) {
        const struct scmp_arg_cmp other = {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family};
        if (family != unix_family && add_socket_rule(filter, SCMP_ACT_ERRNO(EPERM), 1, &other, err) < 0)
            return -1;
    }
    return add_socket_rule(filter, SCMP_ACT_ERRNO(EPERM), 1, &(struct scmp_arg_cmp){.arg = 0, .op = SCMP_CMP_GT, .datum_a = FAMILY}, err);
}

/* Without a root of its own: a pair of datagram sockets could send to any path, so only pairs that stay connected to each other. */
static int add_connected_pairs(scmp_filter_ctx filter, uint64_t family, struct err *err)
{
    enum { TYPE_MASK = 0xf };
    for (uint64_t type = 0; type <= TYPE_MASK; type++) {
        const uint32_t            action = type == SOCK_STREAM || type == SOCK_SEQPACKET ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
        const struct scmp_arg_cmp both[] = {{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family},
                                            {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = TYPE_MASK, .datum_b = type}};
        int                       failed = seccomp_rule_add_array(filter, action, SCMP_SYS(socketpair), 2, both);
        if (failed < 0)
            return err_set(err, -failed, "seccomp rule for socketpair: %s", strerror(-failed));
    }
    return 0;
}

/*
 * What the policy allows and another layer would have to hold, which is not there. Files: without a root of its own a session is kept from
 * others' by Landlock alone, so what that does not judge is not let in. Memory: what is mapped by no process is in no process's account,
 * so where there is no control group nobody would see it grow.
 */
static bool is_held_by_nobody(const struct jail *jail, const struct syscall_rule *rule)
{
    enum { ABI_OF_TRUNCATE = 3 }; /* Linux 6.2; a file that is open was judged when it was opened */
    if (!jail->has_root && (rule->only_namespace_tier || (jail->landlock_abi < ABI_OF_TRUNCATE && strcmp(rule->name, "truncate") == 0)))
        return true;
    return !jail->report[LAYER_CGROUP_MEMORY].active && (strcmp(rule->name, "memfd_create") == 0 || strcmp(rule->name, "shmget") == 0);
}

/* Of what nobody holds. Extended attributes are asked for by ordinary commands (`ls -l`), which know file systems that have none. */
static uint32_t refusal_of(const struct syscall_rule *rule)
{
    return SCMP_ACT_ERRNO(strstr(rule->name, "xattr") != NULL ? EOPNOTSUPP : EPERM);
}

static int add_rules(const struct jail *jail, scmp_filter_ctx filter, struct err *err)
{
    for (uint32_t i = 0; i < jail->policy->syscall_count; i++) {
        const struct syscall_rule *rule   = &jail->policy->syscalls[i];
        uint32_t                   action = action_of(rule);
        if (refuses_a_use(rule))
            continue;
        if (is_held_by_nobody(jail, rule))
            action = refusal_of(rule);
        bool is_pair = action == SCMP_ACT_ALLOW && !jail->has_root && rule->has_condition && strcmp(rule->name, "socketpair") == 0;
        if (is_pair ? add_connected_pairs(filter, rule->value, err) < 0 : add_rule(filter, rule, action, err) < 0)
            return -1;
        if (action == SCMP_ACT_ALLOW && jail->egress_fd >= 0 && rule->has_condition && strcmp(rule->name, "socket") == 0) {
            if (add_way_out(filter, rule->value, err) < 0)
                return -1;
            continue;
        }
        if (action == SCMP_ACT_ALLOW && rule->has_condition && add_refusal(filter, rule, err) < 0)
            return -1;
    }
    return 0;
}

/* A program of libseccomp's in `ret`, which has room for BPF_MAXINSNS. Returns its length, or -1. */
static int export(scmp_filter_ctx filter, struct sock_filter *ret, struct err *err)
{
    int     fd   = memfd_create("seccomp", MFD_CLOEXEC);
    ssize_t size = -1;

    if (fd >= 0 && seccomp_export_bpf(filter, fd) == 0)
        size = pread(fd, ret, BPF_MAXINSNS * sizeof *ret, 0);
    fdio_close(&fd);
    return size <= 0 ? err_set(err, EIO, "seccomp filter could not be exported") : (int)((size_t)size / sizeof *ret);
}

static int compile(const struct jail *jail, uint32_t otherwise, int (*add)(const struct jail *, scmp_filter_ctx, struct err *),
                   struct sock_filter *ret, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);
    int             count  = -1;

    if (filter == NULL)
        return err_set(err, ENOMEM, "seccomp filter");
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree; where libseccomp lacks it, a list is as right */
    if (add(jail, filter, err) == 0)
        count = export(filter, ret, err);
    seccomp_release(filter);
    return count;
}

/* What the first of two programs, of `count` instructions, would allow goes on at the second, behind it. */
static void go_on(struct sock_filter *first, int count)
{
    for (int i = 0; i < count; i++) {
        if (first[i].code == (BPF_RET | BPF_K) && first[i].k == SECCOMP_RET_ALLOW)
            first[i] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(count - i - 1));
    }
}

int jail_seccomp_prepare(struct jail *jail, struct err *err)
{
    static struct sock_filter first[BPF_MAXINSNS], second[BPF_MAXINSNS];
    int                       refusing = compile(jail, SCMP_ACT_ALLOW, add_refused_uses, first, err);
    int                       allowing = refusing < 0 ? -1 : compile(jail, SCMP_ACT_ERRNO(ENOSYS), add_rules, second, err);
    struct sock_filter       *both;

    if (allowing < 0)
        return -1;
    if (refusing + allowing > BPF_MAXINSNS)
        return err_set(err, E2BIG, "the seccomp filter has %d instructions, %d is the most", refusing + allowing, BPF_MAXINSNS);
    /* mapped, not allocated: it stays out of the heap that sessions share */
    both = mmap(NULL, (size_t)(refusing + allowing) * sizeof *both, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (both == MAP_FAILED)
        return err_errno(err, "seccomp filter");
    go_on(first, refusing);
    memcpy(both, first, (size_t)refusing * sizeof *both);
    memcpy(both + refusing, second, (size_t)allowing * sizeof *both);
    jail->filter = (struct sock_fprog){(unsigned short)(refusing + allowing), both};
    jail_active(jail, LAYER_SECCOMP, "allow-list of %u rules, %u instructions%s", jail->policy->syscall_count, (unsigned)jail->filter.len,
                jail_signal_leaves(jail) ? "; no signals can be sent, since nothing else keeps them inside" : "");
    return 0;
}

int jail_seccomp_enter(const struct jail *jail, struct err *err)
{
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &jail->filter) < 0)
        return err_errno(err, "seccomp");
    return 0;
}
