/* policies.c: the files of policies/ checked and turned into numbers. Fields that are absent keep the values of the table below. */
#include "policies.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "policy_file.h"
#include "policy_syscalls.h"

struct number {
    policy_place place;
    size_t       offset, size;
    uint64_t     standard, min, max;
};

#define NUMBER(field) offsetof(struct policies, field), sizeof(((struct policies *)0)->field)
#define MS_DAY        UINT64_C(86400000)
#define BYTES_MAX     (UINT64_C(1) << 46)

static const struct number RESOURCES[] = {
    {{"memory", "maxMemoryPerSession"}, NUMBER(memory_per_session_bytes), 512 << 20, 16 << 20, BYTES_MAX},
    {{"memory", "maxMemoryPerExecution"}, NUMBER(memory_per_execution_bytes), 0, 1 << 20, BYTES_MAX},
    {{"cpu", "maxCpuPercentage"}, NUMBER(cpu_percent), 100, 1, 100000},
    {{"cpu", "maxExecutionTime"}, NUMBER(execution_time_ms), 30000, 1, MS_DAY},
    {{"cpu", "maxExecutionTimeLimit"}, NUMBER(execution_time_limit_ms), 0, 1, MS_DAY},
    {{"cpu", "interruptGrace"}, NUMBER(interrupt_grace_ms), 1000, 0, 60000},
    {{"cpu", "maxConcurrentExecutions"}, NUMBER(concurrent_executions), 1000, 1, 1000000},
    {{"process", "maxProcesses"}, NUMBER(processes), 64, 4, 32768},
    {{"process", "maxOpenFiles"}, NUMBER(open_files), 512, 32, 1 << 20},
    {{"process", "maxForks"}, NUMBER(forks), 20, 1, 31},
    {{"process", "maxFamily"}, NUMBER(family), 32, 1, 32},
    {{"process", "uidBase"}, NUMBER(uid_base), 1900000000, 1000, UINT64_C(4294000000)},
    {{"process", "uidCount"}, NUMBER(uid_count), 100000, 0, UINT64_C(1000000)},
    {{"storage", "maxFileSize"}, NUMBER(file_bytes), 10 << 20, 4096, BYTES_MAX},
    {{"storage", "maxTotalStorage"}, NUMBER(storage_bytes), 100 << 20, 65536, BYTES_MAX},
    {{"storage", "maxFiles"}, NUMBER(files), 1000, 16, 100000000},
    {{"storage", "maxDirectories"}, NUMBER(directories), 1000, 1, 100000000},
    {{"execution", "maxCodeLength"}, NUMBER(code_chars), 1000000, 1, 16 << 20},
    {{"execution", "maxOutputSize"}, NUMBER(output_bytes), 10 << 20, 4096, UINT64_C(1) << 40},
    {{"execution", "maxVariables"}, NUMBER(variables), 1000, 0, 1000000},
    {{"execution", "maxVariableSize"}, NUMBER(variable_bytes), 1 << 20, 64, UINT64_C(1) << 32},
    {{"plotting", "maxPlots"}, NUMBER(plots), 20, 0, 10000},
    {{"plotting", "maxPlotSize"}, NUMBER(plot_bytes), 5 << 20, 4096, UINT64_C(1) << 30},
    {{"transfer", "maxArchiveSize"}, NUMBER(archive_bytes), 512 << 20, 65536, UINT64_C(8) << 30},
    {{"checkpoints", "maxPerSession"}, NUMBER(checkpoints), 8, 0, 32},
    {{"cleanup", "sessionTimeout"}, NUMBER(session_timeout_ms), 1800000, 1000, UINT64_C(3456000000)},
    {{"cleanup", "hibernateAfter"}, NUMBER(hibernate_after_ms), 300000, 0, MS_DAY},
    {{"cleanup", "cleanupInterval"}, NUMBER(cleanup_interval_ms), 30000, 100, MS_DAY},
};

static void number_set(struct policies *policies, const struct number *number, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    memcpy((char *)policies + number->offset, number->size == sizeof narrow ? (void *)&narrow : (void *)&value, number->size);
}

static const policy_place EXECUTION_MEMORY = {"memory", "maxMemoryPerExecution"};
static const policy_place TIME_LIMIT       = {"cpu", "maxExecutionTimeLimit"};
static const policy_place FILE_SIZE        = {"storage", "maxFileSize"};

static int contradiction(const struct policy_file *file, const policy_place small, const char *small_name, const char *large_name,
                         struct err *err)
{
    return policy_file_fail(file, small, err, "contradicts: %s is larger than %s", small_name, large_name);
}

/* Values that were left out follow the ones that were given; given ones must fit together. */
static int settle_resources(struct policies *policies, const struct policy_file *file, struct err *err)
{
    json_t *given;

    if (policies->memory_per_execution_bytes == 0)
        policies->memory_per_execution_bytes = policies->memory_per_session_bytes;
    if (policies->memory_per_execution_bytes > policies->memory_per_session_bytes)
        return contradiction(file, EXECUTION_MEMORY, "maxMemoryPerExecution", "maxMemoryPerSession", err);
    if (policies->execution_time_limit_ms == 0)
        policies->execution_time_limit_ms = policies->execution_time_ms > 300000 ? policies->execution_time_ms : 300000;
    if (policies->execution_time_ms > policies->execution_time_limit_ms)
        return contradiction(file, TIME_LIMIT, "maxExecutionTime", "maxExecutionTimeLimit", err);
    if (policies->file_bytes > policies->storage_bytes) {
        if (policy_file_find(file, FILE_SIZE, &given, err) != 0)
            return -1;
        if (given != NULL)
            return contradiction(file, FILE_SIZE, "maxFileSize", "maxTotalStorage", err);
        policies->file_bytes = policies->storage_bytes;
    }
    return 0;
}

static int read_checkpoint_mode(struct policies *policies, const struct policy_file *file, struct err *err)
{
    static const policy_place place = {"checkpoints", "default"};
    json_t                   *given;
    if (policy_file_find(file, place, &given, err) != 0)
        return -1;
    if (given == NULL)
        return 0;
    for (int mode = 0; mode < CHECKPOINT_MODES; mode++) {
        if (json_is_string(given) && strcmp(json_string_value(given), checkpoint_mode_name((enum checkpoint_mode)mode)) == 0) {
            policies->checkpoint_mode = (enum checkpoint_mode)mode;
            return 0;
        }
    }
    return policy_file_fail(file, place, err, "must be \"adaptive\", \"always\" or \"off\"");
}

static int read_resources(struct policies *policies, const struct policy_file *file, struct err *err)
{
    for (size_t i = 0; i < sizeof RESOURCES / sizeof *RESOURCES; i++) {
        const struct number *number = &RESOURCES[i];
        uint64_t             value  = number->standard;
        if (policy_file_number(file, number->place, number->min, number->max, &value, err) != 0)
            return -1;
        number_set(policies, number, value);
    }
    if (file_rules_read_resources(&policies->file_rules, file, err) != 0 || read_checkpoint_mode(policies, file, err) != 0 ||
        policy_network_read(&policies->network, file, err) != 0)
        return -1;
    return settle_resources(policies, file, err);
}

/* Paths that two lists name must not be both allowed and blocked. */
static int check_overlap(const struct policy_file *file, const policy_place allowed_place, const policy_place blocked_place, bool paths,
                         struct err *err)
{
    json_t *allowed, *blocked, *a, *b;
    size_t  i, j;

    if (policy_file_strings(file, allowed_place, 256, &allowed, err) != 0 ||
        policy_file_strings(file, blocked_place, 256, &blocked, err) != 0)
        return -1;
    json_array_foreach(allowed, i, a)
    {
        if (paths && json_string_value(a)[0] != '/')
            return policy_file_fail(file, allowed_place, err, "\"%.60s\" is not an absolute path", json_string_value(a));
        json_array_foreach(blocked, j, b)
        {
            if (strcmp(json_string_value(a), json_string_value(b)) == 0)
                return policy_file_fail(file, blocked_place, err, "contradicts: \"%.40s\" is allowed as well as blocked",
                                        json_string_value(a));
        }
    }
    return 0;
}

static int read_filesystem(struct policies *policies, const struct policy_file *file, struct err *err)
{
    static const policy_place allowed = {"allowedPaths"}, blocked = {"blockedPaths"}, fixed = {"readOnlyPaths"};
    static const policy_place workspace = {"permissions", "/workspace", "maxSize"}, temporary = {"permissions", "/tmp", "maxSize"};
    static const policy_place total = {"quotas", "perSession", "maxTotalSize"}, files = {"quotas", "perSession", "maxFiles"};
    static const policy_place directories = {"quotas", "perSession", "maxDirectories"};
    static const policy_place sessions    = {"quotas", "global", "maxConcurrentSessions"};
    uint64_t workspace_bytes = UINT64_MAX, total_bytes = UINT64_MAX, most_files = UINT64_MAX, most_directories = UINT64_MAX;
    uint64_t temporary_bytes = 100 << 20, concurrent = 10000;
    json_t  *list;

    if (file_rules_read_filesystem(&policies->file_rules, file, err) != 0 || check_overlap(file, allowed, blocked, true, err) != 0 ||
        policy_file_strings(file, fixed, 256, &list, err) != 0 ||
        policy_file_number(file, workspace, 65536, BYTES_MAX, &workspace_bytes, err) != 0 ||
        policy_file_number(file, temporary, 65536, BYTES_MAX, &temporary_bytes, err) != 0 ||
        policy_file_number(file, total, 65536, BYTES_MAX, &total_bytes, err) != 0 ||
        policy_file_number(file, files, 16, 100000000, &most_files, err) != 0 ||
        policy_file_number(file, directories, 1, 100000000, &most_directories, err) != 0 ||
        policy_file_number(file, sessions, 1, 1000000, &concurrent, err) != 0)
        return -1;
    if (total_bytes < workspace_bytes)
        workspace_bytes = total_bytes;
    if (workspace_bytes < policies->storage_bytes)
        policies->storage_bytes = workspace_bytes;
    if (policies->file_bytes > policies->storage_bytes)
        policies->file_bytes = policies->storage_bytes;
    if (most_files < policies->files)
        policies->files = (uint32_t)most_files;
    if (most_directories < policies->directories)
        policies->directories = (uint32_t)most_directories;
    policies->temporary_bytes     = temporary_bytes;
    policies->concurrent_sessions = (uint32_t)concurrent;
    return 0;
}

static int read_imports(struct policies *policies, const struct policy_file *file, struct err *err)
{
    static const policy_place allowed = {"allowed"}, blocked = {"blocked"}, restricted = {"restricted"}, preload = {"preload"};
    json_t                   *modules, *rule, *list;
    const char               *name;

    if (check_overlap(file, allowed, blocked, false, err) != 0 || policy_file_find(file, restricted, &modules, err) != 0 ||
        policy_file_strings(file, preload, sizeof((struct policy *)0)->preload[0], &list, err) != 0)
        return -1;
    if (json_array_size(list) > POLICY_PRELOAD_MAX)
        return policy_file_fail(file, preload, err, "has %zu entries; at most %d", json_array_size(list), POLICY_PRELOAD_MAX);
    if (modules != NULL && !json_is_object(modules))
        return policy_file_fail(file, restricted, err, "must be an object");
    json_object_foreach(modules, name, rule)
    {
        const policy_place rule_allowed = {"restricted", name, "allowed"}, rule_blocked = {"restricted", name, "blocked"};
        if (check_overlap(file, rule_allowed, rule_blocked, false, err) != 0)
            return -1;
    }
    policies->imports = json_incref(file->root);
    return 0;
}

static int read_syscalls(struct policies *policies, const struct policy_file *file, struct err *err)
{
    if (policy_syscalls_check(file, err) != 0)
        return -1;
    policies->syscalls = json_incref(file->root);
    return 0;
}

/* What options say wins over the files. */
static void override(struct policies *policies, const struct config *config)
{
    if (config->max_memory_per_session != 0)
        policies->memory_per_session_bytes = config->max_memory_per_session;
    if (policies->memory_per_execution_bytes > policies->memory_per_session_bytes || config->max_memory_per_session != 0)
        policies->memory_per_execution_bytes = policies->memory_per_session_bytes;
    if (config->max_cpu_percent != 0)
        policies->cpu_percent = config->max_cpu_percent;
    if (config->max_execution_time_ms != 0)
        policies->execution_time_ms = config->max_execution_time_ms;
    if (policies->execution_time_ms > policies->execution_time_limit_ms)
        policies->execution_time_limit_ms = policies->execution_time_ms;
    if (config->max_sessions != 0)
        policies->concurrent_sessions = config->max_sessions;
    if (config->max_executions != 0)
        policies->concurrent_executions = config->max_executions;
    if (config->session_timeout_ms != 0)
        policies->session_timeout_ms = config->session_timeout_ms;
    if (config->cleanup_interval_ms != 0)
        policies->cleanup_interval_ms = config->cleanup_interval_ms;
    if (!config->package_install)
        policies->packages.enabled = false;
}

static int read_packages(struct policies *policies, const struct policy_file *file, struct err *err)
{
    return policy_packages_read(&policies->packages, file, err);
}

int policies_load(struct policies *policies, const struct config *config, struct err *err)
{
    const struct {
        const char *path;
        int (*read)(struct policies *policies, const struct policy_file *file, struct err *err);
    } files[] = {{config->resources_policy, read_resources},
                 {config->filesystem_policy, read_filesystem},
                 {config->imports_policy, read_imports},
                 {config->syscalls_policy, read_syscalls},
                 {config->packages_policy, read_packages}};

    memset(policies, 0, sizeof *policies);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct policy_file file;
        int                result = policy_file_open(&file, files[i].path, err);
        if (result == 0) {
            result = files[i].read(policies, &file, err);
            policy_file_done(&file);
        }
        if (result != 0) {
            policies_done(policies);
            return -1;
        }
    }
    override(policies, config);
    return 0;
}

void policies_done(struct policies *policies)
{
    if (policies == NULL)
        return;
    file_rules_done(&policies->file_rules);
    json_decref(policies->imports);
    json_decref(policies->syscalls);
    policy_network_done(&policies->network);
    policy_packages_done(&policies->packages);
    policies->imports = policies->syscalls = NULL;
}

static int copy(char *to, size_t size, const char *from, const char *what, struct err *err)
{
    if (strlen(from) >= size)
        return err_set(err, ENAMETOOLONG, "%s: longer than %zu characters", what, size - 1);
    strcpy(to, from);
    return 0;
}

static int fill_preload(const struct policies *policies, struct policy *policy, struct err *err)
{
    size_t  i;
    json_t *name;
    json_array_foreach(json_object_get(policies->imports, "preload"), i, name)
    {
        if (i == POLICY_PRELOAD_MAX)
            return err_set(err, EINVAL, "imports policy: preload has more than %d entries", POLICY_PRELOAD_MAX);
        if (copy(policy->preload[i], sizeof policy->preload[i], json_string_value(name), "imports policy: preload", err) != 0)
            return -1;
        policy->preload_count++;
    }
    return 0;
}

int policies_to_policy(const struct policies *policies, const struct config *config, struct policy *ret_policy, struct err *err)
{
    struct policy *policy = ret_policy;

    memset(policy, 0, sizeof *policy);
    policy->magic                 = POLICY_MAGIC;
    policy->version               = POLICY_VERSION;
    policy->memory_bytes          = policies->memory_per_session_bytes;
    policy->workspace_bytes       = policies->storage_bytes;
    policy->temporary_bytes       = policies->temporary_bytes;
    policy->file_bytes            = policies->file_bytes;
    policy->workspace_inodes      = policies->files + policies->directories;
    policy->processes             = policies->processes;
    policy->open_files            = policies->open_files;
    policy->cpu_percent           = policies->cpu_percent;
    policy->log_bytes             = policies->output_bytes;
    policy->uid_base              = policies->uid_base;
    policy->uid_count             = policies->uid_count;
    policy->require_isolation     = config->require_isolation;
    policy->network               = policies->network.enabled;
    policy->allow_user_namespaces = config->allow_user_namespaces;
    policy->verbose               = strcmp(config->log_level, "debug") == 0;
    if (copy(policy->python, sizeof policy->python, config->python, "python", err) != 0 ||
        copy(policy->python_library, sizeof policy->python_library, config->python_library, "python library", err) != 0 ||
        copy(policy->state_dir, sizeof policy->state_dir, config->state_dir, "state directory", err) != 0 ||
        copy(policy->package_dir, sizeof policy->package_dir, config->package_dir, "package directory", err) != 0 ||
        copy(policy->profile, sizeof policy->profile, config->profile, "profile", err) != 0 || fill_preload(policies, policy, err) != 0)
        return -1;
    return policy_syscalls_fill(policies->syscalls, policy, err);
}
