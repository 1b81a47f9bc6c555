#define _GNU_SOURCE
#include "installer.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fdio.h"
#include "installer_jail.h"
#include "installer_layers.h"
#include "orphans.h"
#include "package_dir.h"

const char INSTALLER_ARGUMENT[] = "--as-installer-process";

enum { TICK_MS = 250, SEND_S = 10, EXIT_JAIL = 125 };

struct installer {
    const struct config   *config;
    const struct policies *policies;
    char                   place[256]; /* in staging */
    pid_t                  worker;
    int                    output_fd; /* what it says */
    int64_t                deadline_ms, next_look_ms;
    char                   line[INSTALLER_LINE_MAX + 1]; /* its 'P' included */
    size_t                 used;
};

/* Returns false when the server is gone. */
static bool tell(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = send(INSTALLER_SOCKET_FD, text, length, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            text += n;
            length -= (size_t)n;
        }
    }
    return true;
}

static void tell_end(const char *event, const char *message)
{
    json_t *json = json_pack("{s:s, s:s}", "event", event, "message", message);
    char   *text = json_dumps(json, JSON_COMPACT);
    if (text != NULL && tell("M", 1) && tell(text, strlen(text)))
        (void)tell("\n", 1);
    free(text);
    json_decref(json);
}

/* ---- the start ---- */

static int put_rules(const struct installer *installer, struct err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/rules.json", installer->place);
    return json_dump_file(installer->policies->packages.root, path, JSON_COMPACT) == 0 ? 0 : err_errno(err, "the rules");
}

/* The operator's own pip.conf lies where the installer's user can't look. */
static int put_configuration(const struct installer *installer, uid_t uid, struct err *err)
{
    const char *home = getenv("HOME"), *places[] = {"%s/.config/pip/pip.conf", "%s/.pip/pip.conf"};
    char        path[PATH_MAX], copy[PATH_MAX], buffer[16384];
    if (getenv("PIP_CONFIG_FILE") != NULL || home == NULL)
        return 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int     from, to, failed;
        ssize_t n;
        (void)snprintf(path, sizeof path, i == 0 ? "%s/.config/pip/pip.conf" : "%s/.pip/pip.conf", home);
        from = open(path, O_RDONLY | O_CLOEXEC);
        n    = from >= 0 ? read(from, buffer, sizeof buffer) : -1;
        fdio_close(&from);
        if (n <= 0)
            continue;
        (void)snprintf(copy, sizeof copy, "%s/pip.conf", installer->place);
        to     = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        failed = to < 0 || fdio_write_all(to, buffer, (size_t)n) < 0 || fchown(to, uid, uid) < 0;
        fdio_close(&to);
        return failed ? err_errno(err, "pip's configuration") : 0;
    }
    return 0;
}

static int make_place(struct installer *installer, struct err *err)
{
    uid_t uid = installer_jail_uid(installer->policies);
    char  temporary[PATH_MAX];
    int   n = snprintf(installer->place, sizeof installer->place, "%s/staging/XXXXXX", installer->config->package_dir);
    if (n >= (int)sizeof installer->place || mkdtemp(installer->place) == NULL) {
        installer->place[0] = '\0';
        return err_errno(err, "cannot make a directory for the installation");
    }
    (void)snprintf(temporary, sizeof temporary, "%s/tmp", installer->place);
    if (mkdir(temporary, 0700) < 0 || (geteuid() == 0 && (chown(temporary, uid, uid) < 0 || chown(installer->place, uid, uid) < 0)))
        return err_errno(err, "cannot make a directory for the installation");
    return put_rules(installer, err) < 0 ? -1 : put_configuration(installer, uid, err);
}

static _Noreturn void become_worker(const struct installer *installer, int output_fd)
{
    const struct config *config = installer->config;
    char                 library[PATH_MAX], place[256], configuration[300];
    struct err           err = {0};

    (void)snprintf(library, sizeof library, "%s/installer.py", config->python_library);
    if (lseek(INSTALLER_JOB_FD, 0, SEEK_SET) == 0 && dup2(INSTALLER_JOB_FD, STDIN_FILENO) == 0 && dup2(output_fd, STDOUT_FILENO) == 1 &&
        close_range(3, ~0u, 0) == 0 && installer_jail_enter(config, installer->policies, installer->place, place, &err) == 0) {
        (void)snprintf(configuration, sizeof configuration, "%s/pip.conf", place);
        if (access(configuration, R_OK) == 0)
            (void)setenv("PIP_CONFIG_FILE", configuration, 1);
        (void)execl(config->python, config->python, "-I", "-B", library, place, (char *)NULL);
        (void)err_errno(&err, "cannot execute %s", config->python);
    }
    (void)dprintf(STDERR_FILENO, "penny-sandbox: installer: %s\n", err.message);
    _exit(EXIT_JAIL);
}

static int start_worker(struct installer *installer, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_errno(err, "pipe");
    (void)fcntl(ends[1], F_SETFL, 0); /* Python expects a blocking one */
    installer->worker = fork();
    if (installer->worker == 0)
        become_worker(installer, ends[1]);
    (void)close(ends[1]);
    installer->output_fd = ends[0];
    return installer->worker > 0 ? 0 : err_errno(err, "fork");
}

/* ---- while it works ---- */

/* Whole lines go on, each with its 'P' in front. A line that is too long is no line of ours. Returns false when the server is gone. */
static bool pass_on(struct installer *installer, const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (installer->used == 0)
            installer->line[installer->used++] = 'P';
        if (installer->used < sizeof installer->line)
            installer->line[installer->used++] = data[i];
        if (data[i] != '\n')
            continue;
        if (installer->used < sizeof installer->line && !tell(installer->line, installer->used))
            return false;
        installer->used = 0;
    }
    return true;
}

/* Returns 1 while more may come, 0 at its end, -1 when the server is gone. */
static int read_output(struct installer *installer)
{
    char    buffer[16384];
    ssize_t n = read(installer->output_fd, buffer, sizeof buffer);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : 0;
    if (n == 0)
        return 0;
    return pass_on(installer, buffer, (size_t)n) ? 1 : -1;
}

static int look(struct installer *installer, struct err *err)
{
    const struct policy_packages *limits = &installer->policies->packages;
    int64_t                       now    = child_now_ms();
    if (now >= installer->deadline_ms)
        return err_set(err, ETIMEDOUT, "the installation took more than %u ms", limits->install_time_ms);
    if (now < installer->next_look_ms)
        return 0;
    installer->next_look_ms = now + TICK_MS;
    if (installer_layers_bytes(installer->place) > limits->install_bytes + limits->file_bytes) /* unpacked, and the archive beside it */
        return err_set(err, EFBIG, "the installation took more than %llu bytes", (unsigned long long)limits->install_bytes);
    return 0;
}

/* Until the worker has closed its end. Returns 0; or -1 with err, whose message is "" when nobody waits any more. */
static int watch(struct installer *installer, struct err *err)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = installer->output_fd, .events = POLLIN}, {.fd = INSTALLER_SOCKET_FD, .events = POLLIN}};
        int           more  = 1;
        if (poll(fds, 2, TICK_MS) < 0 && errno != EINTR)
            return err_errno(err, "poll");
        if (fds[1].revents != 0) /* it never sends: this is its end */
            return -1;
        if (fds[0].revents != 0)
            more = read_output(installer);
        if (more <= 0)
            return more;
        if (look(installer, err) < 0)
            return -1;
    }
}

/* Ends every process of the installation. Returns the worker's exit status, -1 when it was killed. */
static int end_worker(struct installer *installer, bool let_end)
{
    int status = 0;
    if (!let_end)
        (void)kill(installer->worker, SIGKILL);
    while (waitpid(installer->worker, &status, 0) < 0 && errno == EINTR)
        continue;
    orphans_end();
    fdio_close(&installer->output_fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void install(struct installer *installer)
{
    struct err err = {0};
    int        watched, status;

    if (make_place(installer, &err) < 0 || start_worker(installer, &err) < 0) {
        tell_end("failed", err.message);
        return;
    }
    watched = watch(installer, &err);
    status  = end_worker(installer, watched == 0);
    if (watched == 0 && status < 0)
        (void)err_set(&err, 0, "the installer was killed: it used too much memory or time");
    else if (watched == 0 && status > 1)
        (void)err_set(&err, 0, "the installer ended with status %d", status);
    else if (watched == 0 && status == 0)
        (void)installer_layers_publish(installer->place, installer->config->package_dir, installer->policies->packages.install_bytes,
                                       installer->policies->packages.layers_bytes, &err);
    tell_end(err.message[0] != '\0' || status != 0 ? "failed" : "published", err.message);
}

int installer_run(const struct config *config, const struct policies *policies, struct err *err)
{
    struct installer *installer = calloc(1, sizeof *installer);
    struct timeval    patience  = {.tv_sec = SEND_S};

    if (installer == NULL)
        return err_set(err, ENOMEM, "no memory for an installation");
    installer->config      = config;
    installer->policies    = policies;
    installer->output_fd   = -1;
    installer->deadline_ms = child_now_ms() + policies->packages.install_time_ms;
    (void)prctl(PR_SET_NAME, "penny-installer");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)fcntl(INSTALLER_SOCKET_FD, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(INSTALLER_SOCKET_FD, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    umask(022);
    install(installer);
    if (installer->place[0] != '\0')
        package_dir_remove_tree(installer->place);
    free(installer);
    return 0;
}
