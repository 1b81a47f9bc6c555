/* policy_reload.h: whether the policy files are others than they were. */
#ifndef PENNY_POLICY_RELOAD_H
#define PENNY_POLICY_RELOAD_H

#include <stdint.h>

#include "config.h"

/* Of the content of all five; a file that can't be read counts as an empty one. */
uint64_t policy_reload_digest(const struct config *config);

#endif
