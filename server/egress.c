#define _GNU_SOURCE
#include "egress.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <grp.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine.h"
#include "egress_connection.h"
#include "fdio.h"
#include "log.h"

const char EGRESS_ARGUMENT[] = "--as-egress-process";

enum { OPEN_MAX_CONNECTIONS = 4096, UNKNOWN_REPORTS_PER_S = 20, HOST_UID_AFTER_SESSIONS = 1 };

struct egress {
    struct egress_context context; /* first: it is what connections know */
    struct event         *readable, *acceptable;
    int                   listen_fd;
    int64_t               second;
    unsigned              unknown; /* reports of this second that belong to nobody */
    TAILQ_HEAD(, egress_grant) grants;
};

static struct egress_grant *find_grant(struct egress_context *context, const char *token)
{
    struct egress       *egress = (struct egress *)context;
    struct egress_grant *grant;
    TAILQ_FOREACH(grant, &egress->grants, entry)
    {
        if (CRYPTO_memcmp(grant->token, token, EGRESS_TOKEN_BYTES) == 0) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            return grant;
    }
    return NULL;
}

static void tell(const struct egress_packet *packet)
{
    if (fdio_send(EGRESS_SERVER_FD, packet, sizeof *packet, NULL, 0) < 0 && errno != EAGAIN)
        log_debug("egress: a report is lost: %s", strerror(errno));
}

static void report(struct egress_context *context, const struct egress_grant *grant, enum egress_outcome outcome, const char *host,
                   uint16_t port, uint64_t sent, uint64_t received)
{
    struct egress       *egress = (struct egress *)context;
    struct egress_packet packet = {.type = EGRESS_CONNECTION, .outcome = outcome, .port = port, .sent = sent, .received = received};
    struct timespec      now;

    if (grant == NULL) { /* a session can make as many of these as it likes */
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec != egress->second)
            egress->unknown = 0;
        egress->second = now.tv_sec;
        if (++egress->unknown > UNKNOWN_REPORTS_PER_S)
            return;
    }
    packet.grant = grant != NULL ? grant->id : 0;
    (void)snprintf(packet.host, sizeof packet.host, "%s", host);
    tell(&packet);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct egress *egress = arg;
    int            accepted;
    (void)what;
    while ((accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (egress->context.open >= OPEN_MAX_CONNECTIONS)
            (void)close(accepted);
        else
            egress_connection_start(&egress->context, accepted);
    }
}

/* ---- what the server says ---- */

static void listen_on(struct egress *egress, int fd)
{
    if (egress->acceptable != NULL)
        event_free(egress->acceptable);
    fdio_close(&egress->listen_fd);
    egress->listen_fd = fd;
    egress->acceptable =
        evutil_make_socket_nonblocking(fd) == 0 ? event_new(egress->context.base, fd, EV_READ | EV_PERSIST, on_accept, egress) : NULL;
    if (egress->acceptable == NULL || event_add(egress->acceptable, NULL) < 0)
        log_error("egress: the sessions' socket can't be listened on");
}

static void grant_new(struct egress *egress, const struct egress_packet *packet)
{
    struct egress_grant *grant = calloc(1, sizeof *grant);
    if (grant == NULL || strlen(packet->token) != EGRESS_TOKEN_BYTES - 1) {
        free(grant);
        return;
    }
    grant->id = packet->grant;
    memcpy(grant->token, packet->token, sizeof grant->token);
    TAILQ_INIT(&grant->connections);
    TAILQ_INSERT_TAIL(&egress->grants, grant, entry);
}

static void grant_free(struct egress *egress, struct egress_grant *grant)
{
    egress_connection_end_all(grant);
    TAILQ_REMOVE(&egress->grants, grant, entry);
    explicit_bzero(grant->token, sizeof grant->token);
    free(grant);
}

static void grant_revoke(struct egress *egress, uint64_t id)
{
    struct egress_packet closed = {.type = EGRESS_CLOSED, .grant = id};
    struct egress_grant *grant, *next;
    for (grant = TAILQ_FIRST(&egress->grants); grant != NULL; grant = next) {
        next = TAILQ_NEXT(grant, entry);
        if (grant->id == id)
            grant_free(egress, grant);
    }
    tell(&closed);
}

static void on_server(evutil_socket_t fd, short what, void *arg)
{
    struct egress       *egress = arg;
    struct egress_packet packet;
    int                  listen_fd = -1;
    size_t               fd_count  = 1;
    ssize_t              n         = fdio_receive(fd, &packet, sizeof packet, &listen_fd, &fd_count);

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n != (ssize_t)sizeof packet) {
        (void)event_base_loopbreak(egress->context.base);
        return;
    }
    packet.token[EGRESS_TOKEN_BYTES - 1] = '\0';
    if (packet.type == EGRESS_LISTEN && fd_count == 1) {
        listen_on(egress, listen_fd);
        return;
    }
    if (packet.type == EGRESS_GRANT)
        grant_new(egress, &packet);
    else if (packet.type == EGRESS_REVOKE)
        grant_revoke(egress, packet.grant);
    if (fd_count == 1)
        fdio_close(&listen_fd);
}

/* ---- the start ---- */

static int drop_privileges(const struct policies *policies, struct err *err)
{
    uid_t uid    = (uid_t)policies->uid_base + policies->uid_count + HOST_UID_AFTER_SESSIONS; /* the installer's is the one before */
    pid_t parent = getppid();
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
        return err_errno(err, "cannot become the egress user");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, "cannot restrict the egress process");
    return getppid() == parent ? confine_system_calls(err) : err_set(err, 0, "the supervisor is gone");
}

static int start(struct egress *egress, struct err *err)
{
    egress->context.base = event_base_new();
    egress->context.dns  = egress->context.base != NULL
                               ? evdns_base_new(egress->context.base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE |
                                                                          EVDNS_BASE_NAMESERVERS_NO_DEFAULT)
                               : NULL;
    if (egress->context.base != NULL && egress->context.dns == NULL) { /* no resolv.conf: the policy's own hosts remain */
        egress->context.dns = evdns_base_new(egress->context.base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        log_warn("egress: there is no name server; only hosts that the policy names can be reached");
    }
    if (egress->context.dns == NULL)
        return err_set(err, ENOMEM, "cannot make an event loop");
    (void)evdns_base_set_option(egress->context.dns, "randomize-case:", "0");
    egress->readable = event_new(egress->context.base, EGRESS_SERVER_FD, EV_READ | EV_PERSIST, on_server, egress);
    if (egress->readable == NULL || evutil_make_socket_nonblocking(EGRESS_SERVER_FD) < 0 || event_add(egress->readable, NULL) < 0)
        return err_set(err, ENOMEM, "cannot watch the server's socket");
    return 0;
}

static void finish(struct egress *egress)
{
    while (!TAILQ_EMPTY(&egress->grants))
        grant_free(egress, TAILQ_FIRST(&egress->grants));
    if (egress->acceptable != NULL)
        event_free(egress->acceptable);
    fdio_close(&egress->listen_fd);
    if (egress->readable != NULL)
        event_free(egress->readable);
    if (egress->context.dns != NULL)
        evdns_base_free(egress->context.dns, 0);
    if (egress->context.base != NULL)
        event_base_free(egress->context.base);
}

int egress_run(const struct config *config, const struct policies *policies, struct err *err)
{
    struct egress egress = {.context = {.policy = &policies->network, .find = find_grant, .report = report}, .listen_fd = -1};
    int           result;

    (void)config;
    (void)prctl(PR_SET_NAME, "penny-egress");
    (void)signal(SIGPIPE, SIG_IGN);
    TAILQ_INIT(&egress.grants);
    result = drop_privileges(policies, err);
    if (result == 0)
        result = start(&egress, err);
    if (result == 0)
        (void)event_base_dispatch(egress.context.base);
    finish(&egress);
    return result;
}
