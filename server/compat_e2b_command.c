#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "compat_e2b_process.h"
#include "compat_e2b_rpc.h"
#include "compat_text.h"
#include "session.h"

enum { STATUS_BYTES = 48 };

/* ---- the program ---- */

/* JSON's strings are Python's, as long as what is not ASCII stands for itself. */
static const char PLAIN[] = "import subprocess, sys\n"
                            "code = subprocess.run(%s, stdin=subprocess.DEVNULL).returncode\n"
                            "sys.exit(code if code >= 0 else 128 - code)\n";

/* Each answer to input() is a piece of what the command reads. It may end while one is waited for. */
static const char WITH_INPUT[] = "import base64, signal, subprocess, sys\n"
                                 "class Ended(BaseException): pass\n"
                                 "def on_child(*_): raise Ended\n"
                                 "process = subprocess.Popen(%s, stdin=subprocess.PIPE)\n"
                                 "try:\n"
                                 "    signal.signal(signal.SIGCHLD, on_child)\n"
                                 "    while process.poll() is None:\n"
                                 "        process.stdin.write(base64.b64decode(input()))\n"
                                 "        process.stdin.flush()\n"
                                 "except (Ended, EOFError, BrokenPipeError): pass\n"
                                 "signal.signal(signal.SIGCHLD, signal.SIG_DFL)\n"
                                 "try: process.stdin.close()\n"
                                 "except BrokenPipeError: pass\n"
                                 "code = process.wait()\n"
                                 "sys.exit(code if code >= 0 else 128 - code)\n";

char *compat_e2b_command_code(const char *command, const json_t *arguments, bool has_input)
{
    json_t *words = json_array();
    char   *text, *code = NULL;

    if (words == NULL || json_array_append_new(words, json_string(command)) < 0 ||
        (arguments != NULL && json_array_extend(words, (json_t *)arguments) < 0)) {
        json_decref(words);
        return NULL;
    }
    text = json_dumps(words, JSON_COMPACT);
    if (text != NULL && asprintf(&code, has_input ? WITH_INPUT : PLAIN, text) < 0)
        code = NULL;
    free(text);
    json_decref(words);
    return code;
}

/* ---- its events ---- */

struct command {
    uint32_t number;
};

uint32_t compat_e2b_command_number(const struct session *part)
{
    uint32_t number;
    memcpy(&number, session_id(part)->bytes + ID_BYTES - sizeof number, sizeof number); /* the first bytes may name an instance */
    return (number & 0x7fffffff) | 1;
}

void *compat_e2b_command_new(const struct session *part)
{
    struct command *command = calloc(1, sizeof *command);
    if (command != NULL)
        command->number = compat_e2b_command_number(part);
    return command;
}

static bool add_event(struct bytes *out, const char *name, json_t *owned)
{
    return compat_e2b_rpc_add(out, json_pack("{s:{s:o}}", "event", name, owned));
}

static bool add_text(struct bytes *out, const char *stream, const json_t *text)
{
    struct bytes encoded = {0};
    bool         fine    = base64_encode(json_string_value(text), json_string_length(text), &encoded);
    if (fine)
        fine = add_event(out, "data", json_pack("{s:s%}", stream, encoded.data, encoded.length));
    bytes_done(&encoded);
    return fine;
}

static bool add_exit(struct bytes *out, const json_t *result)
{
    bool        is_exit = compat_text_has_status(result, "ok") || strcmp(compat_text_error(result, "type"), "SystemExit") == 0;
    const char *reason  = compat_text_error(result, "message");
    int         code    = compat_text_exit_code(result);
    char        status[STATUS_BYTES];

    (void)snprintf(status, sizeof status, "exit status %d", code);
    if (is_exit && code == 0)
        return add_event(out, "end", json_pack("{s:i, s:b, s:s}", "exitCode", 0, "exited", 1, "status", status));
    if (is_exit)
        return add_event(out, "end", json_pack("{s:i, s:b, s:s, s:s}", "exitCode", code, "exited", 1, "status", status, "error", status));
    return add_event(out, "end",
                     json_pack("{s:i, s:b, s:s, s:s}", "exitCode", -1, "exited", 0, "status", "signal: killed", "error",
                               *reason != '\0' ? reason : "signal: killed"));
}

static bool add_end(struct bytes *out, const json_t *result)
{
    if (compat_text_has_status(result, "rejected"))
        return compat_e2b_rpc_end(out, "permission_denied", compat_text_error(result, "message"));
    if (strcmp(compat_text_error(result, "type"), "FileNotFoundError") == 0 ||
        strcmp(compat_text_error(result, "type"), "NotADirectoryError") == 0)
        return compat_e2b_rpc_end(out, "invalid_argument", compat_text_error(result, "message"));
    return add_exit(out, result) && compat_e2b_rpc_end(out, NULL, NULL);
}

static bool tell(const struct command *command, const json_t *event, struct bytes *out)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    json_t     *data = json_object_get(event, "data");

    if (type == NULL)
        return true;
    if (strcmp(type, "start") == 0)
        return add_event(out, "start", json_pack("{s:I}", "pid", (json_int_t)command->number));
    if (strcmp(type, "stdout") == 0 || strcmp(type, "stderr") == 0)
        return add_text(out, type, data);
    if (strcmp(type, "ping") == 0)
        return add_event(out, "keepalive", json_object());
    if (strcmp(type, "complete") == 0)
        return add_end(out, data);
    if (strcmp(type, "error") == 0)
        return compat_e2b_rpc_end(out, "internal", json_string_value(json_object_get(data, "message")));
    return true;
}

static bool add(void *state, const char *json, size_t length, struct bytes *out)
{
    json_error_t error;
    json_t      *event = json_loadb(json, length, JSON_ALLOW_NUL, &error);
    bool         fine  = event == NULL || tell(state, event, out); /* a number of more than 64 bits is in no event that is told */
    json_decref(event);
    return fine;
}

const struct compat_e2b_teller compat_e2b_command_teller = {COMPAT_E2B_RPC_TYPE, false, add, free};
