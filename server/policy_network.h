/* policy_network.h: section `network` of policies/resources.json: whether executions may reach anything, and what. */
#ifndef PENNY_POLICY_NETWORK_H
#define PENNY_POLICY_NETWORK_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "policy_file.h"

enum { NETWORK_PORTS_MAX = 32 };

struct policy_network {
    bool     enabled;
    uint32_t connections;                  /* at once, of one execution */
    uint32_t timeout_ms;                   /* to resolve and connect, and of silence */
    uint64_t download_bytes, upload_bytes; /* of one execution */
    uint16_t ports[NETWORK_PORTS_MAX];
    size_t   port_count;
    json_t  *section; /* as read; owned, NULL: there is none */
};

/* Returns 0, or -1 with "path:line: reason". */
int  policy_network_read(struct policy_network *network, const struct policy_file *file, struct err *err);
void policy_network_done(struct policy_network *network);

/* Whether the key of this name may let its executions use the network; NULL: there are no keys. */
bool policy_network_allows_key(const struct policy_network *network, const char *key);
/* Whether this host (lower case, no dot at its end) may be reached at this port. */
bool policy_network_allows(const struct policy_network *network, const char *host, uint16_t port);
/* The address that the policy gives to a host instead of DNS; NULL: none. */
const char *policy_network_host(const struct policy_network *network, const char *host);
/* Whether an address may be connected to: public ones, and those that the policy names. IPv4 or IPv6. */
bool policy_network_allows_address(const struct policy_network *network, const struct sockaddr *address);

#endif
