/* Policy files: whatever the text, it is loaded into sensible numbers or refused with file, line and reason. The first byte says which file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policies.h"
#include "policy_file.h"

static const char *const NAMES[] = {"imports.json", "resources.json", "filesystem.json", "syscalls.json", "packages.json"};
static struct config     config;

static int fds[5]; /* the files, in memory */

static void put(size_t which, const void *data, size_t size)
{
    if (ftruncate(fds[which], 0) != 0 || pwrite(fds[which], data, size, 0) != (ssize_t)size)
        abort();
}

static char *path_of(size_t which)
{
    char *paths[] = {config.imports_policy, config.resources_policy, config.filesystem_policy, config.syscalls_policy,
                     config.packages_policy};
    return paths[which];
}

static void standard(size_t which)
{
    static const char syscalls[] = "{\"default\":\"ENOSYS\",\"rules\":[{\"names\":[\"read\"],\"action\":\"allow\"}]}";
    put(which, which == 3 ? syscalls : "{}", which == 3 ? sizeof syscalls - 1 : 2);
}

static void start(void)
{
    strcpy(config.profile, "standard");
    for (size_t i = 0; i < 5; i++) {
        fds[i] = memfd_create(NAMES[i], MFD_CLOEXEC);
        snprintf(path_of(i), sizeof config.imports_policy, "/proc/self/fd/%d", fds[i]);
        standard(i);
    }
}

static void check_numbers(const struct policies *policies)
{
    static struct policy policy;
    struct err           err;
    if (policies->memory_per_execution_bytes > policies->memory_per_session_bytes ||
        policies->execution_time_ms > policies->execution_time_limit_ms || policies->file_bytes > policies->storage_bytes ||
        policies->execution_time_ms == 0 || policies->concurrent_sessions == 0 || policies->memory_per_session_bytes < 16 << 20)
        abort();
    if (policies_to_policy(policies, &config, &policy, &err) != 0)
        abort();
    for (uint32_t i = 0; i < policy.syscall_count; i++) {
        if (policy.syscalls[i].name[0] == '\0' || policy.syscalls[i].name[31] != '\0' || policy.syscalls[i].action == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policies policies;
    struct err      err = {0};
    size_t          which;

    if (size < 1 || size > 32768)
        return 0;
    if (path_of(0)[0] == '\0')
        start();
    which = data[0] % 5;
    put(which, data + 1, size - 1);
    if (policies_load(&policies, &config, &err) == 0) {
        check_numbers(&policies);
        policies_done(&policies);
    } else if (strncmp(err.message, path_of(which), strlen(path_of(which))) != 0 || err.message[strlen(path_of(which))] != ':') {
        abort();
    }
    standard(which);
    return 0;
}
