/* inherited.h: listening sockets that the service manager has opened for us (socket activation, sd_listen_fds(3)). */
#ifndef PENNY_INHERITED_H
#define PENNY_INHERITED_H

#include "config.h"
#include "err.h"

/*
 * Takes them when there are any: config->listen becomes their addresses, ret_fds the sockets, close-on-exec and non-blocking. The variables
 * that told of them are removed from the environment. Returns how many, 0 when there are none, or -1 with err when one is of no use.
 */
int inherited_take(struct config *config, int ret_fds[CONFIG_LISTEN_MAX], struct err *err);

/* "host:port,[host]:port": config->listen as --listen takes it. */
void inherited_addresses(const struct config *config, char *ret_text, size_t room);

#endif
