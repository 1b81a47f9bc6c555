/*
 * mcp_answer.h: the answer to one MCP request over HTTP: one JSON object, or, for a client that takes a stream, messages as Server-Sent Events of
 * which the last is the response.
 */
#ifndef PENNY_MCP_ANSWER_H
#define PENNY_MCP_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "mcp_message.h"

struct mcp_answer;

struct mcp_answer_events {
    void (*on_drain)(void *arg); /* what waits for the client is below MCP_ANSWER_LOW_BYTES again */
    void (*on_gone)(void *arg);  /* the client has left: the answer is to be freed */
};

enum { MCP_ANSWER_LOW_BYTES = 64 * 1024 };

/* NULL: no memory. */
struct mcp_answer *mcp_answer_new(struct http_request *request, json_t *id, enum mcp_version version,
                                  const struct mcp_answer_events *events, void *arg);
/* Begins a stream, if the client takes one. */
void mcp_answer_begin(struct mcp_answer *answer);
bool mcp_answer_is_stream(const struct mcp_answer *answer);

/* Of a stream; else nothing happens. Each returns the bytes now waiting for the client. `event_id` (may be NULL) is what it can resume after. */
size_t mcp_answer_send(struct mcp_answer *answer, json_t *owned, const char *event_id);
size_t mcp_answer_ping(struct mcp_answer *answer);
/* An event without a message, so that even a client that is cut off before the first one can resume. Only where the revision has it. */
size_t mcp_answer_prime(struct mcp_answer *answer, const char *event_id);

/* The end, and the answer's. `result` and `data` are taken over; result NULL: no memory. */
void mcp_answer_result(struct mcp_answer *answer, json_t *result);
void mcp_answer_error(struct mcp_answer *answer, int status, int code, const char *message, json_t *data);
void mcp_answer_end(struct mcp_answer *answer); /* of a stream, without a response: the client comes again, or has had it */

/* After on_gone. NULL is fine. */
void mcp_answer_free(struct mcp_answer *answer);

/* At once, without an answer of its own. */
void mcp_reply_error(struct http_request *request, int status, json_t *id, int code, const char *message, json_t *data);

#endif
