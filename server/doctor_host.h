/* doctor_host.h: what doctor looks at beside the jail: kernel, files, addresses, memory. */
#ifndef PENNY_DOCTOR_HOST_H
#define PENNY_DOCTOR_HOST_H

#include <jansson.h>

#include "config.h"
#include "policies.h"

void doctor_kernel(json_t *findings);
void doctor_limits(json_t *findings); /* and raises them for what is probed */
/* `python`: the version that the zygote has linked; "" when it could not say. */
void doctor_python(const struct config *config, const char *python, json_t *findings);
void doctor_files(const struct config *config, json_t *findings);
void doctor_addresses(const struct config *config, json_t *findings);
void doctor_memory(json_t *findings);
/* The zygote's report, layer by layer, with what to do about what is not there; and whether sessions are small. */
void doctor_isolation(const struct config *config, const json_t *report, json_t *findings);

#endif
