#define _GNU_SOURCE
#include "egress_connection.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "egress_head.h"

enum { BUFFER_BYTES = 64 * 1024, HEAD_TIMEOUT_S = 10, USELESS_MAX = 1 << 20 };

struct egress_connection {
    TAILQ_ENTRY(egress_connection) entry;
    struct egress_context            *context;
    struct egress_grant              *grant; /* NULL before its head was read */
    struct bufferevent               *inside, *outside;
    struct evdns_getaddrinfo_request *query;
    struct event                      limit; /* of resolving and connecting */
    struct egress_head                head;
    uint64_t                          sent, received;
    bool                              is_answered; /* it was refused, and has been told so */
    bool                              is_open;     /* bytes are passed on */
    bool                              is_ending;   /* what is in the other buffer is still to be written */
    bool                              has_query;
};

static void on_limit(evutil_socket_t fd, short what, void *arg);

static void leave_grant(struct egress_connection *connection)
{
    if (connection->grant == NULL)
        return;
    TAILQ_REMOVE(&connection->grant->connections, connection, entry);
    connection->grant->count--;
    connection->grant = NULL;
}

static void connection_free(struct egress_connection *connection)
{
    struct evdns_getaddrinfo_request *query = connection->query;
    leave_grant(connection);
    if (connection->inside != NULL) {
        bufferevent_free(connection->inside);
        connection->context->open--;
    }
    if (connection->outside != NULL)
        bufferevent_free(connection->outside);
    connection->inside = connection->outside = NULL;
    (void)evtimer_del(&connection->limit);
    egress_head_done(&connection->head);
    if (connection->has_query) { /* its callback comes, and frees */
        connection->query = NULL;
        if (query != NULL)
            evdns_getaddrinfo_cancel(query);
        return;
    }
    free(connection);
}

static void report(const struct egress_connection *connection, enum egress_outcome outcome)
{
    connection->context->report(connection->context, connection->grant, outcome, connection->head.host, connection->head.port,
                                connection->sent, connection->received);
}

static void finish(struct egress_connection *connection, enum egress_outcome outcome)
{
    report(connection, outcome);
    connection_free(connection);
}

/* The last bytes to the session have been written. What it has sent meanwhile is read, or they would be lost with it. */
static void on_answered(struct bufferevent *inside, void *arg)
{
    (void)arg;
    (void)shutdown(bufferevent_getfd(inside), SHUT_WR);
}

static void on_useless(struct bufferevent *inside, void *arg)
{
    struct egress_connection *connection = arg;
    struct evbuffer          *input      = bufferevent_get_input(inside);
    connection->sent += evbuffer_get_length(input);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    if (connection->sent > USELESS_MAX)
        connection_free(connection);
}

static void on_answer_event(struct bufferevent *inside, short what, void *arg)
{
    (void)inside;
    (void)what;
    connection_free(arg);
}

static const struct {
    int         status;
    const char *reason, *text;
} REFUSALS[EGRESS_OUTCOMES] = {
    [EGRESS_BAD_REQUEST] = {400, "Bad Request", "this is no request to a proxy"},
    [EGRESS_NO_TOKEN]    = {407, "Proxy Authentication Required", "this execution may not use the network (allowNetworking)"},
    [EGRESS_BAD_HOST]    = {403, "Forbidden", "the policy does not allow this host at this port"},
    [EGRESS_BAD_ADDRESS] = {403, "Forbidden", "this host's address is not one of the public network"},
    [EGRESS_UNRESOLVED]  = {502, "Bad Gateway", "this host has no address"},
    [EGRESS_UNREACHABLE] = {502, "Bad Gateway", "the host could not be connected to"},
    [EGRESS_TOO_MANY]    = {429, "Too Many Requests", "this execution has too many connections open"},
    [EGRESS_TOO_MUCH]    = {403, "Forbidden", "this execution has used all bytes that it may send or receive"},
    [EGRESS_TIMEOUT]     = {504, "Gateway Timeout", "the host did not answer in time"},
};

/* Says why, and ends. Once bytes are passed on there is nothing to be said any more. */
static void refuse(struct egress_connection *connection, enum egress_outcome outcome)
{
    struct timeval patience = {.tv_sec = HEAD_TIMEOUT_S};
    if (connection->is_open || outcome == EGRESS_DONE) {
        finish(connection, outcome);
        return;
    }
    report(connection, outcome);
    leave_grant(connection); /* what is left is to say why */
    connection->is_answered = true;
    if (connection->outside != NULL)
        bufferevent_free(connection->outside);
    connection->outside = NULL;
    (void)evtimer_del(&connection->limit);
    bufferevent_setcb(connection->inside, on_useless, on_answered, on_answer_event, connection);
    bufferevent_set_timeouts(connection->inside, &patience, &patience);
    (void)evbuffer_drain(bufferevent_get_input(connection->inside), evbuffer_get_length(bufferevent_get_input(connection->inside)));
    (void)bufferevent_enable(connection->inside, EV_READ | EV_WRITE);
    (void)evbuffer_add_printf(bufferevent_get_output(connection->inside),
                              "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                              REFUSALS[outcome].status, REFUSALS[outcome].reason,
                              outcome == EGRESS_NO_TOKEN ? "Proxy-Authenticate: Basic realm=\"penny\"\r\n" : "",
                              strlen(REFUSALS[outcome].text) + 1, REFUSALS[outcome].text);
}

/* ---- bytes ---- */

/* Moves what has come to the other side, and counts it. Returns false when that was too much: the connection is gone. */
static bool pass_on(struct egress_connection *connection, struct bufferevent *from, struct bufferevent *to)
{
    const struct policy_network *policy = connection->context->policy;
    struct egress_grant         *grant  = connection->grant;
    size_t                       length = evbuffer_get_length(bufferevent_get_input(from));
    bool                         sends  = from == connection->inside;

    *(sends ? &connection->sent : &connection->received) += length;
    *(sends ? &grant->sent : &grant->received) += length;
    if (grant->sent > policy->upload_bytes || grant->received > policy->download_bytes) {
        finish(connection, EGRESS_TOO_MUCH);
        return false;
    }
    (void)bufferevent_write_buffer(to, bufferevent_get_input(from));
    if (evbuffer_get_length(bufferevent_get_output(to)) >= BUFFER_BYTES) /* until the other side has taken it */
        (void)bufferevent_disable(from, EV_READ);
    return true;
}

static void on_read(struct bufferevent *from, void *arg)
{
    struct egress_connection *connection = arg;
    (void)pass_on(connection, from, from == connection->inside ? connection->outside : connection->inside);
}

/* What was queued for `to` is written. */
static void on_written(struct bufferevent *to, void *arg)
{
    struct egress_connection *connection = arg;
    struct bufferevent       *from       = to == connection->inside ? connection->outside : connection->inside;
    if (connection->is_ending)
        finish(connection, EGRESS_DONE);
    else if (from != NULL)
        (void)bufferevent_enable(from, EV_READ);
}

/* One side has ended: the other gets what is left, and its end. */
static void on_end(struct egress_connection *connection, struct bufferevent *from)
{
    struct bufferevent *to = from == connection->inside ? connection->outside : connection->inside;
    if (connection->is_ending) {
        finish(connection, EGRESS_DONE);
        return;
    }
    if (evbuffer_get_length(bufferevent_get_input(from)) > 0 && !pass_on(connection, from, to))
        return;
    (void)bufferevent_disable(from, EV_READ);
    if (from == connection->outside && evbuffer_get_length(bufferevent_get_output(to)) > 0) {
        connection->is_ending = true;
        return;
    }
    if (from == connection->inside && evbuffer_get_length(bufferevent_get_output(to)) == 0) {
        (void)shutdown(bufferevent_getfd(to), SHUT_WR); /* a client that has said all may still wait for the answer */
        return;
    }
    if (from == connection->outside)
        finish(connection, EGRESS_DONE);
}

static void on_event(struct bufferevent *from, short what, void *arg)
{
    struct egress_connection *connection = arg;
    if ((what & BEV_EVENT_TIMEOUT) != 0)
        finish(connection, EGRESS_TIMEOUT);
    else if ((what & BEV_EVENT_EOF) != 0)
        on_end(connection, from);
    else if ((what & BEV_EVENT_ERROR) != 0)
        finish(connection, EGRESS_DONE);
}

/* ---- to the outside ---- */

static void open_up(struct egress_connection *connection)
{
    static const char connected[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    uint32_t          ms          = connection->context->policy->timeout_ms;
    struct timeval    silence     = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    (void)evtimer_del(&connection->limit);
    connection->is_open = true;
    if (connection->head.is_connect) {
        (void)bufferevent_write(connection->inside, connected, sizeof connected - 1);
    } else {
        connection->sent += connection->head.forward.length;
        connection->grant->sent += connection->head.forward.length;
        (void)bufferevent_write(connection->outside, connection->head.forward.data, connection->head.forward.length);
    }
    bufferevent_setcb(connection->inside, on_read, on_written, on_event, connection);
    bufferevent_setcb(connection->outside, on_read, on_written, on_event, connection);
    bufferevent_set_timeouts(connection->outside, &silence, NULL);
    bufferevent_set_timeouts(connection->inside, NULL, &silence);
    bufferevent_setwatermark(connection->inside, EV_READ, 0, BUFFER_BYTES);
    bufferevent_setwatermark(connection->outside, EV_READ, 0, BUFFER_BYTES);
    (void)bufferevent_enable(connection->inside, EV_READ | EV_WRITE);
    (void)bufferevent_enable(connection->outside, EV_READ | EV_WRITE);
    if (evbuffer_get_length(bufferevent_get_input(connection->inside)) > 0) /* came with the head */
        (void)pass_on(connection, connection->inside, connection->outside);
}

static void on_connected(struct bufferevent *outside, short what, void *arg)
{
    struct egress_connection *connection = arg;
    (void)outside;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        open_up(connection);
    else
        refuse(connection, EGRESS_UNREACHABLE);
}

static void connect_to(struct egress_connection *connection, const struct sockaddr *address, size_t length)
{
    connection->outside = bufferevent_socket_new(connection->context->base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (connection->outside == NULL) {
        refuse(connection, EGRESS_UNREACHABLE);
        return;
    }
    bufferevent_setcb(connection->outside, NULL, NULL, on_connected, connection);
    if (bufferevent_socket_connect(connection->outside, address, (int)length) < 0)
        refuse(connection, EGRESS_UNREACHABLE);
}

/* The first address that may be reached is connected to as it stands: it is not asked for again. */
static void on_resolved(int result, struct evutil_addrinfo *found, void *arg)
{
    struct egress_connection *connection = arg;
    struct evutil_addrinfo   *at         = found;

    connection->has_query = false;
    connection->query     = NULL;
    if (connection->inside == NULL) { /* gone meanwhile */
        free(connection);
    } else if (connection->is_answered) {
        /* it took too long */
    } else if (result != 0 || found == NULL) {
        refuse(connection, EGRESS_UNRESOLVED);
    } else {
        while (at != NULL && !policy_network_allows_address(connection->context->policy, at->ai_addr))
            at = at->ai_next;
        if (at == NULL)
            refuse(connection, EGRESS_BAD_ADDRESS);
        else
            connect_to(connection, at->ai_addr, at->ai_addrlen);
    }
    if (found != NULL)
        evutil_freeaddrinfo(found);
}

static void resolve(struct egress_connection *connection)
{
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP, .ai_flags = EVUTIL_AI_NUMERICSERV};
    const char                       *given = policy_network_host(connection->context->policy, connection->head.host);
    char                              name[EGRESS_HOST_BYTES], port[8];
    struct evdns_getaddrinfo_request *query;

    (void)snprintf(name, sizeof name, "%s", given != NULL ? given : connection->head.host);
    if (name[0] == '[') {
        memmove(name, name + 1, strlen(name));
        name[strcspn(name, "]")] = '\0';
    }
    (void)snprintf(port, sizeof port, "%u", (unsigned)connection->head.port);
    connection->has_query = true;
    query                 = evdns_getaddrinfo(connection->context->dns, name, port, &hints, on_resolved, connection);
    if (query != NULL) /* NULL: it has been answered, and the connection may be gone */
        connection->query = query;
}

/* ---- from the inside ---- */

static void judge(struct egress_connection *connection)
{
    const struct policy_network *policy = connection->context->policy;
    struct egress_grant         *grant =
        connection->head.token[0] != '\0' ? connection->context->find(connection->context, connection->head.token) : NULL;

    if (grant == NULL) {
        refuse(connection, EGRESS_NO_TOKEN);
        return;
    }
    connection->grant = grant;
    grant->count++;
    TAILQ_INSERT_TAIL(&grant->connections, connection, entry);
    if (grant->count > policy->connections)
        refuse(connection, EGRESS_TOO_MANY);
    else if (grant->sent >= policy->upload_bytes || grant->received >= policy->download_bytes)
        refuse(connection, EGRESS_TOO_MUCH);
    else if (!policy_network_allows(policy, connection->head.host, connection->head.port))
        refuse(connection, EGRESS_BAD_HOST);
    else
        resolve(connection);
}

static void on_head(struct bufferevent *inside, void *arg)
{
    struct egress_connection *connection = arg;
    struct evbuffer          *input      = bufferevent_get_input(inside);
    struct timeval            limit      = {.tv_sec  = connection->context->policy->timeout_ms / 1000,
                                            .tv_usec = connection->context->policy->timeout_ms % 1000 * 1000};
    ssize_t n = egress_head_parse((const char *)evbuffer_pullup(input, -1), evbuffer_get_length(input), &connection->head);

    if (n == 0)
        return;
    bufferevent_set_timeouts(inside, NULL, NULL);
    (void)evtimer_add(&connection->limit, &limit);
    (void)bufferevent_disable(inside, EV_READ);
    bufferevent_setcb(inside, NULL, NULL, on_answer_event, connection);
    if (n < 0) {
        refuse(connection, EGRESS_BAD_REQUEST);
        return;
    }
    (void)evbuffer_drain(input, (size_t)n);
    judge(connection);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    refuse(arg, EGRESS_TIMEOUT);
}

void egress_connection_start(struct egress_context *context, evutil_socket_t fd)
{
    struct timeval            limit      = {.tv_sec = HEAD_TIMEOUT_S};
    struct egress_connection *connection = calloc(1, sizeof *connection);
    if (connection != NULL)
        connection->inside = bufferevent_socket_new(context->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (connection == NULL || connection->inside == NULL) {
        free(connection);
        (void)evutil_closesocket(fd);
        return;
    }
    context->open++;
    connection->context = context;
    (void)evtimer_assign(&connection->limit, context->base, on_limit, connection);
    bufferevent_setcb(connection->inside, on_head, NULL, on_answer_event, connection);
    bufferevent_setwatermark(connection->inside, EV_READ, 0, EGRESS_HEAD_MAX + 1024);
    bufferevent_set_timeouts(connection->inside, &limit, NULL);
    (void)bufferevent_enable(connection->inside, EV_READ | EV_WRITE);
}

void egress_connection_end_all(struct egress_grant *grant)
{
    struct egress_connection *connection;
    while ((connection = TAILQ_FIRST(&grant->connections)) != NULL)
        finish(connection, EGRESS_DONE);
}
