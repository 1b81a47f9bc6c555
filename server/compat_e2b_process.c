#define _GNU_SOURCE
#include "compat_e2b_process.h"

#include <stdlib.h>
#include <string.h>

#include "api_audit.h"
#include "api_error.h"
#include "compat_e2b.h"
#include "compat_e2b_network.h"
#include "compat_e2b_path.h"
#include "compat_e2b_rpc.h"
#include "compat_e2b_run.h"
#include "json.h"
#include "session_body.h"
#include "session_join.h"

enum { TEXT_MAX = 1000, COMMAND_MAX = 1000000, ARGUMENTS_MAX = 1000 };

static const char END_OF_INPUT[] = "\x04";

/* ---- which ---- */

static const json_t *about(const struct session *session)
{
    struct session_info info;
    session_get_info(session, &info);
    return info.is_part ? json_object_get(info.metadata, "e2bCommand") : NULL;
}

static struct execution *execution_of(const struct server *server, const struct session *part)
{
    return sessions_find_execution(server_sessions((struct server *)server), session_id(part));
}

/* The sandbox's commands, or the one that is looked for. */
struct search {
    const struct server  *server;
    const struct session *sandbox;
    const char           *tag; /* NULL: by its number; 0: all */
    uint32_t              number;
    struct session       *found;
    json_t               *all; /* NULL: nobody wants to know */
};

static bool is_meant(const struct search *search, const struct session *part)
{
    const char *tag = json_string_value(json_object_get(about(part), "tag"));
    if (search->tag != NULL)
        return tag != NULL && strcmp(tag, search->tag) == 0;
    return search->number == 0 || compat_e2b_command_number(part) == search->number;
}

static void note(void *session, void *arg)
{
    struct search      *search = arg;
    const json_t       *config = about(session);
    struct session_info info;

    session_get_info(session, &info);
    if (config == NULL || memcmp(info.forked_from, session_id(search->sandbox), sizeof(struct id)) != 0 || !is_meant(search, session) ||
        execution_of(search->server, session) == NULL || execution_has_ended(execution_of(search->server, session)))
        return;
    search->found = session;
    if (search->all != NULL)
        (void)json_array_append_new(search->all,
                                    json_pack("{s:O, s:I, s:O*}", "config", json_object_get(config, "config"), "pid",
                                              (json_int_t)compat_e2b_command_number(session), "tag", json_object_get(config, "tag")));
}

/* By `process: {pid}` or `{tag}`. */
static struct session *find(const struct http_request *request, const struct server *server, const struct session *sandbox)
{
    const json_t *process = json_object_get(http_request_json(request), "process");
    struct search search  = {.server  = server,
                             .sandbox = sandbox,
                             .tag     = json_string_value(json_object_get(process, "tag")),
                             .number  = (uint32_t)json_integer_value(json_object_get(process, "pid"))};
    if (search.tag != NULL || search.number != 0)
        sessions_each(server_sessions((struct server *)server), note, &search);
    return search.found;
}

/* NULL: the request has been answered. */
static struct session *find_or_reply(struct http_request *request, const struct server *server)
{
    struct session *sandbox = compat_e2b_running_of(request, server);
    struct session *part    = sandbox != NULL ? find(request, server, sandbox) : NULL;
    if (sandbox != NULL && part == NULL)
        http_reply_error(request, 404, "PROCESS_NOT_FOUND", "There is no such process", NULL, 0);
    return part;
}

/* ---- start ---- */

/* A request that waits for its interpreter. */
struct starting {
    struct server       *server;
    struct http_request *request;
    struct id            sandbox;
    char                *code;
    json_t              *options;
    bool                 has_input;
};

static void starting_free(struct starting *starting)
{
    json_decref(starting->options);
    free(starting->code);
    free(starting);
}

static struct session *sandbox_of(const struct starting *starting)
{
    return sessions_find(server_sessions(starting->server), &starting->sandbox);
}

/* Nobody waits for more than its events. */
static void on_result(struct execution *execution, const struct bytes *result, void *session)
{
    (void)execution;
    (void)result;
    session_leave(session, false);
}

static struct execution *submit(const struct starting *starting, const struct session *sandbox, struct session *part, struct err *err)
{
    const struct policies   *policies = server_policies(starting->server);
    uint32_t                 limit    = compat_e2b_rpc_timeout(starting->request);
    struct audit_origin      origin   = api_audit_origin(starting->request);
    struct execution_request run      = {.code        = starting->code,
                                         .code_length = strlen(starting->code),
                                         .options     = starting->options,
                                         .timeout_ms  = policies->execution_time_limit_ms,
                                         .grace_ms    = policies->interrupt_grace_ms,
                                         .interactive = starting->has_input,
                                         .origin      = &origin,
                                         .id          = session_id(part)};

    run.use.network = compat_e2b_network_of(sandbox, starting->server);
    if (limit > 0 && limit < run.timeout_ms)
        run.timeout_ms = limit;
    return session_submit(part, &run, true, on_result, part, err);
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct starting     *starting  = arg;
    struct session      *sandbox   = sandbox_of(starting);
    struct err           err       = {0};
    struct execution    *execution = session != NULL ? submit(starting, sandbox, session, &err) : NULL;
    struct http_request *request   = starting->request;

    http_request_on_gone(request, NULL, NULL);
    if (execution != NULL)
        compat_e2b_stream(request, starting->server, sandbox, session, execution, &compat_e2b_command_teller,
                          compat_e2b_command_new(session));
    else
        compat_e2b_rpc_refuse(request, "resource_exhausted", session != NULL ? err.message : reason);
    if (session != NULL && execution == NULL)
        session_leave(session, false);
    starting_free(starting);
}

static void on_gone(void *arg)
{
    struct starting *starting = arg;
    struct session  *sandbox  = sandbox_of(starting);
    if (sandbox != NULL)
        session_join_forget(sandbox, starting);
    starting_free(starting);
}

static void start(struct starting *starting, struct session *sandbox, json_t *config)
{
    struct session_request wanted = {0};
    struct err             err    = {0};

    compat_e2b_part(sandbox, starting->request, &wanted);
    wanted.metadata =
        json_pack("{s:{s:O, s:O*}}", "e2bCommand", "config", config, "tag", json_object_get(http_request_json(starting->request), "tag"));
    wanted.has_checkpoints = true;
    wanted.checkpoints     = CHECKPOINTS_OFF;
    http_request_on_gone(starting->request, on_gone, starting);
    if (session_join(sandbox, &wanted, on_session, starting, &err) < 0) {
        http_request_on_gone(starting->request, NULL, NULL);
        compat_e2b_rpc_refuse(starting->request, err.code == EINVAL ? "unavailable" : "resource_exhausted", err.message);
        starting_free(starting);
    }
    json_decref(wanted.metadata);
}

static void check_arguments(struct json_check *check, const json_t *arguments)
{
    const json_t *one;
    size_t        i;
    if (arguments != NULL && (!json_is_array(arguments) || json_array_size(arguments) > ARGUMENTS_MAX))
        json_check_fail(check, "args", "must be an array of at most %d strings", ARGUMENTS_MAX);
    json_array_foreach((json_t *)arguments, i, one)
    {
        if (!json_is_string(one) || strlen(json_string_value(one)) != json_string_length(one))
            json_check_fail(check, "args", "must have strings as elements, without NUL characters");
    }
}

/* NULL: the request has been answered. */
static struct starting *read_start(struct http_request *request, struct server *server, const struct session *sandbox, json_t *config)
{
    struct json_check check   = JSON_CHECK_INIT;
    const char       *command = NULL, *directory = NULL, *tag;
    json_t           *variables = NULL;
    bool              has_input = false;
    struct starting  *starting;

    json_check_require(&check, config, "cmd");
    (void)json_field_string(&check, config, "cmd", 1, COMMAND_MAX, &command);
    check_arguments(&check, json_object_get(config, "args"));
    if (json_field_object(&check, config, "envs", &variables))
        session_body_check_environment(&check, variables);
    (void)json_field_string(&check, config, "cwd", 1, TEXT_MAX, &directory);
    (void)json_field_string(&check, http_request_json(request), "tag", 0, TEXT_MAX, &tag);
    (void)json_field_bool(&check, http_request_json(request), "stdin", &has_input);
    if (json_check_reply(&check, request))
        return NULL;
    starting = calloc(1, sizeof *starting);
    if (starting == NULL || (starting->code = compat_e2b_command_code(command, json_object_get(config, "args"), has_input)) == NULL) {
        free(starting);
        compat_e2b_rpc_refuse(request, "resource_exhausted", "No memory for a command");
        return NULL;
    }
    starting->server    = server;
    starting->request   = request;
    starting->sandbox   = *session_id(sandbox);
    starting->has_input = has_input;
    starting->options   = json_pack("{s:b, s:O*, s:s*}", "includeVariables", 0, "envVars", variables, "directory", directory);
    return starting;
}

void compat_e2b_process_start(struct http_request *request, void *context)
{
    struct session  *sandbox = compat_e2b_running_of(request, context);
    struct starting *starting;
    json_t          *config;

    if (sandbox == NULL || !compat_e2b_rpc_read(request))
        return;
    if (json_is_object(json_object_get(http_request_json(request), "pty"))) {
        compat_e2b_rpc_refuse(request, "unimplemented", "There are no terminals here: run the command without one");
        return;
    }
    config   = json_object_get(http_request_json(request), "process");
    starting = read_start(request, context, sandbox, config);
    if (starting != NULL)
        start(starting, sandbox, config);
}

void compat_e2b_process_connect(struct http_request *request, void *context)
{
    struct session *sandbox = compat_e2b_running_of(request, context), *part;

    if (sandbox == NULL || !compat_e2b_rpc_read(request))
        return;
    part = find(request, context, sandbox);
    if (part != NULL)
        compat_e2b_stream(request, context, sandbox, part, execution_of(context, part), &compat_e2b_command_teller,
                          compat_e2b_command_new(part));
    else
        compat_e2b_rpc_refuse(request, "not_found", "There is no such process");
}

/* ---- the rest ---- */

void compat_e2b_process_list(struct http_request *request, void *context)
{
    struct session *sandbox = compat_e2b_running_of(request, context);
    struct search   search  = {.server = context, .sandbox = sandbox};

    if (sandbox == NULL)
        return;
    search.all = json_array();
    sessions_each(server_sessions(context), note, &search);
    http_reply_json(request, 200, json_pack("{s:o}", "processes", search.all));
}

/* SIGKILL and SIGTERM, which are all there are: nothing of it is left either way. */
void compat_e2b_process_signal(struct http_request *request, void *context)
{
    struct session *part = find_or_reply(request, context);
    if (part == NULL)
        return;
    session_end(part, "deleted", NULL, NULL);
    http_reply_json(request, 200, json_object());
}

static void give(struct http_request *request, struct server *server, const struct session *part, const char *text, size_t length)
{
    struct err err = {0};
    if (execution_input_ahead(execution_of(server, part), text, length, &err) == 0)
        http_reply_json(request, 200, json_object());
    else
        http_reply_error(request, err.code == ENOBUFS ? 429 : 409, "INPUT_NOT_EXPECTED", err.message, NULL, 0);
}

/* As it comes, base64, for the program that runs the command. */
void compat_e2b_process_input(struct http_request *request, void *context)
{
    struct session *part = find_or_reply(request, context);
    const json_t   *text = json_object_get(json_object_get(http_request_json(request), "input"), "stdin");

    if (part == NULL)
        return;
    if (json_is_string(text))
        give(request, context, part, json_string_value(text), json_string_length(text));
    else
        http_reply_error(request, 400, "INVALID_INPUT", "The input must have stdin, base64: there are no terminals here", NULL, 0);
}

void compat_e2b_process_close_input(struct http_request *request, void *context)
{
    struct session *part = find_or_reply(request, context);
    if (part != NULL)
        give(request, context, part, END_OF_INPUT, strlen(END_OF_INPUT));
}
