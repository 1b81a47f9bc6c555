/*
 * mcp_result.h: what a tool has to say: content for the model to read and for programs structuredContent, made of the answers of our own API.
 * All returned JSON is owned; NULL: no memory.
 */
#ifndef PENNY_MCP_RESULT_H
#define PENNY_MCP_RESULT_H

#include <jansson.h>

#include "http_inner.h"

enum {
    MCP_TEXT_MAX   = 64 * 1024,       /* bytes of one text for a model; the middle of a longer one is left out, which is said */
    MCP_IMAGES_MAX = 6 * 1024 * 1024, /* base64 bytes of all images of one result */
};

/* A text item, cut to MCP_TEXT_MAX. What is not UTF-8 is replaced. */
json_t *mcp_result_text(const char *text, size_t length);
/* {content: [item], isError?}; `item` is taken over. */
json_t *mcp_result_one(json_t *item, bool is_error);

/* An answer in JSON: as text and, an object, as structuredContent. An error: what went wrong, and what to do next. */
json_t *mcp_result_of(const struct http_inner_answer *answer);
/* `json` (owned) as text and as structuredContent. */
json_t *mcp_result_structured(json_t *json);
/* The caller's mistake. */
json_t *mcp_result_refused(const char *message);

/* An ExecutionResult: what was printed, the last value, plots, the error. */
json_t *mcp_result_execution(const json_t *execution);

#endif
