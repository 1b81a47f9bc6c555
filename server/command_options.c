#include "command_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"

static const char HELP[] =
    "usage: penny-sandbox run [OPTION ...] FILE [ARGUMENT ...]\n"
    "       penny-sandbox run [OPTION ...] NOTEBOOK.ipynb\n\n"
    "Runs one Python file in a jail of its own and shows what it prints as it prints it. - reads the program from standard input.\n"
    "input() and sys.stdin are answered from standard input. Ctrl-C interrupts the program, a second one ends it.\n\n"
    "  --timeout SECONDS    end it after this [30 s, or as the policy says]\n"
    "  --env NAME=VALUE     for the program's os.environ; can be repeated\n"
    "  --file PATH[=NAME]   put a copy of this file into the program's directory; can be repeated\n"
    "  --profile NAME       open (any import; the jail is the wall) or standard (policies/imports.json holds) [open]\n"
    "  --output PATH        a directory for the files and plots that the program makes; of a notebook: the file to write\n"
    "  --in-place           of a notebook: write its outputs into it\n"
    "  --server URL         use this server (or SANDBOX_URL) and not a jail of our own; SANDBOX_API_KEY is its key\n"
    "  --time               say on standard error what starting and running cost\n\n"
    "Exit code: the program's own (sys.exit(n), os._exit(n)); 1 after an exception; 124 after a timeout; 137 when it went over its\n"
    "memory limit, 128+n when signal n ended it, 130 after Ctrl-C; 125 when the sandbox failed; 2 for a wrong command line.\n";

enum { TIMEOUT_MAX_S = 86400 };

static int read_timeout(struct command_options *options, const char *text, struct err *err)
{
    char  *end;
    double seconds = strtod(text, &end);
    if (!isdigit((unsigned char)*text) || (*end != '\0' && strcmp(end, "s") != 0) || !(seconds > 0 && seconds <= TIMEOUT_MAX_S))
        return err_set(err, EINVAL, "--timeout: \"%.60s\" is not a number of seconds from 0.001 to %d", text, TIMEOUT_MAX_S);
    options->timeout_ms = (int64_t)(seconds * 1000 + 0.5);
    if (options->timeout_ms < 1)
        options->timeout_ms = 1;
    return 0;
}

static int read_environment(struct command_options *options, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    char        name[256];
    if (equals == NULL || equals == text || (size_t)(equals - text) >= sizeof name)
        return err_set(err, EINVAL, "--env: \"%.60s\" is not NAME=VALUE", text);
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    if (json_object_set_new(options->environment, name, json_string(equals + 1)) < 0)
        return err_set(err, EINVAL, "--env: %.60s is not UTF-8", name);
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* `text` is part of argv: it is split in place. */
static int read_file(struct command_options *options, char *text, struct err *err)
{
    struct command_file *file   = &options->files[options->file_count];
    char                *equals = strrchr(text, '=');
    if (options->file_count == COMMAND_FILES_MAX)
        return err_set(err, E2BIG, "--file: at most %d files", COMMAND_FILES_MAX);
    if (equals != NULL)
        *equals = '\0';
    file->path = text;
    file->name = equals != NULL ? equals + 1 : base_name(text);
    if (*file->path == '\0' || *file->name == '\0')
        return err_set(err, EINVAL, "--file: a file's path, or PATH=NAME");
    options->file_count++;
    return 0;
}

/* One option at argv[*at]. Returns 0, or -1. */
static int read_option(struct command_options *options, int argc, char **argv, int *at, struct err *err)
{
    const char *value;
    if ((value = command_line_value(argv, argc, at, "--timeout")) != NULL)
        return read_timeout(options, value, err);
    if ((value = command_line_value(argv, argc, at, "--env")) != NULL)
        return read_environment(options, value, err);
    if ((value = command_line_value(argv, argc, at, "--file")) != NULL)
        return read_file(options, (char *)value, err);
    if ((value = command_line_value(argv, argc, at, "--profile")) != NULL)
        return command_line_profile(value, &options->profile, err);
    if ((value = command_line_value(argv, argc, at, "--output")) != NULL)
        options->output = value;
    else if ((value = command_line_value(argv, argc, at, "--server")) != NULL)
        options->server_url = value;
    else if (strcmp(argv[*at], "--in-place") == 0)
        options->in_place = true;
    else if (strcmp(argv[*at], "--time") == 0)
        options->time = true;
    else
        return err_set(err, EINVAL, "run: %.80s is not an option or has no value; see penny-sandbox run --help", argv[*at]);
    return 0;
}

bool command_options_is_notebook(const struct command_options *options)
{
    size_t length = strlen(options->file);
    return length > 6 && strcmp(options->file + length - 6, ".ipynb") == 0;
}

static int check(const struct command_options *options, struct err *err)
{
    bool notebook = command_options_is_notebook(options);
    if (!notebook && options->in_place)
        return err_set(err, EINVAL, "--in-place is for notebooks (.ipynb)");
    if (notebook && options->in_place && options->output != NULL)
        return err_set(err, EINVAL, "--in-place and --output: one of them says where the notebook goes");
    if (notebook && options->argument_count > 0)
        return err_set(err, EINVAL, "a notebook takes no arguments");
    return 0;
}

int command_options_read(struct command_options *options, int argc, char **argv, struct err *err)
{
    int at;

    *options = (struct command_options){.profile     = "open",
                                        .environment = json_object(),
                                        .server_url  = command_line_server(NULL),
                                        .key         = command_line_key("SANDBOX_API_KEY")};
    for (at = 0; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        if (command_line_is_help(argv[at])) {
            (void)fputs(HELP, stdout);
            return 1;
        }
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (read_option(options, argc, argv, &at, err) < 0)
            return -1;
    }
    if (at == argc)
        return err_set(err, EINVAL, "run: which file? See penny-sandbox run --help");
    options->file           = argv[at++];
    options->arguments      = argv + at;
    options->argument_count = (size_t)(argc - at);
    return check(options, err);
}

void command_options_done(struct command_options *options)
{
    json_decref(options->environment);
    options->environment = NULL;
}
