#define _GNU_SOURCE
#include "command_mcp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "command_private.h"
#include "mcp_stdio.h"
#include "private_server.h"

enum { EXIT_FAILED = 125, EXIT_USAGE = 2, ANSWER_MAX = 65536 };

static const char HELP[] =
    "usage: penny-sandbox mcp [OPTION ...] [SERVICE-OPTION ...]\n\n"
    "An MCP (Model Context Protocol) server on standard input and output: gives an agent a jailed Python that keeps its variables and\n"
    "files, with the tools run_code, interrupt, list_variables, list_files, read_file, write_file, install_packages, checkpoint,\n"
    "list_checkpoints, rollback, fork and end_session. To be started by an MCP client, whose configuration says so:\n\n"
    "  {\"mcpServers\": {\"python\": {\"command\": \"penny-sandbox\", \"args\": [\"mcp\"]}}}\n\n"
    "  --profile NAME   open (any import; the jail is the wall) or standard (policies/imports.json holds) [open]\n"
    "  --server URL     use this server (or SANDBOX_URL) and not one of our own; SANDBOX_API_KEY is its key\n\n"
    "A client that speaks HTTP needs no command: it uses a server's /mcp. All else is handed to the service that is started for it, see\n"
    "penny-sandbox --help: --pool-size=1, --policy-dir=DIR and others.\n"
    "It ends when its standard input does; the state of its session ends with it.\n\n"
    "Exit code: 0 at the end of standard input; 125 when the sandbox failed; 2 for a wrong command line.\n";

struct options {
    const char *server, *key, *profile;
    char      **rest; /* of the command line: the service's */
    size_t      rest_count;
};

/* Returns 0; 1 when the help was printed; -1 with err. What is not ours stays in argv, at its beginning. */
static int read_options(struct options *options, int argc, char **argv, struct err *err)
{
    const char *value, *profile = "open";

    *options = (struct options){.key = command_line_key("SANDBOX_API_KEY"), .server = command_line_server(NULL), .rest = argv};
    for (int at = 0; at < argc; at++) {
        if (command_line_is_help(argv[at])) {
            (void)fputs(HELP, stdout);
            return 1;
        }
        if ((value = command_line_value(argv, argc, &at, "--server")) != NULL)
            options->server = value;
        else if ((value = command_line_value(argv, argc, &at, "--profile")) != NULL)
            profile = value;
        else
            options->rest[options->rest_count++] = argv[at];
    }
    if (command_line_profile(profile, &options->profile, err) < 0)
        return -1;
    if (options->server != NULL && options->rest_count > 0)
        return err_set(err, EINVAL, "%.80s: is for a service of our own, and --server names another one", options->rest[0]);
    return 0;
}

/* Of a service that goes on without us. */
static void end_session(const struct mcp_stdio_session *session)
{
    char                     headers[96];
    struct http_call_request request = {.method = "DELETE", .path = session->path, .headers = headers};
    struct bytes             answer  = {0};
    struct err               err     = {0};

    (void)snprintf(headers, sizeof headers, "Mcp-Session-Id: %s\r\n", session->id);
    if (session->id[0] != '\0')
        (void)http_call_do(&session->target, &request, ANSWER_MAX, &answer, NULL, &err);
    bytes_done(&answer);
}

static int serve(const struct options *options, int signal_fd)
{
    struct mcp_stdio_session session = {0};
    struct private_server    server  = PRIVATE_SERVER_INIT;
    struct err               err     = {0};
    int                      result, code;

    (void)snprintf(session.path, sizeof session.path, "/mcp?profile=%s", options->profile);
    if (options->server != NULL) {
        result = http_call_parse_url(options->server, &session.target, &err);
        (void)snprintf(session.target.key, sizeof session.target.key, "%s", options->key);
    } else {
        result         = private_server_start(&server, options->rest, options->rest_count, &err);
        session.target = server.target;
    }
    if (result < 0)
        return command_line_complain(&err, options->server != NULL ? EXIT_USAGE : EXIT_FAILED);
    code = mcp_stdio_run(&session, signal_fd, server.end_fd) ? 0 : EXIT_FAILED;
    if (options->server != NULL)
        end_session(&session);
    json_decref(session.initialize);
    private_server_stop(&server);
    return code;
}

int command_mcp(int argc, char **argv)
{
    struct options options;
    struct err     err  = {0};
    int            read = read_options(&options, argc, argv, &err), code, signal_fd;
    sigset_t       broken;

    if (read != 0)
        return read < 0 ? command_line_complain(&err, EXIT_USAGE) : 0;
    (void)sigemptyset(&broken);
    (void)sigaddset(&broken, SIGPIPE); /* a client that has left is told by write() */
    (void)sigprocmask(SIG_BLOCK, &broken, NULL);
    signal_fd = command_private_signals();
    if (signal_fd < 0) {
        (void)err_errno(&err, "no signals can be read");
        return command_line_complain(&err, EXIT_FAILED);
    }
    code = serve(&options, signal_fd);
    (void)close(signal_fd);
    return code;
}
