#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "compat_e2b_run.h"
#include "json_said.h"

static const char COLUMNS[] = "application/vnd.penny.columns+json"; /* of a run with the option "data" */

static bool add_line(struct bytes *out, json_t *owned)
{
    char *text = owned != NULL ? json_dumps(owned, JSON_COMPACT) : NULL;
    bool  fine = text != NULL && bytes_append(out, text, strlen(text)) && bytes_append(out, "\n", 1);
    free(text);
    json_decref(owned);
    return fine;
}

/* The repr of a string is the string there. */
static json_t *unquoted(const json_t *text)
{
    const char *at     = json_string_value(text);
    size_t      length = json_string_length(text);
    if (length >= 2 && (at[0] == '\'' || at[0] == '"') && at[length - 1] == at[0])
        return json_stringn(at + 1, length - 2);
    return json_incref((json_t *)text);
}

static const char *name_of(const char *mime)
{
    static const char *const names[][2] = {{"text/plain", "text"},
                                           {"text/html", "html"},
                                           {"text/markdown", "markdown"},
                                           {"image/svg+xml", "svg"},
                                           {"image/png", "png"},
                                           {"image/jpeg", "jpeg"},
                                           {"application/pdf", "pdf"},
                                           {"text/latex", "latex"},
                                           {"application/json", "json"},
                                           {"application/javascript", "javascript"},
                                           {COLUMNS, "data"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(mime, names[i][0]) == 0)
            return names[i][1];
    }
    return NULL;
}

static bool add_result(struct bytes *out, const json_t *bundle)
{
    json_t     *line  = json_pack("{s:s, s:b}", "type", "result", "is_main_result", json_is_true(json_object_get(bundle, "isMainResult")));
    json_t     *extra = json_object(), *value;
    const char *mime;

    json_object_foreach(json_object_get(bundle, "data"), mime, value)
    {
        const char *name = name_of(mime);
        if (name == NULL)
            (void)json_object_set(extra, mime, value);
        else if (strcmp(name, "text") == 0 && json_is_string(value))
            (void)json_object_set_new(line, name, unquoted(value));
        else
            (void)json_object_set(line, name, value);
    }
    if (json_object_size(extra) > 0)
        (void)json_object_set(line, "extra", extra);
    json_decref(extra);
    return add_line(out, line);
}

static bool add_plot(struct bytes *out, const json_t *plot)
{
    const char *format = json_string_value(json_object_get(plot, "format"));
    json_t     *line =
        json_pack("{s:s, s:b, s:O*, s:O*}", "type", "result", "is_main_result", json_is_true(json_object_get(plot, "isMainResult")), "text",
                  json_object_get(plot, "text"), "chart", json_object_get(plot, "chart"));
    if (json_is_null(json_object_get(line, "chart")))
        (void)json_object_del(line, "chart");
    (void)json_object_set(line, format != NULL ? format : "png", json_object_get(plot, "data"));
    return add_line(out, line);
}

static bool add_end(struct bytes *out, const json_t *result)
{
    json_t *error = json_object_get(result, "error");

    if (error != NULL && !add_line(out, json_pack("{s:s, s:O, s:O, s:O}", "type", "error", "name", json_object_get(error, "type"), "value",
                                                  json_object_get(error, "message"), "traceback", json_object_get(error, "traceback"))))
        return false;
    return add_line(out, json_pack("{s:s}", "type", "end_of_execution"));
}

static bool add_failure(struct bytes *out, const json_t *data)
{
    return add_line(out, json_pack("{s:s, s:O, s:O, s:s}", "type", "error", "name", json_object_get(data, "error"), "value",
                                   json_object_get(data, "message"), "traceback", "")) &&
           add_line(out, json_pack("{s:s}", "type", "end_of_execution"));
}

static bool add_value(struct bytes *out, const char *type, const json_t *data)
{
    if (strcmp(type, "result") == 0)
        return add_result(out, data);
    return strcmp(type, "plot") == 0 ? add_plot(out, data) : true;
}

/* A slice of a value that is too long for one event. */
static bool add_part(struct compat_e2b_lines *lines, struct bytes *out, const json_t *part)
{
    json_t      *chunk = json_object_get(part, "chunk"), *value;
    const char  *type  = json_string_value(json_object_get(part, "type"));
    json_int_t   index = json_integer_value(json_object_get(part, "part")), count = json_integer_value(json_object_get(part, "parts"));
    json_error_t error;
    bool         fine;

    if (index == 0)
        lines->parts.length = 0;
    if (!bytes_append(&lines->parts, json_string_value(chunk), json_string_length(chunk)))
        return false;
    if (index + 1 < count || type == NULL)
        return true;
    value = json_loadb(lines->parts.data, lines->parts.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    fine  = value != NULL && add_value(out, type, value);
    json_decref(value);
    return fine;
}

static bool add(struct compat_e2b_lines *lines, struct bytes *out, const json_t *event)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t     *data = json_object_get(event, "data");

    if (type == NULL)
        return true;
    if (strcmp(type, "stdout") == 0 || strcmp(type, "stderr") == 0)
        return add_line(out, json_pack("{s:s, s:O, s:O}", "type", type, "text", data, "timestamp", json_object_get(event, "timestamp")));
    if (strcmp(type, "ping") == 0)
        return add_line(out, json_pack("{s:s}", "type", "keepalive"));
    if (strcmp(type, "start") == 0)
        return add_line(
            out, json_pack("{s:s, s:O}", "type", "number_of_executions", "execution_count", json_object_get(data, "executionCount")));
    if (strcmp(type, "complete") == 0)
        return add_end(out, data);
    if (strcmp(type, "error") == 0)
        return add_failure(out, data);
    return strcmp(type, "part") == 0 ? add_part(lines, out, data) : add_value(out, type, data);
}

bool compat_e2b_lines_add(struct compat_e2b_lines *lines, const char *json, size_t length, struct bytes *out)
{
    json_t *event = json_said_read(json, length);
    bool    fine  = event != NULL && add(lines, out, event);
    json_decref(event);
    return fine;
}

void compat_e2b_lines_done(struct compat_e2b_lines *lines)
{
    bytes_done(&lines->parts);
}
