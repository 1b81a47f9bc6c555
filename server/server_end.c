/* server_end.c: how the server process ends: at once, when nothing runs any more, or for another one that takes over. */
#include <unistd.h>

#include "audit.h"
#include "log.h"
#include "server_private.h"

enum {
    END_LIMIT_S = 8,   /* how long the end waits for the last jail */
    END_TICKS   = 100, /* of 10 ms: and then for the last reader */
};

/* One end at a time: each takes the place of the limit before. Returns whether it is set. */
static bool set_limit(struct server *server, event_callback_fn on_limit, const struct timeval *after)
{
    if (server->limit != NULL)
        event_free(server->limit);
    server->limit = evtimer_new(server->base, on_limit, server);
    return server->limit != NULL && evtimer_add(server->limit, after) == 0;
}

/* The last answers, which say how executions ended, are sent; a reader that takes nothing can't hold us up. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    (void)fd;
    (void)what;
    if (workers_count(server->workers) > 0)
        return;
    if (http_connections(server->http) == 0 || ++server->idle_ticks > END_TICKS)
        (void)event_base_loopexit(server->base, NULL);
}

static void on_end_limit(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    (void)fd;
    (void)what;
    log_warn("%zu sessions did not end in time", workers_count(server->workers));
    (void)event_base_loopexit(server->base, NULL);
}

void server_stop(struct server *server)
{
    static const struct timeval tick = {.tv_usec = 10000}, limit = {.tv_sec = END_LIMIT_S};
    if (server->stopping)
        return;
    server->stopping = true;
    http_stop_listening(server->http);
    sessions_end_all(server->sessions, "ended, since the service stops");
    analysis_stop(server->analysis);
    pool_stop(server->pool);
    server->ticker = event_new(server->base, -1, EV_PERSIST, on_tick, server);
    if (server->ticker != NULL)
        (void)event_add(server->ticker, &tick);
    (void)set_limit(server, on_end_limit, &limit);
}

static void on_idle(void *arg)
{
    server_stop(arg);
}

static void on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    server_stop(arg);
}

void server_drain(struct server *server)
{
    uint32_t       ms    = server->config->drain_ms;
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    if (server->stopping)
        return;
    http_stop_listening(server->http);
    (void)set_limit(server, on_drain_limit, &limit);
    sessions_drain(server->sessions, on_idle, server);
}

static void on_yield_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    audit_close();
    _exit(0); /* no end of anything: the next process goes on where this one is, as after a kill */
}

void server_yield(struct server *server)
{
    static const struct timeval moment = {.tv_usec = 100000};
    log_info("another server process goes on");
    http_stop_listening(server->http);
    if (!set_limit(server, on_yield_limit, &moment))
        on_yield_limit(-1, 0, server);
}
