#define _GNU_SOURCE
#include "file_rules.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "file_path.h"
#include "metrics.h"

enum { ENDING_MAX = 32, PATTERN_MAX = 64, RESOURCES = 0, FILESYSTEM = 1 };

static int read_list(const struct policy_file *file, const policy_place place, size_t size, json_t **ret, struct err *err)
{
    json_t *list;
    if (policy_file_strings(file, place, size, &list, err) != 0)
        return -1;
    *ret = json_incref(list);
    return 0;
}

int file_rules_read_resources(struct file_rules *rules, const struct policy_file *file, struct err *err)
{
    static const policy_place allowed = {"storage", "allowedFileTypes"}, blocked = {"storage", "blockedFileTypes"};
    return read_list(file, allowed, ENDING_MAX, &rules->allowed[RESOURCES], err) != 0
               ? -1
               : read_list(file, blocked, ENDING_MAX, &rules->blocked[RESOURCES], err);
}

/* A list, or lists by kind: {"text": [".txt"], "data": [".csv"]}. */
static int read_kinds(const struct policy_file *file, const char *which, json_t **ret, struct err *err)
{
    const policy_place place = {"fileTypes", which};
    json_t            *kinds, *list, *all;
    const char        *kind;

    if (policy_file_find(file, place, &kinds, err) != 0)
        return -1;
    if (!json_is_object(kinds))
        return read_list(file, place, ENDING_MAX, ret, err);
    all  = json_array();
    *ret = all;
    json_object_foreach(kinds, kind, list)
    {
        const policy_place below = {"fileTypes", which, kind};
        json_t            *endings;
        if (strcmp(kind, "description") == 0)
            continue;
        if (policy_file_strings(file, below, ENDING_MAX, &endings, err) != 0)
            return -1;
        (void)json_array_extend(all, endings);
    }
    return 0;
}

int file_rules_read_filesystem(struct file_rules *rules, const struct policy_file *file, struct err *err)
{
    static const policy_place access = {"security", "hiddenFiles", "access"}, create = {"security", "hiddenFiles", "create"};
    static const policy_place patterns = {"security", "hiddenFiles", "patterns"}, links = {"security", "symlinkFollowing", "enabled"};
    bool                      may_read = true, may_create = true, follows = false;

    if (read_kinds(file, "allowed", &rules->allowed[FILESYSTEM], err) != 0 ||
        read_kinds(file, "blocked", &rules->blocked[FILESYSTEM], err) != 0 || policy_file_bool(file, access, &may_read, err) != 0 ||
        policy_file_bool(file, create, &may_create, err) != 0 || policy_file_bool(file, links, &follows, err) != 0 ||
        read_list(file, patterns, PATTERN_MAX, &rules->hidden, err) != 0)
        return -1;
    if (follows)
        return policy_file_fail(file, links, err, "can't be true: symbolic links are never followed out of or within a workspace");
    if (rules->hidden == NULL)
        rules->hidden = json_pack("[s]", ".*");
    rules->keeps_hidden   = !may_read;
    rules->refuses_hidden = !may_create;
    return 0;
}

void file_rules_done(struct file_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        json_decref(rules->allowed[i]);
        json_decref(rules->blocked[i]);
    }
    json_decref(rules->hidden);
    *rules = (struct file_rules){0};
}

/* Endings are compared, so that ".tar.gz" may be listed too. */
static bool is_listed(const char *name, const json_t *list)
{
    size_t  i, length = strlen(name);
    json_t *ending;
    json_array_foreach((json_t *)list, i, ending)
    {
        size_t n = json_string_length(ending);
        if (n <= length && strcasecmp(name + length - n, json_string_value(ending)) == 0)
            return true;
    }
    return false;
}

static bool is_good_type(const struct file_rules *rules, const char *name)
{
    for (int i = 0; i < 2; i++)
        if ((json_array_size(rules->allowed[i]) > 0 && !is_listed(name, rules->allowed[i])) || is_listed(name, rules->blocked[i]))
            return false;
    return true;
}

static bool matches(const struct file_rules *rules, const char *name)
{
    size_t  i;
    json_t *pattern;
    json_array_foreach(rules->hidden, i, pattern)
    {
        if (fnmatch(json_string_value(pattern), name, 0) == 0)
            return true;
    }
    return false;
}

static bool is_hidden(const struct file_rules *rules, const char *path)
{
    char part[FILE_PATH_BYTES];
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        if (length >= sizeof part)
            return true;
        *(char *)mempcpy(part, path, length) = '\0';
        if (matches(rules, part))
            return true;
        path += length + (path[length] == '/');
    }
    return false;
}

const char *file_rules_fault(const struct file_rules *rules, const char *path)
{
    const char *fault = !is_good_type(rules, file_path_name(path))        ? "The policy does not let files of this type in"
                        : rules->refuses_hidden && is_hidden(rules, path) ? "The policy does not let hidden files in"
                                                                          : NULL;
    if (fault != NULL)
        metrics_deny(METRICS_DENIED_FILES);
    return fault;
}

bool file_rules_hide(const struct file_rules *rules, const char *path)
{
    return rules->keeps_hidden && is_hidden(rules, path);
}
