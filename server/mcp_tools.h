/* mcp_tools.h: what an MCP client can call. */
#ifndef PENNY_MCP_TOOLS_H
#define PENNY_MCP_TOOLS_H

#include <jansson.h>
#include <stdbool.h>

#include "http.h"
#include "mcp_call.h"

enum { MCP_REQUIRED_MAX = 3 };

enum mcp_hints {
    MCP_READS         = 1,  /* changes nothing */
    MCP_DESTROYS      = 2,  /* may undo or overwrite what is there */
    MCP_IS_IDEMPOTENT = 4,  /* again with the same arguments changes nothing more */
    MCP_OPEN_WORLD    = 8,  /* reaches beyond the sandbox */
    MCP_MAKES_SESSION = 16, /* without a session it gets a new one */
};

struct mcp_tool {
    const char      *name, *title, *description;
    const char      *input, *output; /* JSON schemas: the properties of the input, beside `session`; the whole output, or NULL */
    const char      *required[MCP_REQUIRED_MAX];
    unsigned         hints;
    enum http_method method;  /* of the route that it is, */
    http_handler     handler; /* whose handler this is: what the call is counted and recorded as */
    /* Fills the inner request from the arguments. Returns false when they are not right: the call has been ended. NULL: they are its body. */
    bool (*prepare)(struct mcp_call *call, struct http_request *inner);
    http_handler         acts;            /* NULL: `handler` */
    http_inner_on_answer finish;          /* gets the call; NULL: the answer is the result */
    size_t               max;             /* bytes of the answer; 0: MCP_ANSWER_BYTES */
    void (*start)(struct mcp_call *call); /* instead of all that */
};

enum { MCP_ANSWER_BYTES = 4 * 1024 * 1024 };

const struct mcp_tool *mcp_tools_find(const char *name); /* NULL: there is none; name may be NULL */
/* [Tool], in an order that never changes. Owned; NULL: no memory. */
json_t *mcp_tools_list(void);

#endif
