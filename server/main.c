/*
 * Penny Sandbox: live, jailed Python sessions over HTTP.
 *
 * Theory of operation
 * ===================
 * Three kinds of process, each trusting the next one less:
 *
 *   penny-sandbox   The first process is the supervisor (supervisor.c). It reads options and policies, opens the listening sockets,
 *        |          starts the other two and starts either again when it dies. It reads no request and holds no session.
 *        |
 *        +-- penny-sandbox --as-server-process (server.c). One libevent loop, an unprivileged user, no Python. It parses what the world
 *        |     sends: http.c hands a request to route.c, which hands it to a handler in api_*.c. It believes nothing a worker says.
 *        |
 *        +-- penny-zygote (runtime/zygote.c). Privileged where it can be. It hosts a CPython that has imported the libraries, and does
 *              nothing but fork it: a session is a jail with an init (penny-init) and such a fork in it, the interpreter.
 *
 * The server and the zygote share a socket (zygote_wire.h): "make session 7", "here are its pipes", "end it", "it has ended". The server
 * and each interpreter share two pipes of frames (wire.h) and two raw ones for what C code and child processes print; and the server
 * has a socket to each session's init, for signals. The zygote never sees a request, the server never a namespace.
 *
 * A cell's way down is plain calls:
 *     http_input_use -> route_dispatch -> api_execute -> run_start -> session_submit -> execution_start -> worker_execute -> pipes_send
 * Its answer comes up through callbacks that the upper module gave to the lower one, so that a file includes only what lies below it:
 *     frame_reader_read -> worker_heard.c on_frame -> session_worker.c on_frame -> execution_on_frame -> output_text -> event_track_text
 * and, once per wake-up, event_log_flush writes the events to the session's log and hands them to their watchers (watcher.c), which
 * write to the HTTP streams. So an event is in the log before any client sees it, and a client that was cut off reads it from there.
 *
 * A session (session.c) is an id with a queue of executions. It outlives its interpreter and its jail: pool.c keeps jails with a ready
 * interpreter, so that making a session is giving one of them an id. Whatever dies, every execution ends with exactly one terminal
 * event, whose status and state are true (execution.c, outcome.c).
 *
 * `penny-sandbox run FILE` (command_run.c) is none of these but a client: it starts a service of its own on a private port, has one
 * program run there, and stands between it and the terminal. `penny-sandbox mcp` (command_mcp.c) stands likewise between a service and an agent.
 *
 * `penny-sandbox doctor` (command_doctor.c) serves nobody: it has the zygote prepare a jail, asks what that has, and tells.
 *
 * An installation of packages is one more process (installer.c), made when a client asks and gone when it is done: it runs pip, jailed,
 * and puts what that has left where every session can read it.
 *
 * Where the operator lets executions use the network, they do by way of the egress process (egress.c), a proxy that knows them by a
 * token and judges each host and each address.
 *
 * What must not be lost when the server process dies is not in it: the listening sockets are the supervisor's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command_doctor.h"
#include "command_mcp.h"
#include "command_drain.h"
#include "command_private.h"
#include "command_run.h"
#include "config.h"
#include "egress.h"
#include "footing.h"
#include "installer.h"
#include "log.h"
#include "policies.h"
#include "server.h"
#include "supervisor.h"
#include "tenants.h"

static int complain(const struct err *err)
{
    (void)fprintf(stderr, "penny-sandbox: %s\n", err->message);
    return 1;
}

enum role { ROLE_SUPERVISOR, ROLE_SERVER, ROLE_INSTALLER, ROLE_EGRESS };

static int run(struct config *config, char **argv, enum role role)
{
    struct policies policies = {0};
    struct err      err      = {0};
    int             result;

    if (policies_load(&policies, config, &err) < 0)
        return complain(&err);
    switch (role) {
    case ROLE_SERVER: result = server_run(config, &policies, &err); break;
    case ROLE_EGRESS: result = egress_run(config, &policies, &err); break;
    case ROLE_INSTALLER: result = installer_run(config, &policies, &err); break;
    default: result = supervisor_run(config, &policies, argv, &err); break;
    }
    policies_done(&policies);
    return result < 0 ? complain(&err) : 0;
}

static enum role role_of(const char *argument)
{
    return argument == NULL                             ? ROLE_SUPERVISOR
           : strcmp(argument, SUPERVISOR_ARGUMENT) == 0 ? ROLE_SERVER
           : strcmp(argument, INSTALLER_ARGUMENT) == 0  ? ROLE_INSTALLER
           : strcmp(argument, EGRESS_ARGUMENT) == 0     ? ROLE_EGRESS
                                                        : ROLE_SUPERVISOR;
}

/* A command that is not the service's own. Returns its exit code, or -1 when there is none. */
static int command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[]   = {{"private", command_private}, {"run", command_run}, {"drain", command_drain}, {"mcp", command_mcp}};
    struct err err = {0};

    if (argc == 3 && strcmp(argv[1], "key") == 0)
        return tenants_print_key(argv[2], &err) < 0 ? complain(&err) : 0;
    if (argc > 1 && strcmp(argv[1], "doctor") == 0)
        return command_doctor(argc - 1, argv + 1);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return -1;
}

/* What was printed is written only now, and the disk may be full. */
static int end_command(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    (void)fprintf(stderr, "penny-sandbox: standard output: %s\n", strerror(errno));
    return code != 0 ? code : 1;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"supervisor", "server", "installer", "egress"};
    enum role                role    = role_of(argc > 1 ? argv[1] : NULL);
    struct config            config;
    struct err               err = {0};
    int                      loaded, code;

    if (footing_settle(&err) < 0)
        return complain(&err);
    code = command(argc, argv);
    if (code >= 0)
        return end_command(code);
    if (role != ROLE_SUPERVISOR) {
        memmove(argv + 1, argv + 2, (size_t)(argc - 1) * sizeof *argv);
        argc--;
    }
    loaded = config_load(&config, argc, argv, &err);
    if (loaded != 0)
        return loaded < 0 ? complain(&err) : end_command(0);
    log_open(config.log_level, false, names[role]);
    return run(&config, argv, role);
}
