/* Bytes as a message of an MCP client, as an event's id, and as lines of standard input; results of any JSON are content that can be sent. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mcp_message.h"
#include "mcp_result.h"
#include "mcp_run.h"
#include "mcp_stdio.h"
#include "mcp_tools.h"

static void drop(json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text == NULL || strchr(text, '\n') != NULL) /* one line, always */
        abort();
    free(text);
    json_decref(json);
}

static void check_message(json_t *json)
{
    struct mcp_message message;
    enum mcp_kind      kind = mcp_message_read(&message, json);

    if ((kind == MCP_INVALID) != (message.fault != NULL) || (kind == MCP_REQUEST && message.id == NULL))
        abort();
    if (kind == MCP_REQUEST || kind == MCP_NOTIFICATION) {
        if (strlen(message.method) > MCP_METHOD_MAX || (kind == MCP_NOTIFICATION && message.id != NULL))
            abort();
        (void)mcp_tools_find(json_string_value(json_object_get(message.params, "name")));
    }
    drop(mcp_message_error(message.id, MCP_INTERNAL_ERROR, message.fault != NULL ? message.fault : "x", NULL));
    if (message.id != NULL)
        drop(mcp_message_result(message.id, json_object()));
}

static void check_result(json_t *json)
{
    json_t *result = mcp_result_execution(json);
    if (json_array_size(json_object_get(result, "content")) == 0)
        abort();
    drop(result);
}

static void check_lines(const char *text, size_t length)
{
    struct bytes input = {0};
    size_t       used = 0, n, half = length / 2;
    const char  *line;

    for (int part = 0; part < 2; part++) {
        if (!bytes_append(&input, part == 0 ? text : text + half, part == 0 ? half : length - half))
            abort();
        while (mcp_stdio_line(&input, &used, &line, &n)) {
            if (n > 0 && memchr(line, '\n', n) != NULL)
                abort();
        }
    }
    if (used > input.length || (input.length > used && memchr(input.data + used, '\n', input.length - used) != NULL))
        abort();
    bytes_done(&input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_inner_answer answer = {(int)size % 600, "", (const char *)data, size};
    char                    *text;
    const char              *after;
    struct id                id;
    json_t                  *json;

    if (size == 0 || size > 65536)
        return 0;
    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    json       = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    check_message(json);
    if (json != NULL)
        check_result(json);
    if (mcp_run_parse_event(text, &id, &after) && (after < text || after >= text + size))
        abort();
    drop(mcp_result_text(text, size));
    drop(mcp_result_of(&answer));
    check_lines(text, size);
    json_decref(json);
    free(text);
    return 0;
}
