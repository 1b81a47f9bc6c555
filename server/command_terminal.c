#define _GNU_SOURCE
#include "command_terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "command_line.h"
#include "footing.h"
#include "text.h"

enum { INPUT_BYTES = 65536, LINE_MAX_BYTES = 1000000, VALUE_MAX = 64 * 1024 * 1024 };

/* One execution on its way. */
struct terminal_run {
    struct command_terminal      *terminal;
    const struct command_service *service;
    struct http_call              call;
    struct bytes                  lines, part;
    char                          execution[ID_TEXT_BYTES];
    bool                          wants_input, password, interrupted;
    json_t                       *result;
};

static volatile sig_atomic_t signal_caught;

static void on_signal(int number)
{
    signal_caught = number;
}

void command_terminal_signals(sigset_t *ret_waiting)
{
    static const int       numbers[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction action    = {.sa_handler = on_signal};
    sigset_t               set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i] == SIGHUP && footing_outlives_terminal())
            continue;
        (void)sigaddset(&set, numbers[i]);
        (void)sigaction(numbers[i], &action, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &set, ret_waiting);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigdelset(ret_waiting, numbers[i]);
}

int command_terminal_signal(void)
{
    return signal_caught;
}

/* ---- out ---- */

static void show(struct terminal_run *run, int fd, const json_t *text)
{
    if (json_is_string(text) && command_line_write(fd, json_string_value(text), json_string_length(text)) < 0 && fd == STDOUT_FILENO)
        run->terminal->broken = errno;
}

static void show_result(struct terminal_run *run, const json_t *bundle)
{
    const json_t *text = json_object_get(json_object_get(bundle, "data"), "text/plain");
    if (!run->terminal->shows_values && json_is_true(json_object_get(bundle, "isMainResult")))
        return;
    show(run, STDOUT_FILENO, text);
    if (text != NULL && command_line_write(STDOUT_FILENO, "\n", 1) < 0)
        run->terminal->broken = errno;
}

static void ask(struct terminal_run *run, const json_t *wanted)
{
    run->wants_input = true;
    run->password    = json_is_true(json_object_get(wanted, "password"));
    show(run, STDOUT_FILENO, json_object_get(wanted, "prompt"));
}

static int take_event(struct terminal_run *run, const char *type, json_t *data, struct err *err);

/* A long value comes in pieces of its JSON text. */
static int take_part(struct terminal_run *run, const json_t *part, struct err *err)
{
    const json_t *chunk = json_object_get(part, "chunk");
    json_int_t    index = json_integer_value(json_object_get(part, "part")), count = json_integer_value(json_object_get(part, "parts"));
    const char   *type = json_string_value(json_object_get(part, "type"));
    json_error_t  error;
    json_t       *value;
    int           result = 0;
    if (index == 0)
        run->part.length = 0;
    if (!json_is_string(chunk) || type == NULL || run->part.length + json_string_length(chunk) > VALUE_MAX ||
        !bytes_append(&run->part, json_string_value(chunk), json_string_length(chunk)))
        return err_set(err, EPROTO, "a part of an event can't be taken");
    if (index + 1 < count)
        return 0;
    value = json_loadb(run->part.data, run->part.length, JSON_ALLOW_NUL, &error);
    if (value != NULL && strcmp(type, "part") != 0)
        result = take_event(run, type, value, err);
    json_decref(value);
    return result;
}

static int take_failure(const json_t *data, struct err *err)
{
    const char *message = json_string_value(json_object_get(data, "message"));
    return err_set(err, EIO, "the service failed: %.200s", message != NULL ? message : "no reason given");
}

static int take_event(struct terminal_run *run, const char *type, json_t *data, struct err *err)
{
    if (strcmp(type, "stdout") == 0)
        show(run, STDOUT_FILENO, data);
    else if (strcmp(type, "stderr") == 0)
        show(run, STDERR_FILENO, data);
    else if (strcmp(type, "result") == 0)
        show_result(run, data);
    else if (strcmp(type, "inputRequest") == 0)
        ask(run, data);
    else if (strcmp(type, "part") == 0)
        return take_part(run, data, err);
    else if (strcmp(type, "truncated") == 0)
        (void)fprintf(stderr, "penny-sandbox: the output limit is reached; what the program prints from here on is not kept\n");
    else if (strcmp(type, "complete") == 0)
        run->result = json_incref(data);
    else if (strcmp(type, "error") == 0)
        return take_failure(data, err);
    return 0;
}

static int take_line(struct terminal_run *run, const char *line, size_t length, struct err *err)
{
    json_error_t error;
    json_t      *event = json_loadb(line, length, JSON_ALLOW_NUL, &error);
    const char  *type  = json_string_value(json_object_get(event, "type"));
    const char  *id    = json_string_value(json_object_get(event, "executionId"));
    int          result;
    if (id != NULL && strlen(id) == sizeof run->execution - 1)
        strcpy(run->execution, id);
    result = type != NULL ? take_event(run, type, json_object_get(event, "data"), err) : err_set(err, EPROTO, "an event can't be read");
    json_decref(event);
    return result;
}

static int take_lines(struct terminal_run *run, struct err *err)
{
    size_t at = 0;
    char  *end;
    int    result = 0;
    while (result == 0 && at < run->lines.length && (end = memchr(run->lines.data + at, '\n', run->lines.length - at)) != NULL) {
        size_t length = (size_t)(end - run->lines.data) - at;
        if (length > 1) /* an empty line keeps the connection alive */
            result = take_line(run, run->lines.data + at, length, err);
        at += length + 1;
    }
    memmove(run->lines.data, run->lines.data + at, run->lines.length - at);
    run->lines.length -= at;
    if (run->lines.length > LINE_MAX_BYTES)
        return err_set(err, EPROTO, "an event has no end");
    return result;
}

/* ---- in ---- */

static int send_input(struct terminal_run *run, const char *text, size_t length, struct err *err)
{
    struct bytes whole = {0};
    char         path[96];
    json_t      *body, *answer;
    if (!text_repair(&whole, text, length))
        return err_set(err, ENOMEM, "no memory for a line of input");
    body = json_pack("{s:o}", "text", json_stringn(whole.data != NULL ? whole.data : "", whole.length));
    (void)snprintf(path, sizeof path, "/api/v1/executions/%s/input", run->execution);
    answer           = command_service_ask(run->service, "POST", path, body, err);
    run->wants_input = false;
    json_decref(body);
    bytes_done(&whole);
    if (answer == NULL && err->code == EINTR)
        return -1;
    json_decref(answer); /* refused: the execution has ended meanwhile, as the next event says */
    return 0;
}

/* Answers with what was read ahead. Returns 1 when there was enough, 0 when more must be read, or -1. */
static int answer_input(struct terminal_run *run, struct err *err)
{
    struct bytes *input = &run->terminal->input;
    char         *end   = input->length > 0 ? memchr(input->data, '\n', input->length) : NULL;
    size_t        line = end != NULL ? (size_t)(end - input->data) : input->length, used = line + (end != NULL);
    int           result;
    if (end == NULL && !run->terminal->input_ended && line < LINE_MAX_BYTES)
        return 0;
    result = line == 0 && end == NULL ? send_input(run, "\x04", 1, err) : send_input(run, input->data, line, err);
    if (input->length > 0)
        memmove(input->data, input->data + used, input->length - used);
    input->length -= used;
    return result < 0 ? -1 : 1;
}

static void read_input(struct terminal_run *run)
{
    char   *to = bytes_reserve(&run->terminal->input, INPUT_BYTES);
    ssize_t n  = to != NULL ? read(STDIN_FILENO, to, INPUT_BYTES) : 0;
    if (n > 0)
        run->terminal->input.length += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        run->terminal->input_ended = true;
}

/* A password is not shown while it is typed. Returns whether *ret_former must be put back. */
static bool hide(const struct terminal_run *run, struct termios *ret_former)
{
    struct termios quiet;
    if (!run->wants_input || !run->password || tcgetattr(STDIN_FILENO, ret_former) < 0)
        return false;
    quiet = *ret_former;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ECHONL;
    return tcsetattr(STDIN_FILENO, TCSANOW, &quiet) == 0;
}

/* Waits for the stream, or for input where it is wanted. Returns whether the stream has something; -1 with err (EINTR: a signal came). */
static int wait_for_something(struct terminal_run *run, struct err *err)
{
    struct pollfd  polled[] = {{.fd = run->call.fd, .events = POLLIN}, {.fd = run->wants_input ? STDIN_FILENO : -1, .events = POLLIN}};
    struct termios former;
    bool           hidden = hide(run, &former);
    int            n      = ppoll(polled, 2, NULL, &run->service->waiting);
    if (n < 0)
        (void)err_errno(err, "waiting for the program");
    if (hidden)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &former);
    if (n < 0)
        return -1;
    if (polled[1].revents != 0)
        read_input(run);
    return polled[0].revents != 0;
}

/* ---- the loop ---- */

static void cancel(struct terminal_run *run)
{
    struct err ignored = {0};
    char       path[96];
    run->interrupted = true;
    if (run->execution[0] == '\0')
        return;
    (void)snprintf(path, sizeof path, "/api/v1/executions/%s", run->execution);
    json_decref(command_service_ask(run->service, "DELETE", path, NULL, &ignored)); /* not taken: the end of the session does it */
}

/* Returns 0 when the program is told and may end by itself, -1 when we don't wait for it. */
static int on_interrupt(struct terminal_run *run, struct err *err)
{
    if (signal_caught != SIGINT || run->interrupted || run->execution[0] == '\0')
        return err_set(err, EINTR, "ended by a signal");
    signal_caught = 0;
    cancel(run);
    return 0;
}

/* A wait that finds something ready lets no signal in: a program that never stops printing must not keep them out. */
static bool has_signal(const struct terminal_run *run)
{
    sigset_t blocked;
    (void)sigprocmask(SIG_SETMASK, &run->service->waiting, &blocked);
    (void)sigprocmask(SIG_SETMASK, &blocked, NULL);
    return signal_caught != 0;
}

static int tell_broken(const struct terminal_run *run, struct err *err)
{
    return err_set(err, run->terminal->broken, "standard output: %s", strerror(run->terminal->broken));
}

static int step(struct terminal_run *run, struct err *err)
{
    int readable = 1, result;
    if (has_signal(run))
        return on_interrupt(run, err) == 0 ? 1 : -1;
    if (run->terminal->broken != 0)
        return tell_broken(run, err);
    if (run->wants_input && (result = answer_input(run, err)) != 0)
        return result < 0 ? -1 : 1;
    if (!http_call_is_buffered(&run->call))
        readable = wait_for_something(run, err);
    if (readable < 0)
        return err->code == EINTR && on_interrupt(run, err) == 0 ? 1 : -1;
    if (readable == 0)
        return 1;
    result = http_call_read(&run->call, &run->lines, &run->service->waiting, err);
    if (result < 0 && err->code == EINTR)
        return on_interrupt(run, err) == 0 ? 1 : -1;
    if (result < 0 || take_lines(run, err) < 0)
        return -1;
    return result;
}

json_t *command_terminal_run(struct command_terminal *terminal, const struct command_service *service, const json_t *body, struct err *err)
{
    struct terminal_run      run     = {.terminal = terminal, .service = service, .call = HTTP_CALL_INIT};
    char                    *text    = json_dumps(body, JSON_COMPACT);
    struct http_call_request request = {.method      = "POST",
                                        .path        = "/api/v1/execute/stream",
                                        .accept      = "application/x-ndjson",
                                        .body        = text,
                                        .body_length = text != NULL ? strlen(text) : 0};
    int                      result  = http_call_open(&run.call, &service->target, &request, &service->waiting, err);
    free(text);
    if (result == 0 && run.call.status != 200) {
        while (http_call_read(&run.call, &run.lines, &service->waiting, err) > 0 && run.lines.length < LINE_MAX_BYTES)
            continue;
        result = err_set(err, EIO, "the service refused the program (%d): %.*s", run.call.status,
                         (int)(run.lines.length < 180 ? run.lines.length : 180), run.lines.data != NULL ? run.lines.data : "");
    }
    if (result == 0)
        while ((result = step(&run, err)) > 0 && run.result == NULL)
            continue;
    if (result >= 0 && run.result == NULL)
        (void)err_set(err, EPROTO, "the service ended the stream before the program had ended");
    if (run.result != NULL && terminal->broken != 0 &&
        terminal->broken != EPIPE) { /* what it printed is lost; a reader that left had enough */
        (void)tell_broken(&run, err);
        json_decref(run.result);
        run.result = NULL;
    }
    http_call_close(&run.call);
    bytes_done(&run.lines);
    bytes_done(&run.part);
    return run.result;
}

void command_terminal_done(struct command_terminal *terminal)
{
    bytes_done(&terminal->input);
}
