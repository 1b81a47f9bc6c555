#define _GNU_SOURCE
#include "doctor_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "fdio.h"
#include "policy_memfd.h"
#include "state_dir.h"
#include "zygote_wire.h"

enum { PATIENCE_MS = 30000, REPORT_MAX = 65536 };

static int make_policy(struct config *config, const struct policies *policies, struct err *err)
{
    struct policy policy;
    if (policies_to_policy(policies, config, &policy, err) < 0)
        return -1;
    policy.require_isolation = ISOLATION_NONE; /* what there is, is to be told */
    return policy_memfd_make(&policy, policies->imports, err);
}

static int read_report(int fd, json_t **ret, struct err *err)
{
    static char  text[REPORT_MAX];
    ssize_t      n = pread(fd, text, sizeof text, 0);
    json_error_t where;

    *ret = n > 0 ? json_loadb(text, (size_t)n, 0, &where) : NULL;
    return *ret != NULL ? 0 : err_set(err, EPROTO, "the zygote's report cannot be read");
}

static int receive(int socket_fd, json_t **ret_report, char *ret_python, size_t room, struct err *err)
{
    struct zygote_message message = {0};
    struct pollfd         polled  = {.fd = socket_fd, .events = POLLIN};
    int                   fd = -1, result = -1;
    size_t                fd_count = 1;

    if (poll(&polled, 1, PATIENCE_MS) != 1)
        return err_set(err, ETIMEDOUT, "the zygote did not answer within %d s", PATIENCE_MS / 1000);
    if (fdio_receive(socket_fd, &message, sizeof message, &fd, &fd_count) != (ssize_t)sizeof message)
        return err_set(err, EPROTO, "the zygote has ended without an answer");
    message.text[sizeof message.text - 1] = '\0';
    if (message.error != 0 || fd_count != 1)
        (void)err_set(err, message.error, "%s", message.text);
    else
        result = read_report(fd, ret_report, err);
    if (message.error == 0)
        (void)snprintf(ret_python, room, "%.*s", (int)strcspn(message.text, " "), message.text);
    fdio_close(&fd);
    return result;
}

static int ask(const struct config *config, int policy_fd, json_t **ret_report, char *ret_python, size_t room, struct err *err)
{
    char        *argv[] = {(char *)"penny-zygote", (char *)ZYGOTE_PROBE_ARGUMENT, NULL};
    struct child child;
    int          ends[2], result;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make the zygote's socket");
    child_init(&child, "zygote");
    result = child_start(&child, config->zygote_path, argv, (int[]){ends[1], policy_fd}, 2, SIGKILL, err);
    (void)close(ends[1]);
    if (result == 0) {
        result = receive(ends[0], ret_report, ret_python, room, err);
        if (result < 0 && err->code == ETIMEDOUT)
            (void)kill(child.pid, SIGKILL);
        while (waitpid(child.pid, NULL, 0) < 0 && errno == EINTR)
            continue; /* it undoes what it has prepared */
    }
    (void)close(ends[0]);
    return result;
}

int doctor_probe(const struct config *config, const struct policies *policies, json_t **ret_report, char *ret_python, size_t room,
                 struct err *err)
{
    struct config    local = *config; /* with a state directory of its own: a service may be running */
    struct state_dir state;
    int              policy_fd, result = -1;

    *ret_report = NULL;
    *ret_python = '\0';
    if (access(config->zygote_path, X_OK) < 0)
        return err_errno(err, "%s", config->zygote_path);
    if (state_dir_make(&state, "", err) < 0)
        return -1;
    (void)snprintf(local.state_dir, sizeof local.state_dir, "%s", state.path);
    local.package_dir[0] = '\0';
    policy_fd            = make_policy(&local, policies, err);
    if (policy_fd >= 0)
        result = ask(&local, policy_fd, ret_report, ret_python, room, err);
    fdio_close(&policy_fd);
    state_dir_remove(&state);
    return result;
}
