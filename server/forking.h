/* forking.h: a request that waits for live copies of a session, whichever API it is of. */
#ifndef PENNY_FORKING_H
#define PENNY_FORKING_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "server.h"
#include "session_fork.h"

/* The first member of a larger struct, which is the adapter's. */
struct forking {
    struct server       *server;
    struct http_request *request;
    struct id            parent;
    /* Of an answer that is FORK_DONE: owns its workers and answers the request, whose client is there. Any other is told by forking_refuse. */
    void (*on_done)(struct forking *forking, struct session *parent, const struct fork_answer *answer);
    void (*release)(struct forking *forking); /* the larger struct; called once, last */
};

/*
 * Takes `forking` over, which on_done and release are set in: from now on it lives until the request is answered or its client has left. A refusal is
 * answered here, too.
 */
void forking_begin(struct forking *forking, struct server *server, struct http_request *request, struct session *parent, size_t count,
                   bool may_wait);

/* 503 while the service is about to stop. Returns whether it was answered. */
bool forking_is_closed(struct http_request *request, struct server *server);

/* What session_fork's answer says to a client, when it is no success. */
void forking_refuse(struct http_request *request, const struct fork_answer *answer);

#endif
