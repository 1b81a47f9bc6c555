/* doctor_capacity.h: how many sessions this machine holds, by what each needs of what there is. */
#ifndef PENNY_DOCTOR_CAPACITY_H
#define PENNY_DOCTOR_CAPACITY_H

#include <jansson.h>

#include "policies.h"

/* `isolation`: the zygote's report; NULL when there is none. A new {sessions, limitedBy, atFullMemory, limits: {name: sessions}}; a finding says whether the policy's number fits. NULL when memory is short. */
json_t *doctor_capacity(const struct policies *policies, const json_t *isolation, json_t *findings);

#endif
