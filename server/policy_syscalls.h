/* policy_syscalls.h: policies/syscalls.json, the rules of the system call filter. */
#ifndef PENNY_POLICY_SYSCALLS_H
#define PENNY_POLICY_SYSCALLS_H

#include <jansson.h>

#include "err.h"
#include "policy.h"
#include "policy_file.h"

/* Refuses a file that policy_syscalls_fill() could not use. Returns 0, or -1 with "path:line: reason". */
int policy_syscalls_check(const struct policy_file *file, struct err *err);

/* One struct syscall_rule for each name of each rule, in the order of the file. Returns 0 or -1. */
int policy_syscalls_fill(const json_t *root, struct policy *policy, struct err *err);

#endif
