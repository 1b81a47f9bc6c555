/*
 * egress.h: the process through which executions reach the network, where the operator has let them. It is a proxy (CONNECT, and plain
 * HTTP) on a socket inside the sessions' otherwise empty network namespace, which the zygote has made and the server hands on; itself it
 * is in the host's. It knows who asks by a token that the server gives to one execution for as long as it runs, resolves names itself,
 * and connects to the very address that it has judged.
 *
 * It is another process than the server so that what comes from the world meets neither sessions nor callers there; it runs as a user of
 * its own, without rights.
 */
#ifndef PENNY_EGRESS_H
#define PENNY_EGRESS_H

#include "config.h"
#include "err.h"
#include "policies.h"

extern const char EGRESS_ARGUMENT[]; /* the first argument of the process; its descriptor: egress_wire.h */

int egress_run(const struct config *config, const struct policies *policies, struct err *err);

#endif
