/*
 * zygote.c: the privileged process. It starts CPython once, prepares the jail once, and then does four things for the server, in a
 * loop, by packets of fixed size: make a session, end one, say what one uses, take over one that a former zygote made. It parses no HTTP
 * and no JSON, and it runs no Python once the first session exists.
 *
 * Fork without exec is usually unwise: a fork inherits locks held by threads, descriptors, random state and environment. Here there
 * is one thread (host_start checks), every descriptor is arranged or closed (spawn.c), the environment is made anew below, and the worker
 * reseeds all random state (host_worker_main). What remains shared is the address layout: SECURITY.md says so.
 */
#define _GNU_SOURCE
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "host.h"
#include "visit.h"

enum { EXIT_FAILED = 1, EXIT_REFUSED = 3 };

static const struct policy *map_policy(struct err *err)
{
    struct stat          st;
    const struct policy *policy;

    if (fstat(ZYGOTE_POLICY_FD, &st) < 0 || (size_t)st.st_size < sizeof *policy) {
        err_set(err, EINVAL, "penny-zygote is started by penny-sandbox, which hands it the policy");
        return NULL;
    }
    policy = mmap(NULL, (size_t)st.st_size + 1, PROT_READ, MAP_PRIVATE, ZYGOTE_POLICY_FD, 0);
    if (policy == MAP_FAILED) {
        err_errno(err, "policy");
        return NULL;
    }
    if (policy->magic != POLICY_MAGIC || policy->version != POLICY_VERSION ||
        sizeof *policy + policy->imports_json_bytes > (size_t)st.st_size) {
        err_set(err, EINVAL, "penny-sandbox and penny-zygote are of different versions");
        return NULL;
    }
    return policy;
}

/* Nothing of the operator's environment reaches a session. */
static int make_environment(const struct jail *jail, struct err *err)
{
    char path[600];

    for (char **variable = environ; *variable != NULL; variable++)
        memset(*variable, 0, strlen(*variable)); /* clearenv() forgets the strings, but forks would still inherit their bytes */
    (void)snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", jail->venv);
    if (clearenv() != 0 || setenv("PATH", path, 1) || setenv("HOME", "/workspace", 1) || setenv("TMPDIR", "/tmp", 1) ||
        setenv("LANG", "C.UTF-8", 1) || setenv("USER", "sandbox", 1) || setenv("MPLBACKEND", "agg", 1) ||
        setenv("MPLCONFIGDIR", jail->matplotlib, 1) || setenv("OPENBLAS_NUM_THREADS", "1", 1) || setenv("OMP_NUM_THREADS", "1", 1) ||
        setenv("MKL_NUM_THREADS", "1", 1) || setenv("PENNY_LAYERS", jail->layers, 1) || setenv("VIRTUAL_ENV", jail->venv, 1) ||
        setenv("TERM", "dumb", 1))
        return err_errno(err, "environment");
    return 0;
}

static int start_python(struct zygote *zygote, struct err *err)
{
    struct policy local = *zygote->policy; /* where a session sees the interpreter, not where the host has it */
    char         *imports;
    int           failed;

    if (make_environment(&zygote->jail, err) < 0)
        return -1;
    (void)snprintf(local.python, sizeof local.python, "%.240s/bin/python", zygote->jail.venv);
    (void)snprintf(local.python_library, sizeof local.python_library, "%s", zygote->jail.library);
    imports = strndup((const char *)(zygote->policy + 1), zygote->policy->imports_json_bytes);
    if (imports == NULL)
        return err_set(err, ENOMEM, "imports policy");
    failed = host_start(&local, imports, err);
    free(imports);
    return failed;
}

/* A shell that starts us in the background has SIGINT ignored, and Python would leave it so: no session could be interrupted. */
static void reset_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); /* EINVAL for those that have no handler */
}

/* Blocked from the first moment: an end that is asked for while Python starts is seen by the loop, and cleans up. */
static int prepare_signals(struct zygote *zygote, struct err *err)
{
    sigset_t signals;

    reset_signals();
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    zygote->signal_fd = -1;
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || (zygote->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return err_errno(err, "signals");
    return 0;
}

static int prepare_descriptors(struct zygote *zygote, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "report socket");
    zygote->report_fd    = pair[0];
    zygote->reporting_fd = pair[1];
    zygote->server_fd    = fcntl(ZYGOTE_SOCKET_FD, F_DUPFD_CLOEXEC, 6);
    (void)close(ZYGOTE_SOCKET_FD);
    (void)fcntl(ZYGOTE_POLICY_FD, F_SETFD, FD_CLOEXEC);
    (void)fcntl(ZYGOTE_SUPERVISOR_FD, F_SETFD, FD_CLOEXEC);
    return zygote->server_fd < 0 ? err_errno(err, "server socket") : 0;
}

static uint64_t address_space(int proc_fd)
{
    unsigned long pages = 0;
    int           fd    = openat(proc_fd, "self/statm", O_RDONLY | O_CLOEXEC);
    char          text[128];
    ssize_t       n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    fdio_close(&fd);
    if (n > 0) {
        text[n] = '\0';
        pages   = strtoul(text, NULL, 10);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int start_in_jail(struct zygote *zygote, struct err *err)
{
    if (start_python(zygote, err) < 0 || prepare_descriptors(zygote, err) < 0 ||
        (zygote->children = children_new(&zygote->jail, err)) == NULL || (zygote->retired = retired_new(&zygote->jail, err)) == NULL)
        return -1;
    zygote->jail.address_space_bytes = address_space(zygote->jail.proc_fd);
    if (visit_seal(&zygote->jail, err) < 0)
        return -1;
    jail_cgroup_sweep(&zygote->jail);
    jail_cgroup_clear(&zygote->jail);
    return zygote_greet(zygote, err);
}

/* Returns 0, or the exit status. */
static int start(struct zygote *zygote, struct err *err)
{
    int status = 0;

    (void)setsid(); /* Ctrl-C at the terminal is the supervisor's to handle */
    (void)prctl(PR_SET_NAME, "penny-zygote", 0, 0, 0);
    umask(022);
    zygote->policy = map_policy(err);
    if (zygote->policy == NULL || prepare_signals(zygote, err) < 0)
        return EXIT_FAILED;
    if (chdir("/") < 0) { /* modules that lie where we are would be taken for a user's own */
        (void)err_errno(err, "chdir /");
        return EXIT_FAILED;
    }
    if (jail_prepare(&zygote->jail, zygote->policy, err) < 0)
        status = jail_level(&zygote->jail) < zygote->policy->require_isolation ? EXIT_REFUSED : EXIT_FAILED;
    else if (start_in_jail(zygote, err) < 0)
        status = EXIT_FAILED;
    if (status != 0) { /* groups and directories made so far */
        jail_done(&zygote->jail);
        jail_cgroup_restore(&zygote->jail, true);
    }
    return status;
}

/* What the jail would be on this host, told and undone: for `penny-sandbox doctor`. No Python is started. Returns 0, or the exit status. */
static int probe(struct zygote *zygote, struct err *err)
{
    struct zygote_message message = {.type = ZYGOTE_READY};
    int                   fd      = -1;

    umask(022);
    zygote->policy = map_policy(err);
    if (zygote->policy == NULL)
        return EXIT_FAILED;
    if (jail_prepare(&zygote->jail, zygote->policy, err) == 0)
        fd = jail_report_fd(&zygote->jail, err);
    message.error = fd < 0 ? EIO : 0;
    (void)snprintf(message.text, sizeof message.text, "%.150s", fd < 0 ? err->message : host_version());
    if (fdio_send(ZYGOTE_SOCKET_FD, &message, sizeof message, &fd, fd >= 0 ? 1 : 0) < 0)
        (void)err_errno(err, "report");
    fdio_close(&fd);
    jail_done(&zygote->jail);
    jail_cgroup_restore(&zygote->jail, false);
    return message.error != 0 ? EXIT_FAILED : 0;
}

int main(int argc, char **argv)
{
    struct zygote zygote = {.server_fd = -1};
    struct err    err    = {0};
    int           status;

    if (argc == 2 && strcmp(argv[1], ZYGOTE_PROBE_ARGUMENT) == 0)
        return probe(&zygote, &err);
    status = start(&zygote, &err);

    if (status != 0) {
        fprintf(stderr, "penny-zygote: %s\n", err.message);
        return status;
    }
    host_settle(zygote.jail.has_root ? JAIL_PROGRAM : NULL);
    zygote_loop(&zygote);
    zygote_end_sessions(&zygote);
    jail_done(&zygote.jail);
    jail_cgroup_restore(&zygote.jail, true);
    return 0;
}
