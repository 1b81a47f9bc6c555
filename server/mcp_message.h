/*
 * mcp_message.h: the messages of the Model Context Protocol, which are JSON-RPC 2.0's: what one says is read here, and what we say is written.
 * Everything is the client's word: names and ids have limits, and what is none of the known shapes is refused.
 */
#ifndef PENNY_MCP_MESSAGE_H
#define PENNY_MCP_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    MCP_METHOD_MAX = 128, /* bytes of a method's name, */
    MCP_ID_MAX     = 256, /* of an id or progress token that is a string */

    MCP_PARSE_ERROR         = -32700,
    MCP_INVALID_REQUEST     = -32600,
    MCP_METHOD_NOT_FOUND    = -32601,
    MCP_INVALID_PARAMS      = -32602,
    MCP_INTERNAL_ERROR      = -32603,
    MCP_REFUSED             = -32000, /* ours: the service refuses; data.code says why */
    MCP_NO_SESSION          = -32001, /* ours, as other servers have it: the session is not known, or over */
    MCP_HEADER_MISMATCH     = -32020,
    MCP_UNSUPPORTED_VERSION = -32022,
};

/* The revisions of the protocol. Those before MCP_STATELESS begin with `initialize` and have sessions; from it on each request stands for itself. */
enum mcp_version { MCP_2024_11_05, MCP_2025_03_26, MCP_2025_06_18, MCP_2025_11_25, MCP_2026_07_28, MCP_VERSIONS };
#define MCP_NEWEST_WITH_SESSIONS MCP_2025_11_25
#define MCP_STATELESS            MCP_2026_07_28

const char *mcp_version_name(enum mcp_version version);
/* Returns false when text (which may be NULL) names none. */
bool mcp_version_parse(const char *text, enum mcp_version *ret);
/* ["2026-07-28", ...], newest first. Owned. */
json_t *mcp_version_list(void);

enum mcp_kind { MCP_INVALID, MCP_REQUEST, MCP_NOTIFICATION, MCP_RESPONSE };

/* Everything is borrowed from the JSON it was read from. */
struct mcp_message {
    enum mcp_kind kind;
    const char   *fault;   /* of an invalid one: what is wrong with it */
    json_t       *id;      /* a string or an integer; NULL: none, or not a right one */
    const char   *method;  /* NULL for a response */
    json_t       *params;  /* an object; NULL: none */
    json_t       *token;   /* a progress token; NULL: no progress is wanted */
    const char   *version; /* as `_meta` of a request without session names it; NULL: it does not */
};

/* Any JSON, NULL included. Returns the kind. */
enum mcp_kind mcp_message_read(struct mcp_message *ret, json_t *json);

/* {"jsonrpc":"2.0", ...} as owned JSON; NULL: no memory. `id` may be NULL; result, params and data (may be NULL) are taken over. */
json_t *mcp_message_result(json_t *id, json_t *result);
json_t *mcp_message_error(json_t *id, int code, const char *message, json_t *data);
json_t *mcp_message_notification(const char *method, json_t *params);

#endif
