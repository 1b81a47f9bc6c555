/*
 * egress_client.h: the server's side of the way out: keeps the egress process alive, gives executions their tokens, and counts and notes
 * what came of it.
 */
#ifndef PENNY_EGRESS_CLIENT_H
#define PENNY_EGRESS_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "egress_wire.h"
#include "err.h"
#include "id.h"
#include "policies.h"

struct egress_client;

/* Policies borrowed. NULL with err filled. */
struct egress_client *egress_client_new(struct event_base *base, const struct policies *policies, int supervisor_fd, struct err *err);
void                  egress_client_free(struct egress_client *client); /* the process ends with it; NULL is fine */

/* The zygote's socket inside the sessions' network (owned from then on); -1: there is no way out. */
void egress_client_listen(struct egress_client *client, int fd);
/* Whether the policy wants a way out and there is one. */
bool egress_client_is_open(const struct egress_client *client);

/* For one execution. `key`: tenant_name(). Returns the grant's number and its token, or 0: there is no way out, or no memory. */
uint64_t egress_client_grant(struct egress_client *client, const struct id *session, const struct id *execution, const char *key,
                             char ret_token[EGRESS_TOKEN_BYTES]);
void     egress_client_revoke(struct egress_client *client, uint64_t grant); /* 0 is fine */

struct egress_counts {
    uint64_t outcomes[EGRESS_OUTCOMES]; /* connections by how they ended */
    uint64_t sent, received;
};
const struct egress_counts *egress_client_counts(const struct egress_client *client);
const char                 *egress_outcome_name(enum egress_outcome outcome);

#endif
