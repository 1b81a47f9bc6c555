/* service_status.h: what /health and /ready say, asked of the core in one call. */
#ifndef PENNY_SERVICE_STATUS_H
#define PENNY_SERVICE_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct service_status {
    uint32_t sessions_active, sessions_pooled;  /* with an id; warm and without one */
    uint64_t sessions_total;                    /* ever created */
    uint32_t sessions_limit, sessions_possible; /* by configuration; by the number of files the server process may open */
    uint32_t executions_running, executions_queued;
    uint64_t executions_total;
    bool     zygote_up;          /* false: no new session can be made at the moment */
    bool     draining;           /* the server is about to stop */
    json_t  *isolation;          /* borrowed: the zygote's report; NULL until it has come */
    uint32_t default_timeout_ms; /* of an execution */
    uint64_t output_bytes;       /* cap of an execution's output */
    char     profile[16];        /* default import profile */
};

/* Written by the core; `context` is the one the route table's handlers get. */
void service_status_get(void *context, struct service_status *ret);

#endif
