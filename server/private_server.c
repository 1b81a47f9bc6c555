#define _GNU_SOURCE
#include "private_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fdio.h"

enum { OPTIONS_MAX = 64, KEY_BYTES = 24, START_LIMIT_MS = 60000, STOP_LIMIT_MS = 15000, LOG_SHOWN = 4096, EXIT_CANNOT_EXECUTE = 127 };

static const char READY[] = " is ready at ";

/* Settings of another server that the environment may name: this one has its own address, key and files, and nobody's log. */
static void clean_environment(const char *key)
{
    static const char *const unwanted[] = {"SANDBOX_LISTEN",        "SANDBOX_KEYS_FILE", "SANDBOX_TLS_CERT", "SANDBOX_TLS_KEY",
                                           "SANDBOX_AUDIT_LOG",     "SANDBOX_STATE_DIR", "RATE_LIMIT_MAX",   "SANDBOX_KEY_SESSIONS",
                                           "SANDBOX_HOST",          "SANDBOX_PORT",      "SANDBOX_KEY_CPU",  "SANDBOX_KEY_REQUESTS",
                                           "SANDBOX_KEY_EXECUTIONS"};
    char                     value[2 * KEY_BYTES + 16];
    for (size_t i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
        (void)unsetenv(unwanted[i]);
    (void)snprintf(value, sizeof value, "private:%s", key);
    (void)setenv("SANDBOX_API_KEYS", value, 1);
}

static void run(char *const options[], size_t count, const char *key, int out_fd, int log_fd, pid_t parent)
{
    static const char *const ours[] = {"--host=127.0.0.1", "--port=0", "--drain=0", "--log-level=error", "--profiles=standard,open"};
    char                    *argv[OPTIONS_MAX] = {(char *)"penny-sandbox"};
    sigset_t                 none;
    size_t                   at      = 1;
    int                      nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (size_t i = 0; i < count; i++)
        argv[at++] = options[i];
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        argv[at++] = (char *)ours[i];
    clean_environment(key);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid(); /* a Ctrl-C at the terminal is for the program, not for its jail */
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 && dup2(log_fd, STDERR_FILENO) >= 0 &&
        prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent)
        (void)execv("/proc/self/exe", argv);
    _exit(EXIT_CANNOT_EXECUTE);
}

static int make_key(char ret_key[2 * KEY_BYTES + 1], struct err *err)
{
    unsigned char random[KEY_BYTES];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_errno(err, "no random numbers for a key");
    for (size_t i = 0; i < sizeof random; i++)
        (void)sprintf(ret_key + 2 * i, "%02x", random[i]);
    return 0;
}

/* What it wrote to its log goes to ours, and its last line becomes the reason. */
static int tell_failure(struct private_server *server, const char *reason, struct err *err)
{
    char    text[LOG_SHOWN];
    off_t   end = lseek(server->log_fd, 0, SEEK_END);
    ssize_t n   = end > 0 ? pread(server->log_fd, text, sizeof text, end > LOG_SHOWN ? end - LOG_SHOWN : 0) : 0;
    if (n > 0)
        (void)fdio_write_all(STDERR_FILENO, text, (size_t)n);
    return err_set(err, EIO, "no jail could be started: %s", reason);
}

static int read_url(struct private_server *server, const char *text, struct err *err)
{
    const char *url = strstr(text, READY);
    char        copy[96];
    size_t      length;
    if (url == NULL)
        return 1;
    url += sizeof READY - 1;
    length = strcspn(url, "\n");
    if (url[length] == '\0')
        return 1;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)length, url);
    return http_call_parse_url(copy, &server->target, err);
}

static int wait_until_ready(struct private_server *server, struct err *err)
{
    char    text[1024];
    size_t  length = 0;
    int64_t limit  = child_now_ms() + START_LIMIT_MS;
    for (;;) {
        struct pollfd polled = {.fd = server->ready_fd, .events = POLLIN};
        int64_t       left   = limit - child_now_ms();
        ssize_t       n;
        int           result;
        if (left <= 0)
            return tell_failure(server, "it is not ready after a minute", err);
        if (poll(&polled, 1, (int)left) <= 0)
            continue;
        n = read(server->ready_fd, text + length, sizeof text - 1 - length);
        if (n <= 0 || length + (size_t)n == sizeof text - 1)
            return tell_failure(server, "it ended before it was ready", err);
        length += (size_t)n;
        text[length] = '\0';
        result       = read_url(server, text, err);
        if (result <= 0)
            return result;
    }
}

int private_server_start(struct private_server *server, char *const options[], size_t count, struct err *err)
{
    char    key[2 * KEY_BYTES + 1];
    int     ends[2];
    pid_t   parent  = getpid();
    int64_t started = child_now_ms();

    *server = (struct private_server)PRIVATE_SERVER_INIT;
    if (count > OPTIONS_MAX - 8)
        return err_set(err, E2BIG, "more than %d options", OPTIONS_MAX - 8);
    if (make_key(key, err) < 0)
        return -1;
    server->log_fd = memfd_create("penny-sandbox log", MFD_CLOEXEC);
    if (server->log_fd < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        fdio_close(&server->log_fd);
        return err_errno(err, "cannot start a jail");
    }
    server->ready_fd = ends[0];
    server->pid      = fork();
    if (server->pid == 0)
        run(options, count, key, ends[1], server->log_fd, parent);
    (void)close(ends[1]);
    server->end_fd = server->pid > 0 ? (int)syscall(SYS_pidfd_open, server->pid, 0) : -1; /* closed by exec, as all are */
    if (server->end_fd < 0)
        (void)err_errno(err, "cannot start a jail");
    else if (wait_until_ready(server, err) == 0) {
        (void)snprintf(server->target.key, sizeof server->target.key, "%s", key);
        server->start_ms = child_now_ms() - started;
        return 0;
    }
    if (server->pid < 0)
        server->pid = 0;
    private_server_stop(server);
    return -1;
}

void private_server_stop(struct private_server *server)
{
    int64_t limit = child_now_ms() + STOP_LIMIT_MS;
    int     status;
    if (server->pid > 0) {
        (void)kill(server->pid, SIGTERM);
        while (waitpid(server->pid, &status, WNOHANG) == 0) {
            if (child_now_ms() >= limit)
                (void)kill(server->pid, SIGKILL);
            (void)poll(NULL, 0, 2);
        }
    }
    server->pid = 0;
    fdio_close(&server->ready_fd);
    fdio_close(&server->log_fd);
    fdio_close(&server->end_fd);
}
