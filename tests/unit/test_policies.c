/* Policy files: the shipped ones, the minimal ones of the documentation, and wrong ones, refused with file, line and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "policies.h"

static char            directory[] = "/tmp/penny-test-policies-XXXXXX";
static struct config   config;
static struct policies policies;
static struct policy   policy;
static struct err      err;

static const char *const NAMES[] = {"imports.json", "resources.json", "filesystem.json", "syscalls.json", "packages.json"};

static const char SYSCALLS[] =
    "{\"version\":\"1.0\",\"default\":\"ENOSYS\",\"rules\":[{\"names\":[\"read\",\"write\"],\"action\":\"allow\"},\n"
    "{\"names\":[\"clone\"],\"action\":\"allow\",\"argument\":0,\"mask\":\"0x7e020000\",\"value\":\"0x0\"},\n"
    "{\"names\":[\"socket\"],\"action\":\"eperm\",\"onlyNamespaceTier\":true,\"reason\":\"none\"},\n"
    "{\"names\":[\"mount\"],\"action\":\"enosys\"}]}";

static void put(const char *name, const char *text)
{
    char  path[128];
    FILE *file;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Empty objects for all but the system calls. */
static int set_up(void **state)
{
    char *fields[5];
    (void)state;
    memset(&config, 0, sizeof config);
    fields[0] = config.imports_policy;
    fields[1] = config.resources_policy;
    fields[2] = config.filesystem_policy;
    fields[3] = config.syscalls_policy;
    fields[4] = config.packages_policy;
    for (size_t i = 0; i < 5; i++) {
        put(NAMES[i], i == 3 ? SYSCALLS : "{}");
        snprintf(fields[i], sizeof config.imports_policy, "%s/%s", directory, NAMES[i]);
    }
    strcpy(config.profile, "standard");
    strcpy(config.python, "/opt/python");
    config.allow_user_namespaces = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", directory, NAMES[i]);
        unlink(path);
    }
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static void good(void)
{
    if (policies_load(&policies, &config, &err) != 0)
        fail_msg("%s", err.message);
}

/* `part` is "line: ..." and what must be said. */
static void bad(const char *name, const char *text, const char *part)
{
    char wanted[256];
    set_up(NULL);
    put(name, text);
    assert_int_equal(policies_load(&policies, &config, &err), -1);
    snprintf(wanted, sizeof wanted, "%s/%s:%s", directory, name, part);
    if (strncmp(err.message, wanted, strlen(wanted)) != 0)
        fail_msg("\"%s\" does not start with \"%s\"", err.message, wanted);
}

static void test_defaults(void **state)
{
    (void)state;
    good();
    assert_int_equal(policies.memory_per_session_bytes, 512u << 20);
    assert_int_equal(policies.memory_per_execution_bytes, 512u << 20);
    assert_int_equal(policies.execution_time_ms, 30000);
    assert_int_equal(policies.execution_time_limit_ms, 300000);
    assert_int_equal(policies.interrupt_grace_ms, 1000);
    assert_int_equal(policies.output_bytes, 10u << 20);
    assert_int_equal(policies.code_chars, 1000000);
    assert_int_equal(policies.concurrent_sessions, 10000);
    assert_int_equal(policies.session_timeout_ms, 1800000);
    policies_done(&policies);
}

/* As the documentation prints them. */
static void test_minimal(void **state)
{
    (void)state;
    put("imports.json",
        "{\"allowed\":[\"numpy\",\"pandas\",\"matplotlib\"],\"blocked\":[\"os\",\"sys\",\"subprocess\"],"
        "\"restricted\":{\"builtins\":{\"allowed\":[\"print\",\"len\",\"range\"],\"blocked\":[\"eval\",\"exec\",\"__import__\"]}}}");
    put("resources.json", "{\"memory\":{\"maxMemoryPerSession\":536870912},\"cpu\":{\"maxCpuPercentage\":50,\"maxExecutionTime\":30000},"
                          "\"storage\":{\"maxFileSize\":10485760,\"maxTotalStorage\":104857600}}");
    put("filesystem.json", "{\"allowedPaths\":[\"/tmp\",\"/workspace\"],\"blockedPaths\":[\"/etc\",\"/root\",\"/"
                           "home\"],\"readOnlyPaths\":[\"/usr\",\"/lib\"]}");
    good();
    assert_int_equal(policies.cpu_percent, 50);
    assert_int_equal(policies.storage_bytes, 104857600);
    assert_int_equal(policies.file_bytes, 10485760);
    assert_int_equal(json_array_size(json_object_get(policies.imports, "allowed")), 3);
    policies_done(&policies);
}

/* The smaller of two limits for the same thing holds; unknown fields do not matter. */
static void test_combined(void **state)
{
    (void)state;
    put("resources.json",
        "{\"memory\":{\"maxMemoryPerExecution\":134217728,\"warningThreshold\":1},\"storage\":{\"maxTotalStorage\":2e8,\"maxFiles\":1000},"
        "\"cpu\":{\"maxExecutionTime\":400000},\"network\":{\"enabled\":false},\"what\":[{}]}");
    put("filesystem.json",
        "{\"permissions\":{\"/workspace\":{\"maxSize\":52428800},\"/tmp\":{\"maxSize\":1048576}},"
        "\"quotas\":{\"perSession\":{\"maxFiles\":500,\"maxDirectories\":50},\"global\":{\"maxConcurrentSessions\":7}}}");
    good();
    assert_int_equal(policies.memory_per_execution_bytes, 134217728);
    assert_int_equal(policies.storage_bytes, 52428800);
    assert_int_equal(policies.temporary_bytes, 1048576);
    assert_int_equal(policies.files, 500);
    assert_int_equal(policies.directories, 50);
    assert_int_equal(policies.concurrent_sessions, 7);
    assert_int_equal(policies.execution_time_limit_ms, 400000);
    policies_done(&policies);
}

static void test_overrides(void **state)
{
    (void)state;
    config.max_memory_per_session = 64 << 20;
    config.max_execution_time_ms  = 600000;
    config.max_sessions           = 3;
    config.max_executions         = 4;
    config.session_timeout_ms     = 5000;
    config.cleanup_interval_ms    = 600;
    config.max_cpu_percent        = 25;
    good();
    assert_int_equal(policies.memory_per_session_bytes, 64 << 20);
    assert_int_equal(policies.memory_per_execution_bytes, 64 << 20);
    assert_int_equal(policies.execution_time_ms, 600000);
    assert_int_equal(policies.execution_time_limit_ms, 600000);
    assert_int_equal(policies.concurrent_sessions, 3);
    assert_int_equal(policies.concurrent_executions, 4);
    assert_int_equal(policies.session_timeout_ms, 5000);
    assert_int_equal(policies.cleanup_interval_ms, 600);
    assert_int_equal(policies.cpu_percent, 25);
    policies_done(&policies);
}

static void test_wrong_resources(void **state)
{
    (void)state;
    bad("resources.json", "", "1: ");
    bad("resources.json", "[]", "1: must be an object");
    bad("resources.json", "{\n  \"cpu\": {\n    \"maxExecutionTime\": 1,\n  }\n}", "4: ");
    bad("resources.json", "{\"a\":1,\n\"a\":2}", "2: ");
    bad("resources.json", "{\n\"memory\": 5}", "2: memory: must be an object, is a whole number");
    bad("resources.json",
        "{\n\"memory\": {\n\"x\": [1, {\"maxMemoryPerSession\": 0}], \"y\": \"}\\\"{\",\n\"maxMemoryPerSession\": \"1G\"}}",
        "4: memory.maxMemoryPerSession: must be a number, is a string");
    bad("resources.json", "{\"cpu\":{\"maxExecutionTime\":\n-5}}", "1: cpu.maxExecutionTime: must be a whole number from 1 to 86400000");
    bad("resources.json", "{\"cpu\":{\"maxExecutionTime\":1.5}}", "1: cpu.maxExecutionTime: must be a whole number");
    bad("resources.json", "{\"cpu\":{\"maxExecutionTime\":true}}", "1: cpu.maxExecutionTime: must be a number, is true");
    bad("resources.json", "{\"cpu\":{\"maxExecutionTime\":1e300}}", "1: cpu.maxExecutionTime: must be a whole number");
    bad("resources.json", "{\"memory\":{\"maxMemoryPerSession\":16777216,\n\"maxMemoryPerExecution\":16777217}}",
        "2: memory.maxMemoryPerExecution: contradicts");
    bad("resources.json", "{\"cpu\":{\"maxExecutionTime\":9000,\n\n\"maxExecutionTimeLimit\":8000}}",
        "3: cpu.maxExecutionTimeLimit: contradicts");
    bad("resources.json", "{\"storage\":{\n\"maxFileSize\":9000000,\"maxTotalStorage\":8000000}}", "2: storage.maxFileSize: contradicts");
}

static void test_wrong_lists(void **state)
{
    (void)state;
    bad("imports.json", "{\n\"allowed\": {}}", "2: allowed: must be an array of strings, is an object");
    bad("imports.json", "{\"allowed\": [\"a\",\n\"b\",\n7]}", "3: allowed[2]: must be a string, is a whole number");
    bad("imports.json", "{\"allowed\": [\"os\"],\n\"blocked\": [\"sys\", \"os\"]}",
        "2: blocked: contradicts: \"os\" is allowed as well as blocked");
    bad("imports.json", "{\"restricted\": {\n\"builtins\": {\"allowed\": [\"eval\"],\n\"blocked\": [\"eval\"]}}}",
        "3: restricted.builtins.blocked: contradicts");
    bad("imports.json", "{\"restricted\":\n[]}", "1: restricted: must be an object");
    bad("imports.json", "{\"restricted\": {\"x\":\n1}}", "1: restricted.x: must be an object");
    bad("imports.json", "{\"preload\": [\"\"]}", "1: preload[0]: must have 1 to 47 bytes");
    bad("filesystem.json", "{\"allowedPaths\": [\"tmp\"]}", "1: allowedPaths: \"tmp\" is not an absolute path");
    bad("filesystem.json", "{\"allowedPaths\": [\"/a\"],\n\"blockedPaths\":[\"/a\"]}", "2: blockedPaths: contradicts");
    bad("filesystem.json", "{\"quotas\": {\"global\":\n{\n\"maxConcurrentSessions\":0}}}",
        "3: quotas.global.maxConcurrentSessions: must be a whole number");
    bad("filesystem.json", "{\"permissions\": {\"/tmp\":\n{\"maxSize\": null}}}", "2: permissions./tmp.maxSize: must be a number, is null");
}

static void test_wrong_syscalls(void **state)
{
#define RULES(text) "{\"default\":\"ENOSYS\",\"rules\":[\n" text "]}"
    (void)state;
    bad("syscalls.json", "{}", "1: default: must be \"ENOSYS\"");
    bad("syscalls.json", "{\"default\":\"ENOSYS\"}", "1: rules: must be an array of rules");
    bad("syscalls.json", RULES("5"), "2: rules[0]: must be an object");
    bad("syscalls.json", RULES("{\"names\":[\"a\"]}"), "2: rules[0].action: must be \"allow\"");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"kill\"}"), "2: rules[0].action: must be \"allow\"");
    bad("syscalls.json", RULES("{\"names\":[],\"action\":\"allow\"}"), "2: rules[0].names: must be an array");
    bad("syscalls.json", RULES("{\"action\":\"allow\",\n\"names\":[\"a\",\"0123456789012345678901234567890x\"]}"),
        "3: rules[0].names: entry 2");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"allow\",\n\"argument\":6,\"mask\":1,\"value\":1}"),
        "3: rules[0].argument: must be");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"allow\",\"mask\":1,\"value\":1}"), "2: rules[0].argument: must be");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"allow\",\"argument\":0,\"mask\":\"0xz\",\"value\":1}"),
        "2: rules[0].mask: must be");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"allow\",\"argument\":0,\"mask\":1,\"value\":2}"),
        "2: rules[0].value: must be");
    bad("syscalls.json", RULES("{\"names\":[\"a\"],\"action\":\"allow\",\"onlyNamespaceTier\":1}"),
        "2: rules[0].onlyNamespaceTier: must be");
}

static void test_unreadable(void **state)
{
    (void)state;
    strcpy(config.imports_policy, "/nowhere/imports.json");
    assert_int_equal(policies_load(&policies, &config, &err), -1);
    assert_string_equal(err.message, "/nowhere/imports.json: No such file or directory");
    strcpy(config.imports_policy, "/dev/zero");
    assert_int_equal(policies_load(&policies, &config, &err), -1);
    assert_non_null(strstr(err.message, "/dev/zero: larger than"));
}

static void test_to_policy(void **state)
{
    (void)state;
    put("imports.json", "{\"preload\":[\"numpy\",\"matplotlib.pyplot\"]}");
    put("resources.json", "{\"storage\":{\"maxFiles\":100,\"maxDirectories\":20},\"process\":{\"maxProcesses\":9,\"maxOpenFiles\":99,"
                          "\"uidBase\":5000,\"uidCount\":7}}");
    config.require_isolation = ISOLATION_NAMESPACE;
    good();
    assert_int_equal(policies_to_policy(&policies, &config, &policy, &err), 0);
    assert_int_equal(policy.magic, POLICY_MAGIC);
    assert_int_equal(policy.workspace_inodes, 120);
    assert_int_equal(policy.processes, 9);
    assert_int_equal(policy.open_files, 99);
    assert_int_equal(policy.uid_base, 5000);
    assert_int_equal(policy.uid_count, 7);
    assert_int_equal(policy.require_isolation, ISOLATION_NAMESPACE);
    assert_int_equal(policy.preload_count, 2);
    assert_string_equal(policy.preload[1], "matplotlib.pyplot");
    assert_string_equal(policy.python, "/opt/python");
    assert_string_equal(policy.profile, "standard");
    assert_int_equal(policy.log_bytes, 10 << 20);
    assert_int_equal(policy.syscall_count, 5);
    assert_string_equal(policy.syscalls[1].name, "write");
    assert_int_equal(policy.syscalls[1].action, SYSCALL_ALLOW);
    assert_false(policy.syscalls[1].has_condition);
    assert_true(policy.syscalls[2].has_condition);
    assert_int_equal(policy.syscalls[2].mask, 0x7e020000);
    assert_int_equal(policy.syscalls[3].action, SYSCALL_EPERM);
    assert_true(policy.syscalls[3].only_namespace_tier);
    assert_int_equal(policy.syscalls[4].action, SYSCALL_ENOSYS);
    policies_done(&policies);
    policies_done(NULL);
}

/* What this repository ships, found as the program finds it. */
static void test_shipped(void **state)
{
    char   *argv[] = {(char *)"penny-sandbox", NULL};
    size_t  i;
    json_t *blocked, *reasons;
    (void)state;
    assert_int_equal(config_load(&config, 1, argv, &err), 0);
    good();
    assert_int_equal(policies_to_policy(&policies, &config, &policy, &err), 0);
    assert_true(policy.syscall_count > 100);
    assert_int_equal(policies.concurrent_sessions, 10000);
    assert_int_equal(policies.execution_time_limit_ms, 300000);
    reasons = json_object_get(policies.imports, "reasons");
    json_array_foreach(json_object_get(policies.imports, "blocked"), i, blocked)
        assert_non_null(json_object_get(reasons, json_string_value(blocked)));
    policies_done(&policies);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),    TEST(test_minimal),        TEST(test_combined),   TEST(test_overrides), TEST(test_wrong_resources),
        TEST(test_wrong_lists), TEST(test_wrong_syscalls), TEST(test_unreadable), TEST(test_to_policy), TEST(test_shipped),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
