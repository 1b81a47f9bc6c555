#define _GNU_SOURCE
#include "execute_body.h"

#include <string.h>

#include "files_given.h"
#include "json.h"
#include "session_body.h"
#include "session_packages.h"

enum { STDIN_MAX = 8 * 1024 * 1024, MEMORY_MIN_BYTES = 64 * 1024 * 1024, CPU_MIN = 10, CPU_MAX = 100 };

static void read_session_id(struct json_check *check, const json_t *json, struct session_request *session)
{
    const char *text = NULL;
    if (!json_field_string(check, json, "sessionId", 0, 1000, &text))
        return;
    session->has_id = true;
    if (!id_parse(text, &session->id))
        json_check_fail(check, "sessionId", "must be a UUID");
}

/* The members of REQUEST_SETUP; NULL when there are none. */
static json_t *read_options(struct json_check *check, const json_t *json)
{
    json_t     *options = NULL, *variables = NULL, *environment = NULL;
    const char *text = NULL;
    if (json_field_object(check, json, "variables", &variables))
        session_body_check_variables(check, variables);
    if (json_field_object(check, json, "envVars", &environment))
        session_body_check_environment(check, environment);
    (void)json_field_string(check, json, "stdin", 0, STDIN_MAX, &text);
    if (json_object_size(variables) == 0 && json_object_size(environment) == 0 && text == NULL)
        return NULL;
    options = json_object();
    if (json_object_size(variables) > 0)
        (void)json_object_set(options, "variables", variables);
    if (json_object_size(environment) > 0)
        (void)json_object_set(options, "envVars", environment);
    if (text != NULL)
        (void)json_object_set(options, "stdin", json_object_get(json, "stdin"));
    return options;
}

static void read_code(struct json_check *check, const json_t *json, const struct policies *policies, struct execution_request *execution)
{
    json_check_require(check, json, "code");
    if (!json_field_string(check, json, "code", 1, policies->code_chars, &execution->code))
        return;
    execution->code_length = json_string_length(json_object_get(json, "code"));
    if (strlen(execution->code) != execution->code_length)
        json_check_fail(check, "code", "must not contain NUL characters");
}

void execute_body_check_code(struct json_check *check, const char *field, const json_t *code, const struct policies *policies,
                             struct execution_request *execution)
{
    size_t characters = json_is_string(code) ? json_characters(json_string_value(code), json_string_length(code)) : 0;
    if (characters < 1 || characters > policies->code_chars) {
        json_check_fail(check, field, "must be strings of 1 to %u characters", policies->code_chars);
        return;
    }
    execution->code        = json_string_value(code);
    execution->code_length = json_string_length(code);
    if (strlen(execution->code) != execution->code_length)
        json_check_fail(check, field, "must not contain NUL characters");
}

/* Without a word of the request's what the policy gives an execution. */
static void read_limits(struct json_check *check, const json_t *json, const struct policies *policies, struct execution_use *ret)
{
    int64_t memory = (int64_t)policies->memory_per_execution_bytes, cpu = 0;
    int64_t cpu_max = policies->cpu_percent > 0 && policies->cpu_percent < CPU_MAX ? policies->cpu_percent : CPU_MAX;
    int64_t least   = memory < MEMORY_MIN_BYTES ? memory : MEMORY_MIN_BYTES;
    (void)json_field_integer(check, json, "maxMemory", least, memory, &memory);
    (void)json_field_integer(check, json, "maxCpu", cpu_max < CPU_MIN ? cpu_max : CPU_MIN, cpu_max, &cpu);
    ret->memory_bytes = (uint64_t)memory;
    ret->cpu_percent  = (uint32_t)cpu;
}

static void read_rest(struct json_check *check, const json_t *json, const struct policies *policies, struct execute_body *body)
{
    static const char *const ways[]     = {"continue", "interrupt", NULL};
    int64_t                  timeout_ms = policies->execution_time_ms;
    size_t                   way        = 0;
    (void)json_field_integer(check, json, "timeout", 1, policies->execution_time_limit_ms, &timeout_ms);
    (void)json_field_bool(check, json, "includeVariables", &body->execution.include_variables);
    (void)json_field_bool(check, json, "queue", &body->may_queue);
    (void)json_field_bool(check, json, "transactional", &body->execution.transactional);
    (void)json_field_bool(check, json, "allowNetworking", &body->execution.use.network);
    (void)json_field_choice(check, json, "onDisconnect", ways, &way);
    if (!body->execution.include_variables) { /* then no code of theirs is run to describe them either */
        if (body->execution.options == NULL)
            body->execution.options = json_object();
        (void)json_object_set_new(body->execution.options, "includeVariables", json_false());
    }
    body->execution.timeout_ms    = (uint32_t)timeout_ms;
    body->execution.grace_ms      = policies->interrupt_grace_ms;
    body->interrupt_on_disconnect = way == 1;
}

void execute_body_read_common(struct json_check *check, const json_t *json, const struct policies *policies, struct execute_body *body)
{
    *body                   = (struct execute_body){.may_queue = true, .execution = {.include_variables = true}};
    body->execution.options = read_options(check, json);
    read_rest(check, json, policies, body);
}

bool execute_body_read(struct execute_body *body, struct http_request *request, const struct policies *policies)
{
    struct json_check check = JSON_CHECK_INIT;
    const json_t     *json  = http_request_json(request);

    *body = (struct execute_body){.may_queue = true, .execution = {.include_variables = true}};
    read_code(&check, json, policies, &body->execution);
    read_session_id(&check, json, &body->session);
    body->session.is_casual = !body->session.has_id;
    body->execution.options = read_options(&check, json);
    body->execution.files   = files_given_read(&check, json, policies);
    read_limits(&check, json, policies, &body->execution.use);
    body->execution.packages = session_packages_read(&check, json);
    read_rest(&check, json, policies, body);
    if (json_check_reply(&check, request)) {
        execute_body_done(body);
        return false;
    }
    return true;
}

void execute_body_done(struct execute_body *body)
{
    json_decref(body->execution.options);
    body->execution.options = NULL;
    json_decref(body->execution.label);
    body->execution.label = NULL;
    files_given_free(body->execution.files);
    body->execution.files = NULL;
}
