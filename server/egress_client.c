#define _GNU_SOURCE
#include "egress_client.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit.h"
#include "fdio.h"
#include "log.h"
#include "metrics.h"
#include "supervisor_wire.h"
#include "tenant.h"

enum { RESTART_S = 1, SEND_BUFFER_BYTES = 1 << 20, PER_WAKE_UP = 64 };

struct grant {
    TAILQ_ENTRY(grant) entry;
    uint64_t  id;
    char      token[EGRESS_TOKEN_BYTES], key[TENANT_NAME_BYTES];
    struct id session, execution;
    bool      is_revoked;
};

struct egress_client {
    struct event_base     *base;
    const struct policies *policies;
    int                    supervisor_fd, socket_fd, listen_fd;
    struct event           readable, restart;
    uint64_t               last;
    struct egress_counts   counts;
    TAILQ_HEAD(, grant) grants;
};

static void start(struct egress_client *client);

static const char *const NAMES[EGRESS_OUTCOMES] = {
    [EGRESS_DONE]        = "done",
    [EGRESS_BAD_REQUEST] = "bad_request",
    [EGRESS_NO_TOKEN]    = "no_token",
    [EGRESS_BAD_HOST]    = "host_not_allowed",
    [EGRESS_BAD_ADDRESS] = "address_not_allowed",
    [EGRESS_UNRESOLVED]  = "unresolved",
    [EGRESS_UNREACHABLE] = "unreachable",
    [EGRESS_TOO_MANY]    = "too_many",
    [EGRESS_TOO_MUCH]    = "too_much",
    [EGRESS_TIMEOUT]     = "timeout",
};

const char *egress_outcome_name(enum egress_outcome outcome)
{
    return NAMES[outcome];
}

static bool tell(struct egress_client *client, const struct egress_packet *packet, int fd)
{
    if (client->socket_fd < 0)
        return false;
    if (fdio_send(client->socket_fd, packet, sizeof *packet, &fd, fd >= 0 ? 1 : 0) == 0)
        return true;
    log_warn("the egress process can't be told: %s", strerror(errno));
    return false;
}

static void grant_free(struct egress_client *client, struct grant *grant)
{
    TAILQ_REMOVE(&client->grants, grant, entry);
    explicit_bzero(grant->token, sizeof grant->token);
    free(grant);
}

static struct grant *find(const struct egress_client *client, uint64_t id)
{
    struct grant *grant;
    TAILQ_FOREACH(grant, &client->grants, entry)
    {
        if (grant->id == id) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            return grant;
    }
    return NULL;
}

/* ---- what it says ---- */

static bool is_refusal(enum egress_outcome outcome)
{
    return outcome == EGRESS_NO_TOKEN || outcome == EGRESS_BAD_HOST || outcome == EGRESS_BAD_ADDRESS || outcome == EGRESS_TOO_MANY ||
           outcome == EGRESS_TOO_MUCH;
}

static void note(const struct grant *grant, const struct egress_packet *packet)
{
    char              session[ID_TEXT_BYTES], execution[ID_TEXT_BYTES];
    struct audit_line line = {.action       = "network.connection",
                              .key          = grant->key,
                              .outcome      = NAMES[packet->outcome],
                              .session_id   = session,
                              .execution_id = execution};
    if (!audit_is_open())
        return;
    id_format(&grant->session, session);
    id_format(&grant->execution, execution);
    line.details = json_pack("{s:s, s:i, s:I, s:I}", "host", packet->host, "port", (int)packet->port, "sent", (json_int_t)packet->sent,
                             "received", (json_int_t)packet->received);
    audit_write(&line, NULL);
    json_decref(line.details);
}

static void on_packet(struct egress_client *client, struct egress_packet *packet)
{
    struct grant *grant                 = find(client, packet->grant);
    packet->host[EGRESS_HOST_BYTES - 1] = '\0';
    if (packet->type == EGRESS_CONNECTION && packet->outcome < EGRESS_OUTCOMES) {
        client->counts.outcomes[packet->outcome]++;
        client->counts.sent += packet->sent;
        client->counts.received += packet->received;
        if (is_refusal(packet->outcome))
            metrics_deny(METRICS_DENIED_NETWORK);
        if (grant != NULL)
            note(grant, packet);
    } else if (packet->type == EGRESS_CLOSED && grant != NULL && grant->is_revoked) {
        grant_free(client, grant);
    }
}

static void on_lost(struct egress_client *client)
{
    static const struct timeval pause = {.tv_sec = RESTART_S};
    struct grant               *grant, *next;
    log_error("the egress process has ended; it is started again");
    (void)event_del(&client->readable);
    fdio_close(&client->socket_fd);
    for (grant = TAILQ_FIRST(&client->grants); grant != NULL; grant = next) {
        next = TAILQ_NEXT(grant, entry);
        if (grant->is_revoked)
            grant_free(client, grant);
    }
    (void)evtimer_add(&client->restart, &pause);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct egress_client *client = arg;
    struct egress_packet  packet;
    (void)what;
    for (int i = 0; i < PER_WAKE_UP; i++) {
        ssize_t n = fdio_receive(fd, &packet, sizeof packet, NULL, NULL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n != (ssize_t)sizeof packet) {
            on_lost(client);
            return;
        }
        on_packet(client, &packet);
    }
}

/* ---- its life ---- */

static int ask_for_one(struct egress_client *client, struct err *err)
{
    struct supervisor_packet packet = {.type = SUPERVISOR_EGRESS};
    int                      ends[2], result, bytes = SEND_BUFFER_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_errno(err, "cannot make the egress process's socket");
    (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); /* its reports must not be lost when we are busy */
    result = fdio_send(client->supervisor_fd, &packet, sizeof packet, &ends[1], 1);
    fdio_close(&ends[1]);
    if (result < 0 || evutil_make_socket_nonblocking(ends[0]) < 0) {
        fdio_close(&ends[0]);
        return err_errno(err, "cannot ask for the egress process");
    }
    client->socket_fd = ends[0];
    return 0;
}

static void tell_grant(struct egress_client *client, const struct grant *grant)
{
    struct egress_packet packet = {.type = EGRESS_GRANT, .grant = grant->id};
    memcpy(packet.token, grant->token, sizeof packet.token);
    (void)tell(client, &packet, -1);
    explicit_bzero(&packet, sizeof packet);
}

static void start(struct egress_client *client)
{
    const struct egress_packet listen = {.type = EGRESS_LISTEN};
    struct err                 err    = {0};
    struct grant              *grant;
    if (client->listen_fd < 0 || client->socket_fd >= 0)
        return;
    if (ask_for_one(client, &err) < 0) {
        log_error("%s", err.message);
        return;
    }
    (void)event_assign(&client->readable, client->base, client->socket_fd, EV_READ | EV_PERSIST, on_readable, client);
    (void)event_add(&client->readable, NULL);
    (void)tell(client, &listen, client->listen_fd);
    TAILQ_FOREACH(grant, &client->grants, entry)
    {
        tell_grant(client, grant);
    }
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    start(arg);
}

struct egress_client *egress_client_new(struct event_base *base, const struct policies *policies, int supervisor_fd, struct err *err)
{
    struct egress_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        (void)err_set(err, ENOMEM, "no memory for the way out");
        return NULL;
    }
    client->base          = base;
    client->policies      = policies;
    client->supervisor_fd = supervisor_fd;
    client->socket_fd = client->listen_fd = -1;
    TAILQ_INIT(&client->grants);
    (void)evtimer_assign(&client->restart, base, on_restart, client);
    (void)event_assign(&client->readable, base, -1, EV_READ, on_readable, client);
    return client;
}

void egress_client_free(struct egress_client *client)
{
    if (client == NULL)
        return;
    while (!TAILQ_EMPTY(&client->grants))
        grant_free(client, TAILQ_FIRST(&client->grants));
    (void)evtimer_del(&client->restart);
    (void)event_del(&client->readable);
    fdio_close(&client->socket_fd);
    fdio_close(&client->listen_fd);
    free(client);
}

void egress_client_listen(struct egress_client *client, int fd)
{
    const struct egress_packet listen = {.type = EGRESS_LISTEN};
    fdio_close(&client->listen_fd);
    client->listen_fd = fd;
    if (fd < 0)
        return;
    if (client->socket_fd >= 0)
        (void)tell(client, &listen, fd);
    else
        start(client);
}

bool egress_client_is_open(const struct egress_client *client)
{
    return client->policies->network.enabled && client->listen_fd >= 0;
}

static void make_token(char ret_token[EGRESS_TOKEN_BYTES])
{
    unsigned char bytes[(EGRESS_TOKEN_BYTES - 1) / 2];
    while (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        continue;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(ret_token + 2 * i, 3, "%02x", bytes[i]);
}

uint64_t egress_client_grant(struct egress_client *client, const struct id *session, const struct id *execution, const char *key,
                             char ret_token[EGRESS_TOKEN_BYTES])
{
    struct grant *grant = egress_client_is_open(client) ? calloc(1, sizeof *grant) : NULL;
    if (grant == NULL)
        return 0;
    grant->id        = ++client->last;
    grant->session   = *session;
    grant->execution = *execution;
    (void)snprintf(grant->key, sizeof grant->key, "%s", key);
    make_token(grant->token);
    memcpy(ret_token, grant->token, sizeof grant->token);
    TAILQ_INSERT_TAIL(&client->grants, grant, entry);
    tell_grant(client, grant);
    return grant->id;
}

void egress_client_revoke(struct egress_client *client, uint64_t id)
{
    const struct egress_packet packet = {.type = EGRESS_REVOKE, .grant = id};
    struct grant              *grant  = id != 0 ? find(client, id) : NULL;
    if (grant == NULL)
        return;
    grant->is_revoked = true;
    if (!tell(client, &packet, -1))
        grant_free(client, grant);
}

const struct egress_counts *egress_client_counts(const struct egress_client *client)
{
    return &client->counts;
}
