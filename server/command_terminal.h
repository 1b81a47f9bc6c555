/*
 * command_terminal.h: one execution between the service and the terminal: what it prints goes to standard output and error as it comes,
 * what it reads is read from standard input, Ctrl-C interrupts it.
 */
#ifndef PENNY_COMMAND_TERMINAL_H
#define PENNY_COMMAND_TERMINAL_H

#include <jansson.h>
#include <stdbool.h>

#include "bytes.h"
#include "command_service.h"
#include "err.h"

/* What outlives one execution: standard input that was read and not asked for yet. */
struct command_terminal {
    struct bytes input;
    bool         input_ended;
    int          broken;       /* errno of our standard output: EPIPE where nobody reads it any more; 0: it takes what comes */
    bool         shows_values; /* the value of a last expression too, as in a notebook */
};

/* Blocks the signals that end or interrupt us; *ret_waiting is the mask that lets them through. Once, at the start. */
void command_terminal_signals(sigset_t *ret_waiting);
/* The signal that has come and that nobody has dealt with: 0, or its number. */
int command_terminal_signal(void);

/*
 * Runs `body` (a request of POST /api/v1/execute/stream) to its end. Returns its ExecutionResult (as the stream's last event has it), or
 * NULL with err; err->code is EINTR when a signal ended it.
 */
json_t *command_terminal_run(struct command_terminal *terminal, const struct command_service *service, const json_t *body, struct err *err);
void    command_terminal_done(struct command_terminal *terminal);

#endif
