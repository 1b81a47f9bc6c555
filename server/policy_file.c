/* policy_file.c: reading one policy file, and finding the line of what is wrong in it. */
#include "policy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, char **ret_text, size_t *ret_length, struct err *err)
{
    char  *text = malloc(POLICY_FILE_MAX + 1);
    size_t got  = 0;

    if (text == NULL)
        return err_set(err, ENOMEM, "%s: out of memory", path);
    for (;;) {
        ssize_t n = read(fd, text + got, POLICY_FILE_MAX + 1 - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, "%.180s", path);
            free(text);
            return -1;
        }
        got += (size_t)n;
        if (n == 0)
            break;
        if (got > POLICY_FILE_MAX) {
            free(text);
            return err_set(err, EFBIG, "%.180s: larger than %d bytes", path, POLICY_FILE_MAX);
        }
    }
    *ret_text   = text;
    *ret_length = got;
    return 0;
}

static int parse(struct policy_file *file, struct err *err)
{
    json_error_t error;

    file->root = json_loadb(file->text, file->length, JSON_REJECT_DUPLICATES, &error);
    if (file->root == NULL)
        return err_set(err, EINVAL, "%.120s:%d: %.100s", file->path, error.line > 0 ? error.line : 1, error.text);
    if (!json_is_object(file->root))
        return err_set(err, EINVAL, "%.180s:1: must be an object", file->path);
    return 0;
}

int policy_file_open(struct policy_file *file, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), result;

    memset(file, 0, sizeof *file);
    file->path = path;
    if (fd < 0)
        return err_errno(err, "%.180s", path);
    result = read_all(fd, path, &file->text, &file->length, err);
    close(fd);
    if (result == 0)
        result = parse(file, err);
    if (result != 0)
        policy_file_done(file);
    return result;
}

int policy_file_parse(struct policy_file *file, const char *path, const char *text, size_t length, struct err *err)
{
    memset(file, 0, sizeof *file);
    file->path   = path;
    file->length = length;
    file->text   = malloc(length + 1);
    if (file->text == NULL)
        return err_set(err, ENOMEM, "%s: out of memory", path);
    memcpy(file->text, text, length);
    if (parse(file, err) == 0)
        return 0;
    policy_file_done(file);
    return -1;
}

void policy_file_done(struct policy_file *file)
{
    json_decref(file->root);
    free(file->text);
    file->root = NULL;
    file->text = NULL;
}

/* The text is known to be well-formed JSON; `at` and `end` are only kept inside it. */
static const char *skip_space(const char *at, const char *end)
{
    while (at < end && memchr(" \t\r\n", *at, 4) != NULL)
        at++;
    return at;
}

static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at < end ? at + 1 : end;
}

static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    for (at = skip_space(at, end); at < end;) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0)
                return at;
            depth--;
            at++;
        } else if (*at == ',' && depth == 0) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0)
            return at;
    }
    return end;
}

/* Where the value of `key` ("[n]" in an array) starts in the container at `at`; *ret_key where its key does. NULL: not there. */
static const char *find_member(const char *at, const char *end, const char *key, const char **ret_key)
{
    bool   array  = at < end && *at == '[';
    size_t wanted = array && key[0] == '[' ? strtoul(key + 1, NULL, 10) : 0;

    if (at >= end || (!array && *at != '{'))
        return NULL;
    for (size_t i = 0;; i++) {
        const char *name, *after;
        name = skip_space(at + 1, end);
        if (name >= end || *name == '}' || *name == ']')
            return NULL;
        *ret_key = name;
        if (array) {
            if (i == wanted)
                return name;
            at = skip_space(skip_value(name, end), end);
            continue;
        }
        after = skip_string(name, end);
        at    = skip_space(skip_space(after, end) + 1, end);
        if ((size_t)(after - name) == strlen(key) + 2 && memcmp(name + 1, key, strlen(key)) == 0)
            return at;
        at = skip_space(skip_value(at, end), end);
    }
}

static int line_of(const struct policy_file *file, const policy_place place)
{
    const char *end = file->text + file->length, *at = skip_space(file->text, end), *seen = at, *key = at;
    int         line = 1;

    for (size_t i = 0; i < POLICY_DEPTH_MAX && place[i] != NULL; i++) {
        at = find_member(at, end, place[i], &key);
        if (at == NULL)
            break;
        seen = key;
    }
    for (const char *p = file->text; p < seen; p++)
        line += *p == '\n';
    return line;
}

int policy_file_fail(const struct policy_file *file, const policy_place place, struct err *err, const char *format, ...)
{
    char    name[120] = "", text[120];
    size_t  used      = 0;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (size_t i = 0; i < POLICY_DEPTH_MAX && place[i] != NULL && used < sizeof name; i++)
        used += (size_t)snprintf(name + used, sizeof name - used, i > 0 && place[i][0] != '[' ? ".%s" : "%s", place[i]);
    return err_set(err, EINVAL, "%.100s:%d: %s%s%s", file->path, line_of(file, place), name, *name != '\0' ? ": " : "", text);
}

static const char *kind_of(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "a whole number", "a number", "true", "false", "null"};
    return names[json_typeof(value)];
}

int policy_file_find(const struct policy_file *file, const policy_place place, json_t **ret, struct err *err)
{
    policy_place above = {NULL};
    json_t      *value = file->root;

    *ret = NULL;
    for (size_t i = 0; i < POLICY_DEPTH_MAX && place[i] != NULL; i++) {
        if (!json_is_object(value))
            return policy_file_fail(file, above, err, "must be an object, is %s", kind_of(value));
        above[i] = place[i];
        value    = json_object_get(value, place[i]);
        if (value == NULL)
            return 0;
    }
    *ret = value;
    return 0;
}

int policy_file_number(const struct policy_file *file, const policy_place place, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
    json_t *value;
    double  number;

    if (policy_file_find(file, place, &value, err) != 0)
        return -1;
    if (value == NULL)
        return 0;
    if (!json_is_number(value))
        return policy_file_fail(file, place, err, "must be a number, is %s", kind_of(value));
    number = json_number_value(value);
    if (!(number >= (double)min && number <= (double)max) || number != (double)(uint64_t)number)
        return policy_file_fail(file, place, err, "must be a whole number from %llu to %llu", (unsigned long long)min,
                                (unsigned long long)max);
    *ret = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)number;
    return 0;
}

int policy_file_bool(const struct policy_file *file, const policy_place place, bool *ret, struct err *err)
{
    json_t *value;
    if (policy_file_find(file, place, &value, err) != 0)
        return -1;
    if (value != NULL && !json_is_boolean(value))
        return policy_file_fail(file, place, err, "must be true or false");
    if (value != NULL)
        *ret = json_is_true(value);
    return 0;
}

int policy_file_strings(const struct policy_file *file, const policy_place place, size_t size, json_t **ret, struct err *err)
{
    size_t  i, depth = 0;
    json_t *item;

    if (policy_file_find(file, place, ret, err) != 0)
        return -1;
    if (*ret == NULL)
        return 0;
    if (!json_is_array(*ret))
        return policy_file_fail(file, place, err, "must be an array of strings, is %s", kind_of(*ret));
    while (depth < POLICY_DEPTH_MAX - 2 && place[depth] != NULL)
        depth++;
    json_array_foreach(*ret, i, item)
    {
        policy_place deeper = {NULL};
        char         index[24];
        if (json_is_string(item) && json_string_length(item) > 0 && json_string_length(item) < size)
            continue;
        memcpy(deeper, place, depth * sizeof *place);
        snprintf(index, sizeof index, "[%zu]", i);
        deeper[depth] = index;
        if (!json_is_string(item))
            return policy_file_fail(file, deeper, err, "must be a string, is %s", kind_of(item));
        return policy_file_fail(file, deeper, err, "must have 1 to %zu bytes", size - 1);
    }
    return 0;
}
