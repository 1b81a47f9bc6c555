/*
 * zygote_client.h: the server's end of the socket to the zygote (zygote_wire.h). Sends never block: what the socket does not take
 * waits in a queue. A new socket may be attached at any time; what was queued for the former one is dropped.
 */
#ifndef PENNY_ZYGOTE_CLIENT_H
#define PENNY_ZYGOTE_CLIENT_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "err.h"
#include "zygote_wire.h"

struct zygote_client;

/* All are called from the loop. `fds` are owned by the callee from then on. */
struct zygote_events {
    void (*on_ready)(void *arg, json_t *report); /* the isolation report, owned by the callee; may be NULL */
    void (*on_spawned)(void *arg, const struct zygote_message *message, const int fds[SESSION_FD_COUNT]);
    void (*on_message)(void *arg, const struct zygote_message *message); /* SPAWN_FAILED, EXITED, STATS_REPLY */
    void (*on_way_out)(void *arg,
                       int   fd); /* comes after on_ready, with the socket inside the sessions' network (owned) or -1; may be NULL */
    void (*on_session)(void *arg, const struct zygote_message *message, int control_fd); /* one that an earlier server process had */
    void (*on_listed)(void *arg);                                                        /* that were all of them */
    bool (*on_crowded)(void *arg); /* a session's descriptors leave no room for others: makes some, as many. May be NULL */
    void (*on_lost)(void *arg);    /* the socket has ended: answers outstanding will not come */
};

struct zygote_client *zygote_client_new(struct event_base *base, const struct zygote_events *events, void *arg, struct err *err);
void                  zygote_client_free(struct zygote_client *client);

/* Uses `fd` (owned from then on; SOCK_SEQPACKET, made non-blocking) from now on. Returns 0 or -1. */
int zygote_client_attach(struct zygote_client *client, int fd, struct err *err);
/* A socket is attached and READY has come over it. */
bool zygote_client_is_ready(const struct zygote_client *client);

/* Each sends one message. Returns 0, or -1 when no socket is attached or the queue is full. */
int zygote_client_spawn(struct zygote_client *client, const struct zygote_message *limits_and_session);
int zygote_client_kill(struct zygote_client *client, uint32_t session);
int zygote_client_reclaim(struct zygote_client *client, uint32_t session);
int zygote_client_stats(struct zygote_client *client, uint32_t session);
int zygote_client_limit(struct zygote_client *client, uint32_t session, uint32_t cpu_percent); /* 0: no limit */
int zygote_client_family(struct zygote_client *client, struct zygote_message limits_and_session, uint32_t members);
int zygote_client_worker(struct zygote_client *client, struct zygote_message limits_and_session, uint32_t member);
int zygote_client_adopt(struct zygote_client *client, uint32_t session, int32_t pid, uint32_t uid, int control_fd); /* fd is borrowed */

#endif
