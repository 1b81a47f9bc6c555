/*
 * drive.c: a worker without a zygote, for tests. It starts the host once, then obeys lines on its standard input:
 *
 *     fork            forks a worker on pipes of its own
 *     quit            ends
 *
 * Each worker is answered by "worker PID" on standard output with five descriptors beside it (request, event, stdout, stderr, init's end
 * of the channel) by SCM_RIGHTS: standard input and output are one SOCK_SEQPACKET socket, made by wire.py.
 *
 * usage: drive PYTHON LIBRARY IMPORTS_JSON PROFILE [PRELOAD...]
 */
#define _GNU_SOURCE
#include "../../runtime/host.h"
#include "../../runtime/shared/fdio.h"
#include "../../runtime/shared/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_BYTES = 128, PIPES = 4, CHANNEL = PIPES, ENDS };

static void die(const char *what)
{
    fprintf(stderr, "drive: %s: %s\n", what, strerror(errno));
    exit(1);
}

static char *read_text(const char *path)
{
    FILE  *f    = fopen(path, "re");
    char  *text = NULL;
    size_t size = 0;
    if (f == NULL || getdelim(&text, &size, '\0', f) < 0)
        die(path);
    (void)fclose(f);
    return text;
}

/* The worker's ends to 1..5, /dev/null to 0, all else closed. */
static _Noreturn void become_worker(const int *own)
{
    static const int places[ENDS] = {WORKER_REQUEST_FD, WORKER_EVENT_FD, STDOUT_FILENO, STDERR_FILENO, WORKER_CHANNEL_FD};
    int              moved[ENDS], null;
    sigset_t         none;
    for (int i = 0; i < ENDS; i++)
        if ((moved[i] = fcntl(own[i], F_DUPFD, 20)) < 0)
            die("fcntl");
    for (int i = 0; i < ENDS; i++)
        if (dup2(moved[i], places[i]) < 0)
            die("dup2");
    null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || close_range(WORKER_FD_END, ~0u, 0) != 0)
        die("descriptors");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    host_worker_main();
}

static void fork_worker(void)
{
    int   mine[ENDS], theirs[ENDS], ends[2];
    char  line[LINE_BYTES];
    pid_t pid;
    for (int i = 0; i < PIPES; i++) {
        if (pipe2(ends, O_CLOEXEC) != 0)
            die("pipe2");
        mine[i]   = ends[i == 0 ? 1 : 0];
        theirs[i] = ends[i == 0 ? 0 : 1];
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        die("socketpair");
    mine[CHANNEL]   = ends[0];
    theirs[CHANNEL] = ends[1];
    pid             = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        become_worker(theirs);
    (void)snprintf(line, sizeof line, "worker %d", pid);
    if (fdio_send(STDOUT_FILENO, line, strlen(line), mine, ENDS) != 0)
        die("send");
    for (int i = 0; i < ENDS; i++) {
        (void)close(mine[i]);
        (void)close(theirs[i]);
    }
}

/* "wait PID": answers "exited STATUS" as from waitpid(). */
static void wait_worker(pid_t pid)
{
    char line[LINE_BYTES];
    int  status = 0;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    (void)snprintf(line, sizeof line, "exited %d", status);
    if (fdio_send(STDOUT_FILENO, line, strlen(line), NULL, 0) != 0)
        die("send");
}

static void obey(const char *line)
{
    int pid, value;
    if (strcmp(line, "fork") == 0) {
        fork_worker();
    } else if (sscanf(line, "wait %d", &pid) == 1) {
        wait_worker(pid);
    } else if (sscanf(line, "interrupt %d %d", &pid, &value) == 2) {
        if (sigqueue(pid, SIGINT, (union sigval){.sival_int = value}) != 0)
            die("sigqueue");
    } else if (sscanf(line, "kill %d %d", &pid, &value) == 2) {
        if (kill(pid, value) != 0)
            die("kill");
    } else {
        fprintf(stderr, "drive: %s?\n", line);
        exit(1);
    }
}

static void start(int argc, char **argv)
{
    static struct policy policy = {.magic = POLICY_MAGIC, .version = POLICY_VERSION};
    struct err           err    = {0, ""};
    char                *imports;
    if (argc < 5) {
        fprintf(stderr, "usage: drive PYTHON LIBRARY IMPORTS_JSON PROFILE [PRELOAD...]\n");
        exit(2);
    }
    (void)snprintf(policy.python, sizeof policy.python, "%s", argv[1]);
    (void)snprintf(policy.python_library, sizeof policy.python_library, "%s", argv[2]);
    (void)snprintf(policy.profile, sizeof policy.profile, "%s", argv[4]);
    for (int i = 5; i < argc && policy.preload_count < POLICY_PRELOAD_MAX; i++)
        (void)snprintf(policy.preload[policy.preload_count++], sizeof policy.preload[0], "%s", argv[i]);
    imports = read_text(argv[3]);
    if (host_start(&policy, imports, &err) != 0) {
        fprintf(stderr, "drive: %s\n", err.message);
        exit(1);
    }
    free(imports);
    host_settle(NULL);
}

int main(int argc, char **argv)
{
    char    line[LINE_BYTES];
    ssize_t n;
    (void)signal(SIGINT, SIG_DFL); /* a shell that starts tests in the background has it ignored; the zygote resets it too */
    start(argc, argv);
    if (fdio_send(STDOUT_FILENO, "ready", 5, NULL, 0) != 0)
        die("send");
    while ((n = fdio_receive(STDIN_FILENO, line, sizeof line - 1, NULL, NULL)) > 0) {
        line[n] = '\0';
        obey(line);
    }
    return 0;
}
