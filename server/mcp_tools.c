#define _GNU_SOURCE
#include "mcp_tools.h"

#include <stdlib.h>
#include <string.h>

#include "api_checkpoints.h"
#include "api_executions.h"
#include "api_files.h"
#include "api_forks.h"
#include "api_packages.h"
#include "api_sessions.h"
#include "api_variables.h"
#include "mcp_files.h"
#include "mcp_result.h"
#include "mcp_run.h"

enum { VALUE_SHOWN = 200 /* bytes of a variable's value as JSON */ };

#define TEXT(name, says)             "\"" name "\":{\"type\":\"string\",\"description\":\"" says "\"}"
#define NUMBER(name, says)           "\"" name "\":{\"type\":\"integer\",\"description\":\"" says "\"}"
#define FLAG(name, says)             "\"" name "\":{\"type\":\"boolean\",\"description\":\"" says "\"}"
#define PLAIN(name, type)            "\"" name "\":{\"type\":\"" type "\"}"
#define TEXTS(name, says)            "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"" says "\"}"
#define LIST(name)                   "\"" name "\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"
#define OUTPUT(properties, required) "{\"type\":\"object\",\"properties\":{" properties "},\"required\":[" required "]}"

static const char SESSION[] =
    "{" TEXT("session", "Which session, by its sessionId, where it is not this connection's own: a fork's, for example") "}";

/* ---- arguments into requests ---- */

/* As a query parameter, whatever type it has: the handler judges it. */
static void add_query(struct http_request *inner, const json_t *arguments, const char *name)
{
    const json_t *value = json_object_get(arguments, name);
    char         *text  = json_is_string(value) || value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY);
    if (json_is_string(value))
        http_inner_add_query(inner, name, json_string_value(value));
    else if (text != NULL && !json_is_null(value))
        http_inner_add_query(inner, name, text);
    free(text);
}

static bool prepare_list(struct mcp_call *call, struct http_request *inner)
{
    add_query(inner, call->arguments, "path");
    add_query(inner, call->arguments, "depth");
    return true;
}

static bool prepare_install(struct mcp_call *call, struct http_request *inner)
{
    http_request_set_json(inner,
                          json_pack("{s:s, s:O*}", "sessionId", call->session, "packages", json_object_get(call->arguments, "packages")));
    return true;
}

/* ---- answers into results ---- */

/* Without its value, when that is not short: a model prints what it wants to see of it. */
static void shorten(json_t *variable)
{
    static const char *const same[] = {"name", "serializable"};
    char                    *value  = json_dumps(json_object_get(variable, "value"), JSON_ENCODE_ANY | JSON_COMPACT);

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        (void)json_object_del(variable, same[i]);
    if (value != NULL && strlen(value) > VALUE_SHOWN)
        (void)json_object_del(variable, "value");
    free(value);
}

static void finish_variables(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call *call   = arg;
    json_t          *result = mcp_result_of(answer), *structured = json_incref(json_object_get(result, "structuredContent")), *variable;
    const char      *name;

    if (structured == NULL) {
        mcp_call_result(call, result);
        return;
    }
    json_decref(result);
    json_object_foreach(json_object_get(structured, "variables"), name, variable)
    {
        shorten(variable);
    }
    (void)json_object_del(structured, "sessionId");
    mcp_call_result(call, mcp_result_structured(structured));
}

/* What could not be installed is an error of the tool, though none of the request. */
static void finish_install(const struct http_inner_answer *answer, void *arg)
{
    json_t *result = mcp_result_of(answer);
    if (json_is_false(json_object_get(json_object_get(result, "structuredContent"), "success")))
        (void)json_object_set_new(result, "isError", json_true());
    mcp_call_result(arg, result);
}

/* Of a fork's Session object a model needs the id. */
static void finish_fork(const struct http_inner_answer *answer, void *arg)
{
    struct mcp_call *call   = arg;
    json_t          *result = mcp_result_of(answer), *sessions, *ids, *one, *said;
    size_t           i;

    sessions = json_object_get(json_object_get(result, "structuredContent"), "sessions");
    if (!json_is_array(sessions)) {
        mcp_call_result(call, result);
        return;
    }
    ids = json_array();
    json_array_foreach(sessions, i, one)
    {
        (void)json_array_append(ids, json_object_get(one, "id"));
    }
    json_decref(result);
    said = json_pack("{s:o}", "sessionIds", ids);
    mcp_call_result(call, mcp_result_structured(said));
}

/* ---- the tools ---- */

static const struct mcp_tool TOOLS[] =
    {
        {.name  = "run_code",
         .title = "Run Python code",
         .description =
             "Runs Python in a jailed interpreter that keeps its variables, imports and files from one call to the next. Returns what was "
             "printed, the value of the last expression, figures of matplotlib as images, and the traceback when it failed. There is no "
             "terminal: input() reads from `stdin`.",
         .input = "{" TEXT("code", "The Python source. The value of a last expression is returned without print()") "," NUMBER(
             "timeout",
             "Milliseco"
             "nds "
             "after "
             "which it "
             "is "
             "interrupt"
             "ed; its "
             "state is "
             "kept "
             "then "
             "[30000]") "," TEXT("stdin", "What input() and sys.stdin read") "," FLAG("transactional",
                                                                                      "If it fails, all variables are as they were "
                                                                                      "before") "," FLAG("allowNetworking",
                                                                                                         "It may use the "
                                                                                                         "network, where "
                                                                                                         "the operator "
                                                                                                         "permits that") "}",
         .required = {"code"},
         .output   = OUTPUT(FLAG(
                                "success",
                                "It ran to its end without an error") "," TEXT("status", "ok, error, timeout, memory, interrupted, killed, "
                                                                                           "rejected or lost") "," TEXT("stdout", "What was "
                                                                                                                                  "printed") "," TEXT("stderr",
                                                                                                                                                    "What was written to standard error") "," TEXT("result", "The value of the last expression, as text") "," NUMBER("plots", "How many images are in the content") ","
                                                                                                                                                                                                                                                                                                                      "\"error\":{\"type\":\"object\",\"properties\":{" PLAIN("type", "string") "," PLAIN("message", "string") "," PLAIN("traceback",
                                                                                                                                                                                                                                                                                                                                                                                                                                       "string") "," PLAIN("line",
                                                                                                                                                                                                                                                                                                                                                                                                                                                           "integer") "}}," LIST("artifacts") "," TEXT("state",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "What is left "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "of the "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "interpreter's "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "state: kept, "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "rolledBack or "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "lost") "," TEXT("sessionId",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        "For the argument `session`") "," PLAIN("executionId", "string") ",\"executionTime\":{\"type\":\"number\"}",
                            "\"success\",\"status\",\"state\",\"sessionId\",\"executionId\""),
         .hints    = MCP_DESTROYS | MCP_OPEN_WORLD | MCP_MAKES_SESSION,
         .start    = mcp_run_start},
        {.name        = "interrupt",
         .title       = "Interrupt what runs",
         .description = "Raises KeyboardInterrupt in the code that runs in a session; its variables are kept.",
         .input       = "{}",
         .output      = OUTPUT(FLAG("success", "Whether anything ran"), "\"success\""),
         .hints       = MCP_IS_IDEMPOTENT,
         .method      = HTTP_POST,
         .handler     = api_sessions_interrupt},
        {.name        = "list_variables",
         .title       = "List variables",
         .description = "The variables of the session, with types, sizes and short values. Answers while code runs, too: then as of the "
                        "last checkpoint.",
         .input       = "{}",
         .output  = OUTPUT("\"variables\":{\"type\":\"object\"}," FLAG("stale", "Code runs: this is how it was before"), "\"variables\""),
         .hints   = MCP_READS,
         .method  = HTTP_GET,
         .handler = api_variables_list,
         .finish  = finish_variables},
        {.name        = "list_files",
         .title       = "List files",
         .description = "What is in the session's working directory, /workspace, or in a directory below it.",
         .input   = "{" TEXT("path", "A directory, relative to the working directory []") "," NUMBER("depth", "How many levels [1]") "}",
         .output  = OUTPUT(PLAIN("path", "string") "," LIST("entries"), "\"path\""),
         .hints   = MCP_READS,
         .method  = HTTP_GET,
         .handler = api_files_list,
         .prepare = prepare_list},
        {.name        = "read_file",
         .title       = "Read a file",
         .description = "A file of the session's working directory: text as text, images as images, other bytes as base64. A long file "
                        "comes in parts.",
         .input       = "{" TEXT("path", "Relative to the working directory") "," NUMBER("offset", "From which byte on [0]") "," NUMBER(
                   "limit", "How many bytes at most, up to 1048576 [49152]") "}",
         .required = {"path"},
         .hints    = MCP_READS,
         .method   = HTTP_GET,
         .handler  = api_files_get,
         .prepare  = mcp_files_prepare_read,
         .finish   = mcp_files_finish_read,
         .max      = MCP_FILE_BYTES},
        {.name  = "write_file",
         .title = "Write a file",
         .description =
             "Writes a file into the session's working directory, with the directories above it; one that is there already is replaced.",
         .input = "{" TEXT("path", "Relative to the working directory") "," TEXT(
             "content",
             "All of it") ",\"encoding\":{\"type\":\"string\",\"enum\":[\"utf-8\",\"base64\"],\"description\":\"How the content is "
                          "written [utf-8]\"}}",
         .required = {"path", "content"},
         .output   = OUTPUT(PLAIN("path", "string") "," NUMBER("size", "Bytes") "," TEXT(
                                "sessionId", "The session that was made for it, if there was none"),
                            "\"path\",\"size\""),
         .hints    = MCP_DESTROYS | MCP_IS_IDEMPOTENT | MCP_MAKES_SESSION,
         .method   = HTTP_PUT,
         .handler  = api_files_put,
         .prepare  = mcp_files_prepare_write,
         .acts     = mcp_files_write},
        {.name        = "install_packages",
         .title       = "Install Python packages",
         .description = "Installs packages from the package index into the session, as far as the operator permits. numpy, pandas and "
                        "matplotlib are there already.",
         .input       = "{" TEXTS("packages", "Names, with version specifiers if need be: [\\\"requests\\\", \\\"rich>=13\\\"]") "}",
         .required    = {"packages"},
         .output      = OUTPUT(FLAG("success", "All are installed") "," TEXTS("installed", "name==version") "," LIST(
                                   "failed") ","
                                                  "\"logs\":{\"type\":\"array\"}"
                                                  "," TEXT("sessionId", "The session that was made for it, if there was none"),
                               "\"success\""),
         .hints       = MCP_IS_IDEMPOTENT | MCP_OPEN_WORLD | MCP_MAKES_SESSION,
         .method      = HTTP_POST,
         .handler     = api_packages_install,
         .finish      = finish_install,
         .prepare     = prepare_install},
        {.name  = "checkpoint",
         .title = "Make a checkpoint",
         .description =
             "Keeps the interpreter's present state, all variables with it, to go back to with rollback. Takes milliseconds. Files "
             "are not part of it.",
         .input = "{" TEXT("name", "By which rollback can find it") "}",
         .output =
             OUTPUT(TEXT("id", "For rollback") "," PLAIN("name", "string") "," NUMBER("executionCount", "The last run that it knows of"),
                    "\"id\""),
         .hints   = 0,
         .method  = HTTP_POST,
         .handler = api_checkpoints_create},
        {.name        = "list_checkpoints",
         .title       = "List checkpoints",
         .description = "The states that rollback can go back to.",
         .input       = "{}",
         .output      = OUTPUT(LIST("checkpoints"), "\"checkpoints\""),
         .hints       = MCP_READS,
         .method      = HTTP_GET,
         .handler     = api_checkpoints_list},
        {.name  = "rollback",
         .title = "Roll back to a checkpoint",
         .description =
             "Makes the interpreter's state again what it was at a checkpoint; what has been done since is lost. Files stay as they are.",
         .input = "{" TEXT("checkpointId", "The checkpoint's id or name; without it the newest one") "}",
         .output =
             OUTPUT(PLAIN("checkpointId", "string") "," PLAIN("name", "string") "," NUMBER("restoredTo", "The last run that still counts"),
                    "\"checkpointId\""),
         .hints   = MCP_DESTROYS | MCP_IS_IDEMPOTENT,
         .method  = HTTP_POST,
         .handler = api_checkpoints_rollback},
        {.name        = "fork",
         .title       = "Fork the session",
         .description = "Live copies of the interpreter, as sessions of their own: try several ways from here on by giving their ids as "
                        "`session`. They see "
                        "the same files. End those that are not needed any more.",
         .input       = "{" NUMBER("count", "How many [1]") "}",
         .output      = OUTPUT(TEXTS("sessionIds", "For the argument `session`"), "\"sessionIds\""),
         .hints       = 0,
         .method      = HTTP_POST,
         .handler     = api_forks_create,
         .finish      = finish_fork},
        {.name        = "end_session",
         .title       = "End a session",
         .description = "Ends a session that is not needed any more, such as a fork, with all it holds.",
         .input       = "{}",
         .output      = OUTPUT(PLAIN("success", "boolean") "," PLAIN("message", "string"), "\"success\""),
         .hints       = MCP_DESTROYS | MCP_IS_IDEMPOTENT,
         .method      = HTTP_DELETE,
         .handler     = api_sessions_delete},
};

enum { TOOLS_COUNT = sizeof TOOLS / sizeof *TOOLS };

const struct mcp_tool *mcp_tools_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < TOOLS_COUNT; i++)
        if (strcmp(TOOLS[i].name, name) == 0)
            return &TOOLS[i];
    return NULL;
}

/* ---- their list ---- */

static json_t *input_of(const struct mcp_tool *tool)
{
    json_t *properties = json_loads(tool->input, 0, NULL), *session = json_loads(SESSION, 0, NULL), *schema;

    (void)json_object_update(properties, session);
    json_decref(session);
    schema = json_pack("{s:s, s:o}", "type", "object", "properties", properties);
    if (schema == NULL || tool->required[0] == NULL)
        return schema;
    (void)json_object_set_new(schema, "required", json_array());
    for (size_t i = 0; i < MCP_REQUIRED_MAX && tool->required[i] != NULL; i++)
        (void)json_array_append_new(json_object_get(schema, "required"), json_string(tool->required[i]));
    return schema;
}

static json_t *annotations_of(const struct mcp_tool *tool)
{
    return json_pack("{s:s, s:b, s:b, s:b, s:b}", "title", tool->title, "readOnlyHint", (tool->hints & MCP_READS) != 0, "destructiveHint",
                     (tool->hints & MCP_DESTROYS) != 0, "idempotentHint", (tool->hints & (MCP_READS | MCP_IS_IDEMPOTENT)) != 0,
                     "openWorldHint", (tool->hints & MCP_OPEN_WORLD) != 0);
}

json_t *mcp_tools_list(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TOOLS_COUNT; i++) {
        const struct mcp_tool *tool = &TOOLS[i];
        json_t *json = json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", tool->name, "title", tool->title, "description", tool->description,
                                 "inputSchema", input_of(tool), "annotations", annotations_of(tool));
        if (json != NULL && tool->output != NULL)
            (void)json_object_set_new(json, "outputSchema", json_loads(tool->output, 0, NULL));
        (void)json_array_append_new(list, json);
    }
    return list;
}
