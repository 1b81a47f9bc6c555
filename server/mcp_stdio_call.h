/*
 * mcp_stdio_call.h: one message of an MCP client on standard input, as a request to /mcp, and what comes back, as lines on standard output. Nothing here waits
 * for an answer's body: the caller polls.
 */
#ifndef PENNY_MCP_STDIO_CALL_H
#define PENNY_MCP_STDIO_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "bytes.h"
#include "err.h"
#include "http_call.h"
#include "mcp_message.h"

/* What the calls have in common: where the service is, and the session. */
struct mcp_stdio_session {
    struct http_call_target target;
    char                    path[64];    /* "/mcp", with the profile */
    char                    id[64];      /* "": none yet, or none any more */
    char                    version[16]; /* agreed on in `initialize`; "": not yet */
    json_t                 *initialize;  /* the client's, for another session when this one is over; owned */
    bool                    is_lost;     /* the session is over, and the client has not been told */
    bool                    is_broken;   /* nobody reads our standard output any more */
};

enum mcp_stdio_kind { STDIO_MESSAGE, STDIO_LISTEN, STDIO_RENEW /* another session, of which the client is not told */ };

struct mcp_stdio_call {
    struct mcp_stdio_call *next;
    struct http_call       http;
    enum mcp_stdio_kind    kind;
    json_t                *id; /* of the request that is to be answered; NULL: none is. Owned */
    bool                   is_initialize, is_stream, is_answered;
    struct bytes           text;     /* read and not passed on yet */
    char                   last[96]; /* event that was seen; "": none */
    unsigned               tries;
};

/* `message` is what was read from `json`. NULL: it could not be sent, and the client has been told. */
struct mcp_stdio_call *mcp_stdio_call_new(struct mcp_stdio_session *session, enum mcp_stdio_kind kind, json_t *json,
                                          const struct mcp_message *message);
/* Without an answer. */
void mcp_stdio_call_free(struct mcp_stdio_call *call);
/* There is something to read: takes and passes on what is there. Returns false at the end: the client has been answered. */
bool mcp_stdio_call_read(struct mcp_stdio_session *session, struct mcp_stdio_call *call);

/* A line on standard output. `json` is owned. */
void mcp_stdio_write(struct mcp_stdio_session *session, json_t *json);

#endif
