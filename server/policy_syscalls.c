/* policy_syscalls.c: policies/syscalls.json, the rules of the system call filter. */
#include "policy_syscalls.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns 0 when `text` names no action. */
static uint8_t action_of(const char *text)
{
    if (text == NULL)
        return 0;
    return strcmp(text, "allow") == 0    ? SYSCALL_ALLOW
           : strcmp(text, "eperm") == 0  ? SYSCALL_EPERM
           : strcmp(text, "enosys") == 0 ? SYSCALL_ENOSYS
                                         : 0;
}

/* A 64-bit number as JSON number or as text, "0x7e020000". */
static int bits_of(const json_t *value, uint64_t *ret)
{
    const char        *text = json_string_value(value);
    char              *end;
    unsigned long long bits;

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (uint64_t)json_integer_value(value);
        return 0;
    }
    if (text == NULL || !isdigit((unsigned char)*text))
        return -1;
    errno = 0;
    bits  = strtoull(text, &end, 0);
    if (errno != 0 || *end != '\0')
        return -1;
    *ret = bits;
    return 0;
}

/* One rule without its name. Returns NULL, or the key of what is wrong. */
static const char *read_rule(const json_t *rule, struct syscall_rule *ret)
{
    const json_t *argument = json_object_get(rule, "argument"), *mask = json_object_get(rule, "mask"),
                 *value = json_object_get(rule, "value");
    const json_t *only  = json_object_get(rule, "onlyNamespaceTier");
    uint64_t      index;

    memset(ret, 0, sizeof *ret);
    ret->action = action_of(json_string_value(json_object_get(rule, "action")));
    if (ret->action == 0)
        return "action";
    if (only != NULL && !json_is_boolean(only))
        return "onlyNamespaceTier";
    ret->only_namespace_tier = json_is_true(only);
    if (argument == NULL && mask == NULL && value == NULL)
        return NULL;
    if (argument == NULL || bits_of(argument, &index) != 0 || index > 5)
        return "argument";
    ret->argument      = (uint8_t)index;
    ret->has_condition = true;
    ret->mask          = UINT64_MAX;
    if (mask != NULL && bits_of(mask, &ret->mask) != 0)
        return "mask";
    return value == NULL || bits_of(value, &ret->value) != 0 || (ret->value & ~ret->mask) != 0 ? "value" : NULL;
}

static const char *accepts_of(const char *key)
{
    static const char *const texts[][2] = {
        {"action", "must be \"allow\", \"eperm\" or \"enosys\""},
        {"onlyNamespaceTier", "must be true or false"},
        {"argument", "must be a number from 0 to 5, and given with mask and value"},
        {"mask", "must be a number or a text such as \"0x7e020000\""},
        {"value", "must be a number or a text such as \"0x7e020000\", with no bit outside mask"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i][0], key) == 0)
            return texts[i][1];
    }
    return "is wrong";
}

/* Returns how many names the rule has, or -1. */
static int check_rule(const struct policy_file *file, size_t n, const json_t *rule, struct err *err)
{
    char                index[24];
    struct syscall_rule ignored;
    json_t             *names;
    const char         *wrong;

    snprintf(index, sizeof index, "[%zu]", n);
    const policy_place place = {"rules", index}, names_place = {"rules", index, "names"};
    if (!json_is_object(rule))
        return policy_file_fail(file, place, err, "must be an object");
    wrong = read_rule(rule, &ignored);
    if (wrong != NULL) {
        const policy_place wrong_place = {"rules", index, wrong};
        return policy_file_fail(file, wrong_place, err, "%s", accepts_of(wrong));
    }
    names = json_object_get(rule, "names");
    if (!json_is_array(names) || json_array_size(names) == 0)
        return policy_file_fail(file, names_place, err, "must be an array of system call names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL || *name == '\0' || strlen(name) >= sizeof ignored.name)
            return policy_file_fail(file, names_place, err, "entry %zu must be a name of 1 to %zu bytes", i + 1, sizeof ignored.name - 1);
    }
    return (int)json_array_size(names);
}

int policy_syscalls_check(const struct policy_file *file, struct err *err)
{
    static const policy_place rules_place = {"rules"}, default_place = {"default"};
    const json_t             *rules    = json_object_get(file->root, "rules"), *rule;
    const char               *standard = json_string_value(json_object_get(file->root, "default"));
    size_t                    i;
    int                       total = 0;

    if (standard == NULL || strcmp(standard, "ENOSYS") != 0)
        return policy_file_fail(file, default_place, err, "must be \"ENOSYS\"");
    if (!json_is_array(rules) || json_array_size(rules) == 0)
        return policy_file_fail(file, rules_place, err, "must be an array of rules");
    json_array_foreach(rules, i, rule)
    {
        int count = check_rule(file, i, rule, err);
        if (count < 0)
            return -1;
        total += count;
        if (total > POLICY_SYSCALLS_MAX)
            return policy_file_fail(file, rules_place, err, "has more than %d names", POLICY_SYSCALLS_MAX);
    }
    return 0;
}

int policy_syscalls_fill(const json_t *root, struct policy *policy, struct err *err)
{
    const json_t *rule, *name;
    size_t        i, j;

    json_array_foreach(json_object_get(root, "rules"), i, rule)
    {
        struct syscall_rule one;
        if (read_rule(rule, &one) != NULL)
            return err_set(err, EINVAL, "syscalls policy: rule %zu is wrong", i + 1);
        json_array_foreach(json_object_get(rule, "names"), j, name)
        {
            if (policy->syscall_count == POLICY_SYSCALLS_MAX || json_string_length(name) >= sizeof one.name)
                return err_set(err, EINVAL, "syscalls policy: rule %zu does not fit", i + 1);
            strcpy(one.name, json_string_value(name));
            policy->syscalls[policy->syscall_count++] = one;
        }
    }
    return 0;
}
