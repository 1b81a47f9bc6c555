#define _GNU_SOURCE
#include "mcp_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "json_said.h"
#include "text.h"

enum { MESSAGE_MAX = 2048 };

static const char OMITTED[] =
    "\n[... %zu bytes are left out here: print less, or write to a file and read it in parts with read_file ...]\n";

json_t *mcp_result_text(const char *text, size_t length)
{
    struct bytes out = {0};
    char         note[160];
    json_t      *json = NULL;
    size_t       head = length, tail = length;
    bool         fine;

    if (length > MCP_TEXT_MAX) {
        head = text_cut(text, length, MCP_TEXT_MAX / 2);
        tail = length - MCP_TEXT_MAX / 2;
        while (tail < length && ((unsigned char)text[tail] & 0xc0) == 0x80)
            tail++;
    }
    fine = text_repair(&out, text, head);
    if (fine && tail < length) {
        (void)snprintf(note, sizeof note, OMITTED, tail - head);
        fine = bytes_append(&out, note, strlen(note)) && text_repair(&out, text + tail, length - tail);
    }
    if (fine)
        json = json_pack("{s:s, s:o}", "type", "text", "text", json_stringn(out.length > 0 ? out.data : "", out.length));
    bytes_done(&out);
    return json;
}

json_t *mcp_result_one(json_t *item, bool is_error)
{
    json_t *result = item != NULL ? json_pack("{s:[o]}", "content", item) : NULL;
    if (result != NULL && is_error)
        (void)json_object_set_new(result, "isError", json_true());
    return result;
}

json_t *mcp_result_refused(const char *message)
{
    return mcp_result_one(mcp_result_text(message, strlen(message)), true);
}

/* What to do about it, where the message does not say so itself. */
static const char *advice_on(const char *code)
{
    static const char *const advice[][2] = {
        {"SESSION_NOT_FOUND", "Leave `session` out, or give a sessionId that run_code or fork returned."},
        {"SESSION_GONE", "Its state is lost. Leave `session` out, or call run_code anew."},
        {"SESSION_BUSY", "Wait until the run has ended, or call interrupt."},
        {"FILE_NOT_FOUND", "Call list_files to see what there is."},
        {"INVALID_PATH", "Give a path relative to the workspace, such as data/table.csv."},
        {"CHECKPOINT_NOT_FOUND", "Call list_checkpoints to see what there is, or checkpoint to make one."},
        {"CHECKPOINT_GONE", "Call list_checkpoints and choose another one."},
        {"CHECKPOINT_LIMIT", "Go on without another checkpoint."},
        {"CHECKPOINT_IMPOSSIBLE", "End the session's threads first, or go on without a checkpoint."},
        {"FORK_NOT_POSSIBLE", "End the session's threads first, or run in the session itself."},
        {"PACKAGES_BLOCKED", "Use a package that is allowed, or what is installed already: numpy, pandas, matplotlib and more."},
        {"PACKAGES_DISABLED", "Use what is installed already: numpy, pandas, matplotlib and more."},
        {"QUEUE_FULL", "Wait until a run has ended."},
        {"TOO_MANY_SESSIONS", "End a session that is not needed any more with end_session, or try again later."},
        {"QUOTA_EXCEEDED", "Try again later."},
        {"NETWORK_DISABLED", "Go on without the network."},
        {"INTERPRETER_DIED", "Look at what is left with list_variables and run again what is missing."},
    };
    for (size_t i = 0; code != NULL && i < sizeof advice / sizeof *advice; i++) {
        if (strcmp(code, advice[i][0]) == 0)
            return advice[i][1];
    }
    return NULL;
}

static void add(char *text, const char *more)
{
    size_t used = strlen(text);
    if (more != NULL)
        (void)snprintf(text + used, MESSAGE_MAX - used, "%s%s", used > 0 ? " " : "", more);
}

/* "code must be string" of each fault, when there are several. */
static void add_faults(char *text, const json_t *error)
{
    const json_t *faults = json_object_get(error, "validationErrors"), *fault;
    size_t        i;
    json_array_foreach(faults, i, fault)
    {
        if (json_array_size(faults) > 1)
            add(text, json_string_value(json_object_get(fault, "message")));
    }
}

static json_t *result_of_error(const struct http_inner_answer *answer, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message")), *code = json_string_value(json_object_get(error, "code"));
    json_int_t  retry             = json_integer_value(json_object_get(error, "retryAfter"));
    char        text[MESSAGE_MAX] = "", more[80];

    add(text, message != NULL && message[0] != '\0' ? message
              : answer->status == 0                 ? "The answer is too long, or was broken off: ask for less at once."
                                                    : "The service gave no reason.");
    if (text[strlen(text) - 1] != '.')
        (void)strcat(text, strlen(text) < MESSAGE_MAX - 1 ? "." : "");
    add_faults(text, error);
    add(text, advice_on(code));
    if (advice_on(code) == NULL && retry > 0) {
        (void)snprintf(more, sizeof more, "Try again in %lld s.", (long long)retry);
        add(text, more);
    }
    return mcp_result_refused(text);
}

json_t *mcp_result_structured(json_t *json)
{
    char   *text   = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_t *result = text != NULL ? mcp_result_one(mcp_result_text(text, strlen(text)), false) : NULL;
    if (result != NULL)
        (void)json_object_set(result, "structuredContent", json);
    free(text);
    json_decref(json);
    return result;
}

json_t *mcp_result_of(const struct http_inner_answer *answer)
{
    json_t *json = json_said_read(answer->body, answer->length), *result;

    if (json == NULL || answer->status < 200 || answer->status >= 300) {
        result = result_of_error(answer, json);
    } else {
        result = mcp_result_one(mcp_result_text(answer->body, answer->length), false);
        if (result != NULL)
            (void)json_object_set(result, "structuredContent", json);
    }
    json_decref(json);
    return result;
}
