/* pipes_private.h: what pipes*.c share. Nobody else includes it. */
#ifndef PENNY_PIPES_PRIVATE_H
#define PENNY_PIPES_PRIVATE_H

#include "pipes.h"

/* pipes_send.c */
int  pipes_send_rest(struct pipes *pipes, const char *rest, size_t length, struct err *err); /* of a request that another process began */
void pipes_on_request_writable(evutil_socket_t fd, short what, void *arg);

#endif
