/* api_network.h: whether who sent a request may let programs use the network. */
#ifndef PENNY_API_NETWORK_H
#define PENNY_API_NETWORK_H

#include <stdbool.h>

#include "http.h"
#include "server.h"

/* The operator has opened it, to this key (NULL: there are no keys), and there is a way. */
bool api_network_is_open(const struct server *server, const struct tenant *caller);
/* Likewise; else the request has been answered, with the reason. */
bool api_network_check(struct http_request *request, const struct server *server);

#endif
