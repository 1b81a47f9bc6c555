/* server_private.h: what server*.c share. Nobody else includes it. */
#ifndef PENNY_SERVER_PRIVATE_H
#define PENNY_SERVER_PRIVATE_H

#include <event2/event.h>

#include "http.h"
#include "http_tls.h"
#include "keep.h"
#include "loop_lag.h"
#include "pool.h"
#include "resume.h"
#include "route.h"
#include "server.h"
#include "static.h"
#include "tenants.h"
#include "workers.h"

struct server {
    const struct config   *config;
    const struct policies *policies;
    struct event_base     *base;
    struct packages       *packages;
    struct egress_client  *egress;
    struct analysis       *analysis;
    struct http           *http;
    struct router         *router;
    struct static_files   *files;
    struct workers        *workers;
    struct pool           *pool;
    struct sessions       *sessions;
    struct watcher_hub    *watchers;
    struct tenants        *tenants;
    struct http_tls       *tls; /* NULL: plain HTTP */
    struct loop_lag       *lag;
    struct keep           *keep;
    struct resume         *resume;
    int64_t                started_ms; /* since 1970 */
    struct event          *supervisor_readable, *limit, *ticker;
    bool                   stopping, announced, is_resumed, has_first;
    unsigned               idle_ticks;
};

/* server_start.c */
int  server_start(struct server *server, struct err *err);
void server_finish(struct server *server); /* whatever there is of it */

/* server_supervisor.c */
int  server_watch_supervisor(struct server *server, struct err *err);
void server_tell_supervisor(char type, const char *text);
/* Says once that it serves, or why it can't: when requests are answered, and a first session can be had, or not. */
void server_announce(struct server *server);

/* server_end.c */
/* Ends all sessions, lets their last events and answers be sent, then leaves the loop. */
void server_stop(struct server *server);
/* Lets what runs come to its end first. */
void server_drain(struct server *server);
/* Another server process takes over. What was answered has a moment to leave; what comes from now on waits for the other one. */
void server_yield(struct server *server);

#endif
