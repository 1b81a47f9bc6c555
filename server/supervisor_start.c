#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "egress.h"
#include "fdio.h"
#include "installer.h"
#include "log.h"
#include "supervisor_inner.h"
#include "supervisor_wire.h"

enum { ARGUMENTS_MAX = 256 };

/* A supervisor socket for a child about to be started: ours is kept in the child, the other end is for the new process. */
static int make_supervisor_socket(struct child *child, int *ret_theirs, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make a socket for %s", child->name);
    fdio_close(&child->socket_fd);
    child->socket_fd = ends[0];
    *ret_theirs      = ends[1];
    return 0;
}

void supervisor_tell(struct child *child, char type, const int *fd)
{
    struct supervisor_packet packet = {.type = type};
    size_t                   length = child->name[0] == 'z' ? 1 : sizeof packet;
    if (child->socket_fd >= 0 && fdio_send(child->socket_fd, &packet, length, fd, fd != NULL ? 1 : 0) < 0)
        log_warn("cannot tell the %s: %s", child->name, strerror(errno));
}

static int start_zygote(struct supervisor *s, int server_end, struct err *err)
{
    char *argv[] = {s->config->zygote_path, NULL};
    int   theirs = -1, result;
    if (make_supervisor_socket(&s->zygote, &theirs, err) < 0)
        return -1;
    result = child_start(&s->zygote, s->config->zygote_path, argv, (int[]){server_end, s->policy_fd, theirs}, 3, SIGTERM, err);
    close(theirs);
    return result;
}

/* To a server process just started: the files it may not open itself. */
static int hand_over(struct supervisor *s, struct err *err)
{
    struct handover files;
    int             result = handover_open(s->config, &files, err);
    if (result == 0 && handover_send(s->server.socket_fd, &files) < 0)
        result = err_errno(err, "cannot hand files to the server process");
    handover_close(&files);
    return result;
}

static int start_server(struct supervisor *s, struct err *err)
{
    char  *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)SUPERVISOR_ARGUMENT};
    int    fds[CHILD_FDS_MAX], theirs = -1, result;
    size_t n = 2;
    for (size_t i = 1; i < ARGUMENTS_MAX - 3 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    argv[n] = s->addresses;
    if (make_supervisor_socket(&s->server, &theirs, err) < 0)
        return -1;
    if (hand_over(s, err) < 0) {
        close(theirs);
        return -1;
    }
    fds[0] = theirs;
    memcpy(fds + 1, s->keep_fds, sizeof s->keep_fds);
    memcpy(fds + 1 + KEPT_FDS, s->listen_fds, s->config->listen_count * sizeof(int));
    result = child_start(&s->server, s->from_disk ? s->program : "/proc/self/exe", argv, fds, 1 + KEPT_FDS + s->config->listen_count,
                         SIGKILL, err);
    close(theirs);
    return result;
}

int supervisor_connect(struct supervisor *s, struct err *err)
{
    int ends[2], result = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make the zygote's socket");
    if (s->zygote.pid == 0)
        result = start_zygote(s, ends[1], err);
    else
        supervisor_tell(&s->zygote, SUPERVISOR_ZYGOTE, &ends[1]);
    if (result == 0 && s->server.pid == 0)
        result = start_server(s, err);
    if (result == 0)
        supervisor_tell(&s->server, SUPERVISOR_ZYGOTE, &ends[0]);
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* An installation is nobody's to start again: who asked sees its socket end. */
void supervisor_start_installer(struct supervisor *s, const int fds[2])
{
    char         *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)INSTALLER_ARGUMENT};
    size_t        n                   = 2;
    struct err    err                 = {0};
    struct child *child               = NULL;

    for (size_t i = 1; n < ARGUMENTS_MAX - 3 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    argv[n++] = (char *)"--package-dir";
    argv[n++] = s->package_dir.path;
    for (size_t i = 0; i < INSTALLERS_MAX && child == NULL; i++)
        if (s->installers[i].pid == 0)
            child = &s->installers[i];
    if ((s->phase != PHASE_SERVING && s->phase != PHASE_STARTING) || s->package_dir.path[0] == '\0' || child == NULL)
        log_warn("an installation was asked for that can't be");
    else if (child_start(child, "/proc/self/exe", argv, fds, 2, SIGKILL, &err) < 0)
        supervisor_log("installer", &err);
}

/* Its end is the server's to notice, which asks again. One at a time: a server that has no use for the former is another server. */
void supervisor_start_egress(struct supervisor *s, const int *fd)
{
    char      *argv[ARGUMENTS_MAX] = {s->argv[0], (char *)EGRESS_ARGUMENT};
    size_t     n                   = 2;
    struct err err                 = {0};

    for (size_t i = 1; n < ARGUMENTS_MAX - 1 && s->argv[i] != NULL; i++)
        argv[n++] = s->argv[i];
    if (!s->policies->network.enabled || s->egress.pid != 0)
        log_warn("an egress process was asked for that can't be");
    else if (child_start(&s->egress, "/proc/self/exe", argv, fd, 1, SIGKILL, &err) < 0)
        supervisor_log("egress", &err);
}

void supervisor_restart_due(struct supervisor *s)
{
    int64_t       now        = child_now_ms();
    bool          server_due = s->server.pid == 0 && s->server.retry_ms > 0, zygote_due = s->zygote.pid == 0 && s->zygote.retry_ms > 0;
    struct child *child = server_due ? &s->server : &s->zygote;
    struct err    err   = {0};

    if ((!server_due && !zygote_due) || (server_due && now < s->server.retry_ms) || (zygote_due && now < s->zygote.retry_ms))
        return;
    if (supervisor_connect(s, &err) < 0) {
        supervisor_log("restart", &err);
        child_on_exit(child, true);
    }
}
