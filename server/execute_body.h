/* execute_body.h: the JSON body of execute, execute/stream and executions. */
#ifndef PENNY_EXECUTE_BODY_H
#define PENNY_EXECUTE_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "execution.h"
#include "http.h"
#include "json.h"
#include "policies.h"
#include "session.h"

struct execute_body {
    struct execution_request execution; /* code borrowed from the request's JSON; options, label and files owned */
    struct session_request   session;   /* has_id: the sessionId given */
    bool                     may_queue;
    bool                     interrupt_on_disconnect;
};

/* Reads the body of `request`. Returns false when something is wrong: the request has been answered. */
bool execute_body_read(struct execute_body *body, struct http_request *request, const struct policies *policies);
/* The members that a race has, too: variables, envVars, stdin, timeout, includeVariables, queue, onDisconnect. */
void execute_body_read_common(struct json_check *check, const json_t *json, const struct policies *policies, struct execute_body *body);
/* One code, which is (part of) `field`; borrowed. */
void execute_body_check_code(struct json_check *check, const char *field, const json_t *code, const struct policies *policies,
                             struct execution_request *execution);
void execute_body_done(struct execute_body *body);

#endif
