/* egress_connection.h: one connection of a session to the proxy, and the one to the outside that belongs to it. */
#ifndef PENNY_EGRESS_CONNECTION_H
#define PENNY_EGRESS_CONNECTION_H

#include <event2/dns.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "egress_wire.h"
#include "policy_network.h"

struct egress_connection;

/* What an execution may, and has used. */
struct egress_grant {
    TAILQ_ENTRY(egress_grant) entry;
    uint64_t id;
    char     token[EGRESS_TOKEN_BYTES];
    uint32_t count;
    uint64_t sent, received;
    TAILQ_HEAD(egress_connections, egress_connection) connections;
};

struct egress_context {
    struct event_base           *base;
    struct evdns_base           *dns;
    const struct policy_network *policy;
    size_t                       open;                                               /* connections in all */
    struct egress_grant *(*find)(struct egress_context *context, const char *token); /* NULL: worth nothing */
    /* An end or a refusal; grant may be NULL. */
    void (*report)(struct egress_context *context, const struct egress_grant *grant, enum egress_outcome outcome, const char *host,
                   uint16_t port, uint64_t sent, uint64_t received);
};

/* Serves an accepted socket (owned). */
void egress_connection_start(struct egress_context *context, evutil_socket_t fd);
/* Ends all connections of a grant, each with its report. */
void egress_connection_end_all(struct egress_grant *grant);

#endif
