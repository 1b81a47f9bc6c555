/* run.h: one request to execute, from its body to its answer: the session is found or made, the execution submitted, the client told. */
#ifndef PENNY_RUN_H
#define PENNY_RUN_H

#include "http.h"
#include "server.h"

/* How the client wants to be told. */
enum run_answer {
    RUN_ANSWER_RESULT, /* 200 with the ExecutionResult, when it has ended */
    RUN_ANSWER_STREAM, /* 200 with the stream of events */
    RUN_ANSWER_ID,     /* 202 with the ids, at once */
};

/* Answers the request exactly once, now or later. */
void run_start(struct server *server, struct http_request *request, enum run_answer answer);
/*
 * As with RUN_ANSWER_ID, for who then tells the client itself: nobody answers input(). `id` (when nobody has it; may be NULL) and `label` are the
 * execution's; borrowed.
 */
struct id;
void run_start_for(struct server *server, struct http_request *request, const struct id *id, json_t *label);

#endif
