/* listener.h: the listening sockets. The supervisor opens them once, so that they outlive any server process. */
#ifndef PENNY_LISTENER_H
#define PENNY_LISTENER_H

#include "config.h"
#include "err.h"

/*
 * Opens one TCP socket per address of config, non-blocking, close-on-exec. An address whose port is 0 gets a free one, which is
 * written back to config. Where a service manager has passed sockets (inherited.h) those are taken, and config gets their addresses.
 * Returns 0, or -1 with nothing of ours left open.
 */
int listener_open_all(struct config *config, int ret_fds[CONFIG_LISTEN_MAX], struct err *err);

/* "http://host:port" of an address as a person on this machine can use it (a wildcard becomes loopback). */
void listener_url(const struct config_address *address, bool tls, char *ret_text, size_t room);

#endif
