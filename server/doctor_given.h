/* doctor_given.h: what doctor looks at of the files and directories that the options name. Nothing is made or changed. */
#ifndef PENNY_DOCTOR_GIVEN_H
#define PENNY_DOCTOR_GIVEN_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"

/* API keys, certificate, audit log, state directory; the package directory where `packages` may be installed. Nothing is said of what is not named. */
void doctor_given(const struct config *config, bool packages, json_t *findings);

#endif
