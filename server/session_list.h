/* session_list.h: GET /sessions: filter, order and page. */
#ifndef PENNY_SESSION_LIST_H
#define PENNY_SESSION_LIST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "policies.h"
#include "sessions.h"

struct session_list_query {
    enum { LIST_ANY, LIST_ACTIVE, LIST_IDLE, LIST_TERMINATED } status;
    enum { BY_LAST_ACTIVITY, BY_CREATED, BY_EXECUTIONS } order;
    bool           ascending;
    struct tenant *owner; /* whose are shown */
    size_t         limit, offset;
};

/* Reads status, limit, offset, sortBy and sortOrder. Returns false when something is wrong: the request has been answered. */
bool session_list_read(struct session_list_query *query, struct http_request *request);

/* {sessions, total, limit, offset}; NULL when memory is short. */
json_t *session_list_write(struct sessions *sessions, const struct session_list_query *query, const struct policies *policies,
                           const json_t *isolation);

#endif
