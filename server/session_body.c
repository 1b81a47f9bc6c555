#define _GNU_SOURCE
#include "session_body.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "session_packages.h"

enum {
    IDLE_AFTER_MS    = 5 * 60 * 1000,
    MEMORY_MIN_BYTES = 64 * 1024 * 1024,
    STORAGE_MIN      = 1024 * 1024,
    IDLE_TIMEOUT_MIN = 1000,
    CPU_MIN          = 5, /* per cent: with less an interpreter takes seconds to answer at all */
    PROCESSES_MIN    = 4, /* init and the interpreter are two of them, and it may be copied */
};

static bool is_keyword(const char *text)
{
    static const char *const keywords[] = {"False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
                                           "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
                                           "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
                                           "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strcmp(text, keywords[i]) == 0)
            return true;
    return false;
}

/* Beyond ASCII Python itself has the last word. */
static bool is_name(const char *text)
{
    if (text[0] == '\0' || isdigit((unsigned char)text[0]) || is_keyword(text))
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && *text != '_' && ((unsigned char)*text & 0x80) == 0)
            return false;
    return true;
}

void session_body_check_variables(struct json_check *check, const json_t *object)
{
    const char *name;
    json_t     *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (!is_name(name))
            json_check_fail(check, "variables", "must have names that Python can use, which '%.40s' is not", name);
    }
}

void session_body_check_environment(struct json_check *check, const json_t *object)
{
    const char *name;
    json_t     *value;
    json_object_foreach((json_t *)object, name, value)
    {
        const char *text = json_string_value(value);
        if (text == NULL || strlen(text) != json_string_length(value))
            json_check_fail(check, "envVars", "must have strings without NUL as values, which that of '%.40s' is not", name);
        if (name[0] == '\0' || strchr(name, '=') != NULL)
            json_check_fail(check, "envVars", "must have names without '='");
    }
}

void session_body_read_profile(struct json_check *check, const json_t *json, char ret_profile[16])
{
    static const char *const profiles[] = {"standard", "open", NULL};
    json_t                  *policy     = json_object_get(json, "policy");
    size_t                   index      = 0;
    bool                     given;
    if (json_is_object(policy))
        given = json_field_choice(check, policy, "profile", profiles, &index);
    else
        given = json_field_choice(check, json, "policy", profiles, &index);
    if (given)
        (void)snprintf(ret_profile, 16, "%s", profiles[index]);
}

bool session_body_read_checkpoints(struct json_check *check, const json_t *json, enum checkpoint_mode *ret)
{
    const char *names[CHECKPOINT_MODES + 1] = {NULL};
    size_t      index                       = 0;
    for (int mode = 0; mode < CHECKPOINT_MODES; mode++)
        names[mode] = checkpoint_mode_name((enum checkpoint_mode)mode);
    if (!json_field_choice(check, json, "checkpoints", names, &index))
        return false;
    *ret = (enum checkpoint_mode)index;
    return true;
}

static void read_limits(struct json_check *check, const json_t *json, const struct policies *policies, struct worker_limits *ret)
{
    json_t *resources = NULL;
    int64_t memory = 0, storage = 0, processes = 0, cpu = 0;
    if (!json_field_object(check, json, "resources", &resources))
        return;
    (void)json_field_integer(check, resources, "memory", MEMORY_MIN_BYTES, (int64_t)policies->memory_per_session_bytes, &memory);
    (void)json_field_integer(check, resources, "storage", STORAGE_MIN, (int64_t)policies->storage_bytes, &storage);
    (void)json_field_integer(check, resources, "processes", PROCESSES_MIN, policies->processes, &processes);
    (void)json_field_integer(check, resources, "cpu", CPU_MIN, policies->cpu_percent > 0 ? policies->cpu_percent : 6400, &cpu);
    ret->memory_bytes    = (uint64_t)memory;
    ret->workspace_bytes = (uint64_t)storage;
    ret->processes       = (uint32_t)processes;
    ret->cpu_percent     = (uint32_t)cpu;
}

void session_body_read(struct json_check *check, const json_t *json, const struct policies *policies, struct session_request *ret)
{
    int64_t idle_ms = 0;
    (void)json_field_object(check, json, "metadata", &ret->metadata);
    if (json_field_object(check, json, "variables", &ret->variables))
        session_body_check_variables(check, ret->variables);
    if (json_field_object(check, json, "envVars", &ret->environment))
        session_body_check_environment(check, ret->environment);
    (void)json_field_integer(check, json, "idleTimeout", IDLE_TIMEOUT_MIN, policies->session_timeout_ms, &idle_ms);
    ret->idle_timeout_ms = (uint32_t)idle_ms;
    session_body_read_profile(check, json, ret->profile);
    ret->has_checkpoints = session_body_read_checkpoints(check, json, &ret->checkpoints);
    read_limits(check, json, policies, &ret->limits);
}

const char *session_body_status(const struct session_info *info)
{
    return !info->busy && info->last_activity_us / 1000 + IDLE_AFTER_MS < json_time_now() ? "idle" : "active";
}

double session_body_cpu(const struct session_info *info)
{
    double percent = info->execution_ms > 0 ? (double)info->cpu_us / 10.0 / info->execution_ms : 0.0;
    return (double)(long)(percent * 10 + 0.5) / 10;
}

static json_t *write_limits(const struct session_info *info, const struct policies *policies)
{
    const struct worker_limits *limits = &info->limits;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "memory",
                     (json_int_t)(limits->memory_bytes != 0 ? limits->memory_bytes : policies->memory_per_session_bytes), "storage",
                     (json_int_t)(limits->workspace_bytes != 0 ? limits->workspace_bytes : policies->storage_bytes), "cpu",
                     (json_int_t)(limits->cpu_percent != 0 ? limits->cpu_percent : policies->cpu_percent), "processes",
                     (json_int_t)(limits->processes != 0 ? limits->processes : policies->processes), "executionTime",
                     (json_int_t)policies->execution_time_limit_ms, "output", (json_int_t)policies->output_bytes);
}

/* What a session shares with its forks, while there are any. */
static json_t *write_family(const struct session_info *info, const json_t *isolation)
{
    bool has_group = json_is_true(json_object_get(json_object_get(json_object_get(isolation, "layers"), "cgroupMemory"), "active"));
    return json_pack("{s:I, s:b, s:s}", "sessions", (json_int_t)info->family, "filesShared", 1, "limits", has_group ? "sum" : "one");
}

json_t *session_body_write(const struct session *session, const struct policies *policies, const json_t *isolation)
{
    struct session_info info;
    json_t             *json, *level = json_object_get(isolation, "level");
    session_get_info(session, &info);
    json = json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:{s:I, s:f, s:I}, s:o, s:{s:s}}", "id", info.id_text, "createdAt",
                     json_time(info.created_us / 1000), "lastActivity", json_time(info.last_activity_us / 1000), "expiresAt",
                     json_time(info.expires_ms), "status", session_body_status(&info), "busy", info.busy, "resourceUsage", "memory",
                     (json_int_t)info.memory_bytes, "cpu", session_body_cpu(&info), "executions", (json_int_t)info.executions, "limits",
                     write_limits(&info, policies), "policy", "profile", info.profile);
    if (json != NULL) {
        (void)json_object_set_new(json, "installedPackages", session_packages_names(session));
        (void)json_object_set_new(json, "checkpoints", json_string(checkpoint_mode_name(info.checkpoints)));
        (void)json_object_set_new(json, "hibernated", json_boolean(info.hibernated));
    }
    if (json != NULL && level != NULL)
        (void)json_object_set(json, "isolation", level);
    if (json != NULL && info.forked_from != NULL) {
        char text[ID_TEXT_BYTES];
        id_format(info.forked_from, text);
        (void)json_object_set_new(json, "forkedFrom", json_string(text));
    }
    if (json != NULL && info.family > 1)
        (void)json_object_set_new(json, "family", write_family(&info, isolation));
    if (json != NULL && info.metadata != NULL)
        (void)json_object_set(json, "metadata", (json_t *)info.metadata);
    return json;
}

json_t *session_body_write_ended(const struct ended_session *session)
{
    char text[ID_TEXT_BYTES];
    id_format(&session->id, text);
    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:s}", "id", text, "createdAt", json_time(session->created_us / 1000), "lastActivity",
                     json_time(session->last_activity_us / 1000), "endedAt", json_time(session->ended_ms), "status", "terminated", "busy",
                     0, "reason", session->reason);
}
