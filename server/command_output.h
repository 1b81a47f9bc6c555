/* command_output.h: what a program made, written to a directory of the caller's: plots as plot-N.png, files under their own names. */
#ifndef PENNY_COMMAND_OUTPUT_H
#define PENNY_COMMAND_OUTPUT_H

#include <jansson.h>

#include "command_service.h"
#include "err.h"

/* `result` is the whole ExecutionResult. Nothing is written outside of the directory. Returns 0, or -1 with err. */
int command_output_write(const struct command_service *service, const json_t *result, const char *directory, struct err *err);
/* Without a directory: says on standard error that there is something. */
void command_output_mention(const json_t *result);

#endif
