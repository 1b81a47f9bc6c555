#include "mcp_message.h"

#include <string.h>

static const char *const VERSIONS[MCP_VERSIONS] = {
    [MCP_2024_11_05] = "2024-11-05", [MCP_2025_03_26] = "2025-03-26", [MCP_2025_06_18] = "2025-06-18",
    [MCP_2025_11_25] = "2025-11-25", [MCP_2026_07_28] = "2026-07-28",
};

const char *mcp_version_name(enum mcp_version version)
{
    return VERSIONS[version];
}

bool mcp_version_parse(const char *text, enum mcp_version *ret)
{
    for (int i = 0; text != NULL && i < MCP_VERSIONS; i++) {
        if (strcmp(text, VERSIONS[i]) == 0) {
            *ret = (enum mcp_version)i;
            return true;
        }
    }
    return false;
}

json_t *mcp_version_list(void)
{
    json_t *list = json_array();
    for (int i = MCP_VERSIONS; i-- > 0;)
        (void)json_array_append_new(list, json_string(VERSIONS[i]));
    return list;
}

static bool is_id(const json_t *json)
{
    return json_is_integer(json) || (json_is_string(json) && json_string_length(json) <= MCP_ID_MAX);
}

static enum mcp_kind refuse(struct mcp_message *message, const char *fault)
{
    message->kind  = MCP_INVALID;
    message->fault = fault;
    return MCP_INVALID;
}

static bool is_method(const json_t *json)
{
    size_t length = json_string_length(json);
    return json_is_string(json) && length > 0 && length <= MCP_METHOD_MAX && strlen(json_string_value(json)) == length;
}

static void read_meta(struct mcp_message *message)
{
    json_t *meta = json_object_get(message->params, "_meta"), *token = json_object_get(meta, "progressToken");
    message->version = json_string_value(json_object_get(meta, "io.modelcontextprotocol/protocolVersion"));
    if (is_id(token))
        message->token = token;
}

static enum mcp_kind read_response(struct mcp_message *message, const json_t *json)
{
    bool has_result = json_object_get(json, "result") != NULL, has_error = json_object_get(json, "error") != NULL;
    if (has_result == has_error)
        return refuse(message, "a message has a method, or else a result or an error");
    if (message->id == NULL && !has_error)
        return refuse(message, "a result needs the id of its request, a string or an integer");
    message->kind = MCP_RESPONSE;
    return MCP_RESPONSE;
}

enum mcp_kind mcp_message_read(struct mcp_message *ret, json_t *json)
{
    json_t     *id, *method, *params;
    const char *version = json_string_value(json_object_get(json, "jsonrpc"));

    *ret = (struct mcp_message){0};
    if (json_is_array(json))
        return refuse(ret, "batches are not taken: send one message at a time");
    if (!json_is_object(json))
        return refuse(ret, "a message is a JSON object");
    id     = json_object_get(json, "id");
    method = json_object_get(json, "method");
    params = json_object_get(json, "params");
    if (is_id(id))
        ret->id = id;
    if (version == NULL || strcmp(version, "2.0") != 0)
        return refuse(ret, "jsonrpc must be \"2.0\"");
    if (method == NULL)
        return read_response(ret, json);
    if (!is_method(method))
        return refuse(ret, "method must be a string of 1 to 128 bytes");
    if (id != NULL && ret->id == NULL)
        return refuse(ret, "id must be an integer, or a string of at most 256 bytes");
    if (params != NULL && !json_is_object(params))
        return refuse(ret, "params must be an object");
    ret->method = json_string_value(method);
    ret->params = params;
    ret->kind   = ret->id != NULL ? MCP_REQUEST : MCP_NOTIFICATION;
    read_meta(ret);
    return ret->kind;
}

json_t *mcp_message_result(json_t *id, json_t *result)
{
    return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result);
}

json_t *mcp_message_error(json_t *id, int code, const char *message, json_t *data)
{
    json_t *error = json_pack("{s:i, s:s%}", "code", code, "message", message, strlen(message));
    if (error == NULL) { /* the text is not UTF-8 */
        error = json_pack("{s:i, s:s}", "code", code, "message", "The request can't be served");
    }
    if (data != NULL)
        (void)json_object_set_new(error, "data", data);
    return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "error", error);
}

json_t *mcp_message_notification(const char *method, json_t *params)
{
    return json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params);
}
