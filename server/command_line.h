/* command_line.h: what the command lines of the commands beside the service have in common. */
#ifndef PENNY_COMMAND_LINE_H
#define PENNY_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * The value of option `name` ("--timeout") where argv[*at] is it: behind its "=", or the next argument, to which *at then moves. NULL: it is another
 * argument, or it has no value.
 */
const char *command_line_value(char **argv, int argc, int *at, const char *name);
bool        command_line_is_help(const char *argument);
/* open or standard. Returns 0 or -1. */
int command_line_profile(const char *text, const char **ret, struct err *err);
/* SANDBOX_URL; `otherwise` where it is not set or empty. */
const char *command_line_server(const char *otherwise);
/* The variable's value; "" where it is not set. */
const char *command_line_key(const char *variable);

/* Says it on standard error. Returns `code`. */
int command_line_complain(const struct err *err, int code);

/* Writes all of it. Who shares the descriptor, as node.js does, may have made it non-blocking: then we wait ourselves. Returns 0, or -1 with errno. */
int command_line_write(int fd, const char *data, size_t length);

#endif
