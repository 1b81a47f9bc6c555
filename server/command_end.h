/* command_end.h: how a program ended, as the exit code of a command and on standard error. */
#ifndef PENNY_COMMAND_END_H
#define PENNY_COMMAND_END_H

#include <jansson.h>

enum {
    COMMAND_EXIT_ERROR   = 1,
    COMMAND_EXIT_USAGE   = 2,
    COMMAND_EXIT_TIMEOUT = 124,
    COMMAND_EXIT_FAILED  = 125, /* the sandbox, not the program */
    COMMAND_EXIT_SIGNAL  = 128,
    COMMAND_EXIT_KILLED  = 137,
};

/* Writes the traceback, or what else there is to say, to standard error; `name` stands for the cell in it. Returns the exit code. */
int command_end_report(const json_t *result, const char *name);
/* What it cost. `start_ms` < 0: a server that was running already. */
void command_end_time(const json_t *result, long long start_ms);

#endif
