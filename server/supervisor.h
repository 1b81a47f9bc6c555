/*
 * supervisor.h: the first process. It opens the sockets, starts the zygote and the server process, starts either again when it
 * dies without taking the other along, and ends both, leaving nothing behind. It reads no request and holds no session.
 */
#ifndef PENNY_SUPERVISOR_H
#define PENNY_SUPERVISOR_H

#include "config.h"
#include "err.h"
#include "policies.h"

/*
 * Runs until SIGTERM or SIGINT. argv is the program's own; the server process is this executable again with SUPERVISOR_ARGUMENT
 * put before the other arguments. Returns 0 after an orderly end, -1 with err when the service could not be started.
 */
int supervisor_run(struct config *config, const struct policies *policies, char **argv, struct err *err);

/* The argument that makes this executable the server process. */
extern const char SUPERVISOR_ARGUMENT[];

#endif
