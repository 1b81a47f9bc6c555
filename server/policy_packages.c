#include "policy_packages.h"

#include <stdio.h>
#include <string.h>

#include "requirement.h"

const char *const policy_packages_categories[] = {"data-science", "machine-learning", "visualization", "web", "utility", NULL};

static const policy_place ENABLED = {"enabled"}, DEPENDENCIES = {"dependencies"}, PACKAGES = {"packages"}, BLOCKED = {"blocked"},
                          READABLE = {"readable"}, PREINSTALLED = {"preinstalled"};

static bool is_category(const char *text)
{
    for (size_t i = 0; text != NULL && i < POLICY_PACKAGES_CATEGORIES; i++)
        if (strcmp(policy_packages_categories[i], text) == 0)
            return true;
    return false;
}

/* A specifier alone is what may follow a name. */
static bool is_specifier(const char *text)
{
    struct requirement ignored;
    char               whole[REQUIREMENT_SPECIFIER_BYTES + 2];
    return text != NULL && snprintf(whole, sizeof whole, "x%s", text) < (int)sizeof whole && requirement_parse(whole, &ignored) &&
           ignored.extras[0] == '\0' && strcmp(ignored.name, "x") == 0;
}

/* Returns NULL, or what is wrong with a rule. The name is made canonical in place. */
static const char *settle_rule(json_t *rule, bool is_blocked)
{
    json_t     *versions = json_object_get(rule, "versions"), *category = json_object_get(rule, "category");
    const char *given = json_string_value(json_object_get(rule, "name"));
    char        name[REQUIREMENT_NAME_BYTES];

    if (given == NULL || !requirement_name(given, name))
        return "must have a name that is a package's";
    if (!is_blocked && versions != NULL && !is_specifier(json_string_value(versions)))
        return "versions must be specifiers such as \">=1,<2\"";
    if (!is_blocked && category != NULL && !is_category(json_string_value(category)))
        return "category must be data-science, machine-learning, visualization, web or utility";
    return json_object_set_new(rule, "name", json_string(name)) == 0 ? NULL : "no memory";
}

static int settle_rules(const struct policy_file *file, const policy_place place, bool is_blocked, struct err *err)
{
    json_t *list, *rule;
    size_t  i;
    if (policy_file_find(file, place, &list, err) != 0)
        return -1;
    if (list != NULL && !json_is_array(list))
        return policy_file_fail(file, place, err, "must be an array");
    json_array_foreach(list, i, rule)
    {
        char               index[24];
        const char        *wrong;
        const policy_place at = {place[0], index};
        (void)snprintf(index, sizeof index, "[%zu]", i);
        wrong = json_is_object(rule) ? settle_rule(rule, is_blocked) : "must be an object";
        if (wrong != NULL)
            return policy_file_fail(file, at, err, "%s", wrong);
    }
    return 0;
}

static int settle_preinstalled(const struct policy_file *file, struct err *err)
{
    json_t     *categories, *list;
    const char *name;
    if (policy_file_find(file, PREINSTALLED, &categories, err) != 0)
        return -1;
    if (categories != NULL && !json_is_object(categories))
        return policy_file_fail(file, PREINSTALLED, err, "must be an object");
    json_object_foreach(categories, name, list)
    {
        const policy_place at = {"preinstalled", name};
        json_t            *names;
        if (!is_category(name))
            return policy_file_fail(file, at, err, "is no category");
        if (policy_file_strings(file, at, REQUIREMENT_NAME_BYTES, &names, err) != 0)
            return -1;
    }
    return 0;
}

static int read_dependencies(struct policy_packages *packages, const struct policy_file *file, struct err *err)
{
    json_t     *value;
    const char *text;
    if (policy_file_find(file, DEPENDENCIES, &value, err) != 0)
        return -1;
    text = json_string_value(value);
    if (value != NULL && (text == NULL || (strcmp(text, "allowed") != 0 && strcmp(text, "listed") != 0)))
        return policy_file_fail(file, DEPENDENCIES, err, "must be \"allowed\" or \"listed\"");
    packages->listed_dependencies = text != NULL && strcmp(text, "listed") == 0;
    return 0;
}

static int read_readable(const struct policy_file *file, struct err *err)
{
    json_t *list, *path;
    size_t  i;
    if (policy_file_strings(file, READABLE, 256, &list, err) != 0)
        return -1;
    json_array_foreach(list, i, path)
    {
        if (json_string_value(path)[0] != '/')
            return policy_file_fail(file, READABLE, err, "\"%.60s\" is not an absolute path", json_string_value(path));
    }
    return 0;
}

static int read_limits(struct policy_packages *packages, const struct policy_file *file, struct err *err)
{
    const struct {
        policy_place place;
        uint64_t     standard, min, max;
        uint32_t    *narrow;
        uint64_t    *wide;
    } limits[] = {
        {{"limits", "maxInstallTime"}, 120000, 1000, 3600000, &packages->install_time_ms, NULL},
        {{"limits", "maxInstallSize"}, 500 << 20, 4096, UINT64_C(1) << 40, NULL, &packages->install_bytes},
        {{"limits", "maxLayersSize"}, UINT64_C(10) << 30, 4096, UINT64_C(1) << 46, NULL, &packages->layers_bytes},
        {{"limits", "maxFileSize"}, 256 << 20, 4096, UINT64_C(1) << 40, NULL, &packages->file_bytes},
        {{"limits", "maxInstallMemory"}, 1 << 30, 128 << 20, UINT64_C(1) << 40, NULL, &packages->memory_bytes},
        {{"limits", "maxConcurrentInstalls"}, 2, 1, 8, &packages->concurrent_installs, NULL},
        {{"limits", "maxPackagesPerSession"}, 100, 1, 1000, &packages->per_session, NULL},
        {{"limits", "resolutionLifetime"}, 3600000, 0, UINT64_C(3456000000), &packages->resolution_ms, NULL},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        uint64_t value = limits[i].standard;
        if (policy_file_number(file, limits[i].place, limits[i].min, limits[i].max, &value, err) != 0)
            return -1;
        if (limits[i].narrow != NULL)
            *limits[i].narrow = (uint32_t)value;
        else
            *limits[i].wide = value;
    }
    return 0;
}

int policy_packages_read(struct policy_packages *packages, const struct policy_file *file, struct err *err)
{
    packages->enabled = true;
    if (policy_file_bool(file, ENABLED, &packages->enabled, err) != 0 || read_dependencies(packages, file, err) != 0 ||
        read_limits(packages, file, err) != 0 || read_readable(file, err) != 0 || settle_rules(file, PACKAGES, false, err) != 0 ||
        settle_rules(file, BLOCKED, true, err) != 0 || settle_preinstalled(file, err) != 0)
        return -1;
    packages->root = json_incref(file->root);
    return 0;
}

void policy_packages_done(struct policy_packages *packages)
{
    json_decref(packages->root);
    packages->root = NULL;
}

static const json_t *find(const json_t *list, const char *name)
{
    const json_t *rule;
    size_t        i;
    json_array_foreach(list, i, rule)
    {
        if (strcmp(json_string_value(json_object_get(rule, "name")), name) == 0)
            return rule;
    }
    return NULL;
}

const json_t *policy_packages_rule(const struct policy_packages *packages, const char *name)
{
    return find(json_object_get(packages->root, "packages"), name);
}

const char *policy_packages_blocked(const struct policy_packages *packages, const char *name)
{
    const json_t *rule   = find(json_object_get(packages->root, "blocked"), name);
    const char   *reason = json_string_value(json_object_get(rule, "reason"));
    return rule == NULL ? NULL : reason != NULL ? reason : "it is blocked";
}

const char *policy_packages_category(const struct policy_packages *packages, const char *name)
{
    const char *category = json_string_value(json_object_get(policy_packages_rule(packages, name), "category"));
    json_t     *list, *item;
    const char *key;
    char        canonical[REQUIREMENT_NAME_BYTES];
    size_t      i;
    if (category != NULL)
        return category;
    json_object_foreach(json_object_get(packages->root, "preinstalled"), key, list)
    {
        json_array_foreach(list, i, item)
        {
            if (requirement_name(json_string_value(item), canonical) && strcmp(canonical, name) == 0)
                return key;
        }
    }
    return "utility";
}
