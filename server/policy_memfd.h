/* policy_memfd.h: the policy as the zygote gets it: a sealed memfd that nobody can change any more. */
#ifndef PENNY_POLICY_MEMFD_H
#define PENNY_POLICY_MEMFD_H

#include <jansson.h>

#include "err.h"
#include "policy.h"

/*
 * Returns a sealed memfd (close-on-exec, the caller owns it) that holds *policy followed by `imports` as text, whose length is
 * set in the copy's imports_json_bytes; or -1.
 */
int policy_memfd_make(const struct policy *policy, const json_t *imports, struct err *err);

#endif
