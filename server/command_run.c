#define _GNU_SOURCE
#include "command_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_end.h"
#include "command_line.h"
#include "command_notebook.h"
#include "command_options.h"
#include "command_output.h"
#include "command_service.h"
#include "command_terminal.h"
#include "fdio.h"
#include "private_server.h"

enum { PROGRAM_MAX = 16 * 1024 * 1024, READ_BYTES = 65536 };

static int complain(const struct err *err, int code)
{
    int number = command_terminal_signal();
    if (err->code == EINTR && number != 0)
        return COMMAND_EXIT_SIGNAL + number;
    if (err->code == EPIPE)
        return COMMAND_EXIT_SIGNAL + SIGPIPE;
    return command_line_complain(err, code);
}

/* Who shares standard input may have made it non-blocking. */
static ssize_t read_some(int fd, char *to)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    ssize_t       n;
    while ((n = read(fd, to, READ_BYTES)) < 0 && errno == EAGAIN)
        (void)poll(&polled, 1, -1);
    return n;
}

static int read_program(const char *path, struct bytes *out, struct err *err)
{
    int     fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    if (fd < 0)
        return err_errno(err, "%.150s", path);
    do {
        char *to = bytes_reserve(out, READ_BYTES);
        n        = to != NULL ? read_some(fd, to) : -1;
        if (n > 0)
            out->length += (size_t)n;
    } while (n > 0 && out->length <= PROGRAM_MAX);
    if (n < 0)
        (void)err_errno(err, "%.150s", path);
    else if (n > 0)
        (void)err_set(err, EFBIG, "%.150s: longer than %d bytes", path, PROGRAM_MAX);
    fdio_close(&fd);
    return n == 0 ? 0 : -1;
}

/* The request of an execution; NULL with err when the program is not UTF-8. */
static json_t *make_body(const struct command_options *options, const struct command_service *service, const struct bytes *program,
                         struct err *err)
{
    json_t *code = json_stringn(program->length > 0 ? program->data : "\n", program->length > 0 ? program->length : 1), *body;
    if (code == NULL) {
        (void)err_set(err, EILSEQ, "%.150s: not UTF-8", options->file);
        return NULL;
    }
    body = json_pack("{s:o, s:s, s:b, s:s, s:O}", "code", code, "sessionId", service->session, "includeVariables", 0, "onDisconnect",
                     "interrupt", "envVars", options->environment);
    if (options->timeout_ms > 0)
        (void)json_object_set_new(body, "timeout", json_integer(options->timeout_ms));
    return body;
}

static const char CODE[] = "import sys as _sys; _sys.argv[:] = _argv; del _sys, _argv";

/* sys.argv; where the profile has no sys, the program can't ask for it either. */
static int set_arguments(const struct command_options *options, const struct command_service *service, struct err *err)
{
    json_t *list   = json_pack("[s]", options->file), *body, *answer;
    int     result = 0;
    for (size_t i = 0; i < options->argument_count; i++)
        (void)json_array_append_new(list, json_string(options->arguments[i]));
    if (json_array_size(list) != options->argument_count + 1) {
        json_decref(list);
        return err_set(err, EILSEQ, "the arguments are not UTF-8");
    }
    body   = json_pack("{s:s, s:s, s:b, s:{s:o}}", "code", CODE, "sessionId", service->session, "includeVariables", 0, "variables", "_argv",
                       list);
    answer = command_service_ask(service, "POST", "/api/v1/execute", body, err);
    if (answer == NULL)
        result = -1;
    else if (!json_is_true(json_object_get(answer, "success")))
        result = err_set(err, EINVAL, "arguments can't be given in the profile %s", options->profile);
    json_decref(body);
    json_decref(answer);
    return result;
}

static int keep_output(const struct command_options *options, const struct command_service *service, const json_t *result, struct err *err)
{
    const char *id = json_string_value(json_object_get(result, "executionId"));
    char        path[96];
    json_t     *whole;
    int         done = -1;
    if (options->output == NULL) {
        command_output_mention(result);
        return 0;
    }
    (void)snprintf(path, sizeof path, "/api/v1/executions/%.36s", id != NULL ? id : "");
    whole = command_service_ask(service, "GET", path, NULL, err);
    if (whole != NULL)
        done = command_output_write(service, json_object_get(whole, "result"), options->output, err);
    json_decref(whole);
    return done;
}

static int run_program(const struct command_options *options, const struct command_service *service, const struct bytes *program,
                       long long start_ms)
{
    struct command_terminal terminal = {0};
    struct err              err      = {0};
    json_t                 *body     = make_body(options, service, program, &err);
    json_t                 *result   = body != NULL ? command_terminal_run(&terminal, service, body, &err) : NULL;
    int                     code;

    if (result == NULL) {
        code = complain(&err, body != NULL ? COMMAND_EXIT_FAILED : COMMAND_EXIT_USAGE);
    } else {
        code = command_end_report(result, options->file);
        if (keep_output(options, service, result, &err) < 0)
            code = complain(&err, code != 0 ? code : COMMAND_EXIT_FAILED);
        if (options->time)
            command_end_time(result, start_ms);
    }
    json_decref(body);
    json_decref(result);
    command_terminal_done(&terminal);
    return code;
}

static int run_in_session(const struct command_options *options, struct command_service *service, const struct bytes *program,
                          long long start_ms)
{
    struct err err    = {0};
    int        result = command_service_open(service, options->profile, &err), code;
    for (size_t i = 0; result == 0 && i < options->file_count; i++)
        result = command_service_put(service, options->files[i].path, options->files[i].name, &err);
    if (result == 0 && options->argument_count > 0)
        result = set_arguments(options, service, &err);
    if (result < 0)
        code = complain(&err, COMMAND_EXIT_FAILED);
    else if (command_options_is_notebook(options))
        code = command_notebook_run(options, service, program);
    else
        code = run_program(options, service, program, start_ms);
    command_service_close(service);
    return code;
}

static int run(const struct command_options *options, const struct bytes *program)
{
    struct command_service service  = {0};
    struct private_server  server   = PRIVATE_SERVER_INIT;
    char                  *wanted[] = {(char *)"--pool-size=1"};
    struct err             err      = {0};
    int                    result, code;

    command_terminal_signals(&service.waiting);
    if (options->server_url != NULL) {
        result = http_call_parse_url(options->server_url, &service.target, &err);
        (void)snprintf(service.target.key, sizeof service.target.key, "%s", options->key);
    } else {
        result         = private_server_start(&server, wanted, sizeof wanted / sizeof *wanted, &err);
        service.target = server.target;
    }
    code = result < 0 ? complain(&err, COMMAND_EXIT_FAILED)
                      : run_in_session(options, &service, program, options->server_url != NULL ? -1 : (long long)server.start_ms);
    private_server_stop(&server);
    return code;
}

int command_run(int argc, char **argv)
{
    struct command_options options;
    struct bytes           program = {0};
    struct err             err     = {0};
    int                    code, read = command_options_read(&options, argc, argv, &err);

    if (read == 0 && read_program(options.file, &program, &err) < 0)
        read = -1;
    code = read < 0 ? complain(&err, COMMAND_EXIT_USAGE) : read > 0 ? 0 : run(&options, &program);
    bytes_done(&program);
    command_options_done(&options);
    return code;
}
