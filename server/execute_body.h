/* execute_body.h: the JSON body of execute, execute/stream and executions. */
#ifndef PENNY_EXECUTE_BODY_H
#define PENNY_EXECUTE_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "execution.h"
#include "http.h"
#include "policies.h"
#include "session.h"

struct execute_body {
    struct execution_request execution; /* code borrowed from the request's JSON; options owned */
    struct session_request   session;   /* has_id: the sessionId given */
    bool                     may_queue;
    bool                     interrupt_on_disconnect;
};

/* Reads the body of `request`. Returns false when something is wrong: the request has been answered. */
bool execute_body_read(struct execute_body *body, struct http_request *request, const struct policies *policies);
void execute_body_done(struct execute_body *body);

#endif
