/* server_supervisor.c: what the server process hears from the supervisor and tells it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "fdio.h"
#include "handover.h"
#include "log.h"
#include "server_files.h"
#include "server_private.h"
#include "supervisor_wire.h"

void server_tell_supervisor(char type, const char *text)
{
    struct supervisor_packet packet = {.type = type};
    (void)snprintf(packet.text, sizeof packet.text, "%s", text);
    if (fdio_send(SERVER_SUPERVISOR_FD, &packet, sizeof packet, NULL, 0) < 0)
        log_error("cannot tell the supervisor: %s", strerror(errno));
}

void server_announce(struct server *server)
{
    const char *failure;
    if (server->announced || !server->is_resumed || !server->has_first)
        return;
    failure           = pool_failure(server->pool);
    server->announced = true;
    server_tell_supervisor(failure == NULL ? SUPERVISOR_READY : SUPERVISOR_FAILED, failure != NULL ? failure : "");
}

/* SIGHUP has reached the supervisor. */
static void take_files(struct server *server, const struct supervisor_packet *packet, const int *fds, size_t fd_count)
{
    struct handover files;
    struct err      err = {0};
    if (handover_take(packet, fds, fd_count, &files) < 0)
        return;
    if (files.fds[HANDOVER_AUDIT] >= 0)
        audit_reopen(files.fds[HANDOVER_AUDIT]);
    files.fds[HANDOVER_AUDIT] = -1;
    if (server_files_keys(server->tenants, &files, &err) < 0)
        log_error("the API keys stay as they were: %s", err.message);
    if (server_files_tls(&server->tls, &files, &err) < 0)
        log_error("the certificate stays as it was: %s", err.message);
    handover_close(&files);
    log_info("files were read again: %zu names with API keys", tenants_count(server->tenants));
}

static void on_supervisor(evutil_socket_t fd, short what, void *arg)
{
    struct server           *server = arg;
    struct supervisor_packet packet = {0};
    int                      fds[HANDOVER_COUNT];
    size_t                   fd_count = HANDOVER_COUNT;
    ssize_t                  n        = fdio_receive(fd, &packet, sizeof packet, fds, &fd_count);
    struct err               err      = {0};

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || packet.type == SUPERVISOR_STOP)
        server_stop(server);
    else if (packet.type == SUPERVISOR_DRAIN)
        server_drain(server);
    else if (packet.type == SUPERVISOR_YIELD)
        server_yield(server);
    else if (packet.type == SUPERVISOR_ASK)
        server_tell_supervisor(SUPERVISOR_ANSWER, "");
    else if (packet.type == SUPERVISOR_FILES)
        take_files(server, &packet, fds, fd_count);
    else if (packet.type == SUPERVISOR_ZYGOTE && fd_count == 1 && workers_attach_zygote(server->workers, fds[0], &err) < 0)
        log_error("cannot use the zygote's socket: %s", err.message);
    if (n <= 0)
        (void)event_del(server->supervisor_readable);
}

int server_watch_supervisor(struct server *server, struct err *err)
{
    server->supervisor_readable = event_new(server->base, SERVER_SUPERVISOR_FD, EV_READ | EV_PERSIST, on_supervisor, server);
    if (server->supervisor_readable == NULL || evutil_make_socket_nonblocking(SERVER_SUPERVISOR_FD) < 0 ||
        event_add(server->supervisor_readable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot watch the supervisor's socket");
    return 0;
}
