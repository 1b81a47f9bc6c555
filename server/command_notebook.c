#define _GNU_SOURCE
#include "command_notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command_end.h"
#include "command_terminal.h"
#include "fdio.h"

/* The parts of a notebook's text: a string, or an array of strings. A new reference, or NULL. */
static json_t *join_source(const json_t *source)
{
    struct bytes text = {0};
    json_t      *joined, *line;
    size_t       i;
    if (json_is_string(source))
        return json_stringn(json_string_value(source), json_string_length(source));
    json_array_foreach((json_t *)source, i, line) if (json_is_string(line))(void)
        bytes_append(&text, json_string_value(line), json_string_length(line));
    joined = json_stringn(text.data != NULL ? text.data : "", text.length);
    bytes_done(&text);
    return joined;
}

static bool is_blank(const json_t *source)
{
    const char *text = json_string_value(source);
    return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

static bool may_fail(const json_t *cell)
{
    json_t *tags = json_object_get(json_object_get(cell, "metadata"), "tags"), *tag;
    size_t  i;
    json_array_foreach(tags, i, tag) if (json_is_string(tag) && strcmp(json_string_value(tag), "raises-exception") == 0) return true;
    return false;
}

static void clear(json_t *cells)
{
    json_t *cell;
    size_t  i;
    json_array_foreach(cells, i, cell)
    {
        const char *type = json_string_value(json_object_get(cell, "cell_type"));
        if (type == NULL || strcmp(type, "code") != 0)
            continue;
        (void)json_object_set_new(cell, "outputs", json_array());
        (void)json_object_set_new(cell, "execution_count", json_null());
    }
}

/* What the service has of the execution, as a cell, into ours. */
static int fetch_outputs(const struct command_service *service, const json_t *result, json_t *cell, struct err *err)
{
    json_int_t count = json_integer_value(json_object_get(result, "executionCount"));
    char       below[64];
    json_t    *notebook, *cells, *made;
    (void)snprintf(below, sizeof below, "/notebook?since=%lld", (long long)count);
    notebook = command_service_ask_session(service, "GET", below, NULL, err);
    cells    = json_object_get(notebook, "cells");
    made     = json_array_get(cells, json_array_size(cells) > 0 ? json_array_size(cells) - 1 : 0);
    if (made != NULL) {
        (void)json_object_set(cell, "outputs", json_object_get(made, "outputs"));
        (void)json_object_set(cell, "execution_count", json_object_get(made, "execution_count"));
    } else if (notebook != NULL) {
        (void)err_set(err, EPROTO, "the service has no outputs of the cell");
    }
    json_decref(notebook);
    return made != NULL ? 0 : -1;
}

/* Runs one cell. Returns the exit code that it stands for, or -1 with err. */
static int run_cell(const struct command_options *options, const struct command_service *service, struct command_terminal *terminal,
                    json_t *cell, size_t number, struct err *err)
{
    json_t *source = join_source(json_object_get(cell, "source")), *body, *result;
    char    name[64];
    int     code = 0;
    if (is_blank(source)) {
        json_decref(source);
        return 0;
    }
    body = json_pack("{s:o, s:s, s:b, s:s, s:O}", "code", source, "sessionId", service->session, "includeVariables", 0, "onDisconnect",
                     "interrupt", "envVars", options->environment);
    if (options->timeout_ms > 0)
        (void)json_object_set_new(body, "timeout", json_integer(options->timeout_ms));
    result = command_terminal_run(terminal, service, body, err);
    if (result == NULL || fetch_outputs(service, result, cell, err) < 0) {
        code = -1;
    } else {
        (void)snprintf(name, sizeof name, "<notebook cell %zu>", number);
        code = command_end_report(result, name);
    }
    json_decref(body);
    json_decref(result);
    return code != 0 && code != -1 && may_fail(cell) ? 0 : code;
}

static int write_all(const json_t *notebook, const char *path, struct err *err)
{
    char       *text = json_dumps(notebook, JSON_INDENT(1) | JSON_REAL_PRECISION(17)), *temporary = NULL;
    struct stat former;
    mode_t      mode = stat(path, &former) == 0 ? former.st_mode & 0777 : 0644;
    int         fd = -1, result = 0;
    if (text == NULL || asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        free(text);
        return err_set(err, ENOMEM, "no memory to write %.150s", path);
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0 || fdio_write_all(fd, text, strlen(text)) < 0 || fdio_write_all(fd, "\n", 1) < 0 || fchmod(fd, mode) < 0 ||
        rename(temporary, path) < 0) {
        result = err_errno(err, "cannot write %.150s", path);
        if (fd >= 0)
            (void)unlink(temporary);
    }
    fdio_close(&fd);
    free(temporary);
    free(text);
    return result;
}

static json_t *read_notebook(const struct command_options *options, const struct bytes *text, struct err *err)
{
    json_error_t error;
    json_t      *notebook = json_loadb(text->data != NULL ? text->data : "", text->length, JSON_ALLOW_NUL, &error);
    if (json_is_array(json_object_get(notebook, "cells")) && json_integer_value(json_object_get(notebook, "nbformat")) == 4)
        return notebook;
    if (notebook == NULL)
        (void)err_set(err, EINVAL, "%.120s: not JSON: line %d: %.80s", options->file, error.line, error.text);
    else
        (void)err_set(err, EINVAL, "%.150s: not a notebook of format 4", options->file);
    json_decref(notebook);
    return NULL;
}

static int run_cells(const struct command_options *options, const struct command_service *service, json_t *cells, struct err *err)
{
    struct command_terminal terminal = {.shows_values = true};
    json_t                 *cell;
    size_t                  i;
    int                     code = 0;
    json_array_foreach(cells, i, cell)
    {
        const char *type = json_string_value(json_object_get(cell, "cell_type"));
        if (type != NULL && strcmp(type, "code") == 0)
            code = run_cell(options, service, &terminal, cell, i + 1, err);
        if (code != 0)
            break;
    }
    command_terminal_done(&terminal);
    return code;
}

int command_notebook_run(const struct command_options *options, const struct command_service *service, const struct bytes *text)
{
    struct err  err = {0}, unwritten = {0};
    json_t     *notebook = read_notebook(options, text, &err);
    const char *path     = options->in_place ? options->file : options->output;
    int         code     = -1;
    if (notebook != NULL) {
        clear(json_object_get(notebook, "cells"));
        code = run_cells(options, service, json_object_get(notebook, "cells"), &err);
    }
    if (code < 0 && err.code != EINTR && err.code != EPIPE)
        (void)fprintf(stderr, "penny-sandbox: %s\n", err.message);
    if (notebook != NULL && path != NULL && write_all(notebook, path, &unwritten) < 0) {
        (void)fprintf(stderr, "penny-sandbox: %s\n", unwritten.message);
        code = code > 0 ? code : -1;
    }
    json_decref(notebook);
    if (code < 0 && err.code == EINTR)
        return COMMAND_EXIT_SIGNAL + command_terminal_signal();
    if (code < 0 && err.code == EPIPE)
        return COMMAND_EXIT_SIGNAL + SIGPIPE;
    return code >= 0 ? code : COMMAND_EXIT_FAILED;
}
