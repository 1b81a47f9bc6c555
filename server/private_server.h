/*
 * private_server.h: a service of one's own, for a command: on a free loopback port, with a key that nobody else has. It ends with the
 * process that started it, however that one ends.
 */
#ifndef PENNY_PRIVATE_SERVER_H
#define PENNY_PRIVATE_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "http_call.h"

struct private_server {
    pid_t                   pid; /* 0: none */
    int                     ready_fd, log_fd;
    int                     end_fd;   /* can be read when it has ended: a SIGCHLD may be of a child that was there before us. -1: none */
    int64_t                 start_ms; /* how long it took */
    struct http_call_target target;
};

#define PRIVATE_SERVER_INIT                                                                                                                \
    {                                                                                                                                      \
        .ready_fd = -1, .log_fd = -1, .end_fd = -1                                                                                         \
    }

/* `options` are options of the service, `count` of them, that go before those which make it private. Returns 0, or -1 with err and nothing left. */
int private_server_start(struct private_server *server, char *const options[], size_t count, struct err *err);
/* Ends it and waits until it has. A server that was never started is fine. */
void private_server_stop(struct private_server *server);

#endif
