/* Options: defaults, environment, command line, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_option.h"
#include "policy.h"

static struct config config;
static struct err    err;

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++)
        unsetenv(CONFIG_OPTIONS[i].env);
    err.message[0] = '\0';
    return 0;
}

static int load(int count, ...)
{
    char   *argv[16] = {(char *)"penny-sandbox"};
    va_list ap;
    va_start(ap, count);
    for (int i = 0; i < count; i++)
        argv[i + 1] = va_arg(ap, char *);
    va_end(ap);
    return config_load(&config, count + 1, argv, &err);
}

static void good(int result)
{
    if (result != 0)
        fail_msg("%s", err.message);
}

static void bad(int result, const char *part)
{
    assert_int_equal(result, -1);
    if (strstr(err.message, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.message, part);
}

static void test_defaults(void **state)
{
    (void)state;
    good(load(0));
    assert_int_equal(config.listen_count, 1);
    assert_string_equal(config.listen[0].host, "127.0.0.1");
    assert_int_equal(config.listen[0].port, 3003);
    assert_int_equal(config.drain_ms, 10000);
    assert_int_equal(config.max_queue, 64);
    assert_true(config.pool_size >= 4 && config.pool_size <= 64);
    assert_int_equal(config.rate_limit, 0);
    assert_int_equal(config.cors_origin_count, 0);
    assert_string_equal(config.user, "nobody");
    assert_string_equal(config.profile, "standard");
    assert_string_equal(config.state_dir, "");
    assert_true(config.allow_user_namespaces);
    assert_int_equal(config.require_isolation, ISOLATION_NONE);
}

static void test_values_as_in_env_files(void **state)
{
    (void)state;
    setenv("SANDBOX_HOST", " 0.0.0.0   # everywhere", 1);
    setenv("SANDBOX_PORT", "8080 # the port", 1);
    setenv("LOG_LEVEL", "WARN", 1);
    setenv("MAX_MEMORY_PER_SESSION", "512MB # per session", 1);
    setenv("MAX_EXECUTION_TIME", "# as the policy says", 1);
    setenv("SESSION_TIMEOUT", "\"1800000\"  # half an hour", 1);
    setenv("RATE_LIMIT_MAX", "100", 1);
    setenv("RATE_LIMIT_WINDOW", "60 s", 1);
    setenv("FRONTEND_URL", "https://Penny.ai/", 1);
    setenv("SANDBOX_CORS_ORIGINS", "http://a:1, http://b", 1);
    setenv("SANDBOX_USER_NAMESPACES", "off", 1);
    setenv("SANDBOX_POOL_SIZE", "", 1);
    good(load(0));
    assert_string_equal(config.listen[0].host, "0.0.0.0");
    assert_int_equal(config.listen[0].port, 8080);
    assert_string_equal(config.log_level, "warn");
    assert_int_equal(config.max_memory_per_session, 512u << 20);
    assert_int_equal(config.max_execution_time_ms, 0);
    assert_int_equal(config.session_timeout_ms, 1800000);
    assert_int_equal(config.rate_limit, 100);
    assert_int_equal(config.rate_window_ms, 60000);
    assert_int_equal(config.cors_origin_count, 3);
    assert_string_equal(config.cors_origins[2], "https://penny.ai");
    assert_false(config.allow_user_namespaces);
    assert_true(config.pool_size > 0);
}

static void test_command_line_wins(void **state)
{
    (void)state;
    setenv("SANDBOX_PORT", "1", 1);
    setenv("SANDBOX_POOL_SIZE", "7", 1);
    good(load(4, "--port", "2", "--pool-size=0", "--require-isolation=FULL"));
    assert_int_equal(config.listen[0].port, 2);
    assert_int_equal(config.pool_size, 0);
    assert_int_equal(config.require_isolation, ISOLATION_FULL);
    setenv("SANDBOX_LISTEN", "127.0.0.1:5", 1);
    good(load(0));
    assert_int_equal(config.listen[0].port, 5);
    good(load(1, "--port=6"));
    assert_int_equal(config.listen[0].port, 6);
    good(load(2, "--port=6", "--listen=:7"));
    assert_int_equal(config.listen[0].port, 7);
}

static void test_listen(void **state)
{
    (void)state;
    good(load(1, "--listen= 0.0.0.0:8000, [::1]:8001 ,8002,localhost:0"));
    assert_int_equal(config.listen_count, 4);
    assert_string_equal(config.listen[1].host, "::1");
    assert_string_equal(config.listen[2].host, "127.0.0.1");
    assert_int_equal(config.listen[2].port, 8002);
    assert_string_equal(config.listen[3].host, "localhost");
    good(load(2, "--host=::", "--port=9"));
    assert_string_equal(config.listen[0].host, "::");
    bad(load(1, "--listen=::1:80"), "--listen");
    bad(load(1, "--listen=a:b"), "--listen");
    bad(load(1, "--listen=[::1]"), "--listen");
    bad(load(1, "--listen=1,2,3,4,5,6,7,8,9"), "up to 8");
    bad(load(1, "--host=a b"), "SANDBOX_HOST");
    bad(load(1, "--host=1,2"), "SANDBOX_HOST");
}

static void test_refused(void **state)
{
    (void)state;
    setenv("SANDBOX_PORT", "http", 1);
    bad(load(0), "from 0 to 65535");
    bad(load(1, "--port=65536"), "65535");
    bad(load(1, "--port=-1"), "65535");
    unsetenv("SANDBOX_PORT");
    bad(load(1, "--max-queue=many"), "--max-queue: \"many\" is not accepted; accepted: a number");
    bad(load(1, "--max-queue=-1"), "accepted");
    bad(load(1, "--max-queue=99999999999999999999"), "accepted");
    bad(load(1, "--max-queue="), "accepted");
    bad(load(1, "--drain=5 weeks"), "milliseconds");
    bad(load(1, "--max-memory=1K"), "too few");
    bad(load(1, "--log-level=loud"), "debug, info, warn or error");
    bad(load(1, "--profile=closed"), "standard or open");
    bad(load(1, "--require-isolation=some"), "namespace");
    bad(load(1, "--user-namespaces=maybe"), "on or off");
    bad(load(1, "--cors-origins=penny.ai"), "http(s)://");
    bad(load(1, "--allowed-hosts=a b"), "host names");
    bad(load(1, "--what"), "no option --what");
    bad(load(1, "file.py"), "not an option");
    bad(load(1, "--port"), "missing");
    bad(load(1, "--policy-dir=/nowhere/at/all"), "/nowhere/at/all");
    setenv("LOG_FORMAT", "xml", 1);
    bad(load(0), "LOG_FORMAT: \"xml\"");
}

static void test_limits_of_text(void **state)
{
    char path[4096];
    (void)state;
    memset(path, 'x', sizeof path - 1);
    memcpy(path, "--state-dir=/", 13);
    path[sizeof path - 1] = '\0';
    bad(load(1, path), "255 characters");
    setenv("SANDBOX_USER", path, 1);
    bad(load(0), "SANDBOX_USER");
}

static void test_places(void **state)
{
    char cwd[256], wanted[300];
    (void)state;
    good(load(2, "--state-dir=here", "--python=/p/python"));
    assert_non_null(getcwd(cwd, sizeof cwd));
    snprintf(wanted, sizeof wanted, "%s/here", cwd);
    assert_string_equal(config.state_dir, wanted);
    assert_string_equal(config.python, "/p/python");
    assert_non_null(strstr(config.zygote_path, "/penny-zygote"));
    assert_non_null(strstr(config.resources_policy, "/resources.json"));
    assert_int_equal(config.web_dir[0], '/');
}

/* A directory with one policy file: the others come from the standard place. */
static void test_policy_directory(void **state)
{
    char  directory[] = "/tmp/penny-test-policy-XXXXXX", path[128], argument[128];
    FILE *file;
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/resources.json", directory);
    file = fopen(path, "w");
    fclose(file);
    snprintf(argument, sizeof argument, "--policy-dir=%s", directory);
    good(load(2, argument, "--imports-policy=/own/imports.json"));
    assert_string_equal(config.resources_policy, path);
    assert_string_equal(config.imports_policy, "/own/imports.json");
    assert_null(strstr(config.filesystem_policy, directory));
    assert_string_equal(config.policy_dir, directory);
    unlink(path);
    rmdir(directory);
}

/* Every option can be said both ways, and the defaults are themselves accepted. */
static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &CONFIG_OPTIONS[i];
        char                        argument[256];
        assert_non_null(option->env);
        assert_true(strlen(option->help) > 0 && strlen(option->accepts) > 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(option->env, CONFIG_OPTIONS[j].env);
            if (option->flag != NULL && CONFIG_OPTIONS[j].flag != NULL)
                assert_string_not_equal(option->flag, CONFIG_OPTIONS[j].flag);
        }
        if (option->flag == NULL || option->standard == NULL || *option->standard == '\0')
            continue;
        snprintf(argument, sizeof argument, "--%s=%s", option->flag, option->standard);
        good(load(1, argument));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_defaults, clean),
        cmocka_unit_test_setup(test_values_as_in_env_files, clean),
        cmocka_unit_test_setup(test_command_line_wins, clean),
        cmocka_unit_test_setup(test_listen, clean),
        cmocka_unit_test_setup(test_refused, clean),
        cmocka_unit_test_setup(test_limits_of_text, clean),
        cmocka_unit_test_setup(test_places, clean),
        cmocka_unit_test_setup(test_policy_directory, clean),
        cmocka_unit_test_setup(test_table, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
