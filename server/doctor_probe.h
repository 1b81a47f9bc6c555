/* doctor_probe.h: what the zygote itself says of this machine: the very code that jails sessions, asked and not guessed at. */
#ifndef PENNY_DOCTOR_PROBE_H
#define PENNY_DOCTOR_PROBE_H

#include <jansson.h>

#include "config.h"
#include "err.h"
#include "policies.h"

/*
 * Starts penny-zygote, which prepares the jail, tells and ends. *ret_report (owned by the caller) is what /health shows as `isolation`;
 * ret_python the version of the interpreter that is linked. Returns 0, or -1 with why no session could be made here.
 */
int doctor_probe(const struct config *config, const struct policies *policies, json_t **ret_report, char *ret_python, size_t room,
                 struct err *err);

#endif
