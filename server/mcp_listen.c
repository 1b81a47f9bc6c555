#define _GNU_SOURCE
#include "mcp_listen.h"

#include <event2/event_struct.h>
#include <stdlib.h>

#include "api_error.h"
#include "sse.h"

enum { LOOK_S = 1, PING_TURNS = 10 /* looks from one sign of life to the next */ };

struct listener {
    struct server      *server;
    struct http_stream *stream;
    struct id           session;
    struct event        timer;
    unsigned            turn;
};

static void on_gone(void *arg)
{
    struct listener *listener = arg;
    (void)evtimer_del(&listener->timer);
    free(listener);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    struct session  *session  = sessions_find(server_sessions(listener->server), &listener->session);

    (void)fd;
    (void)what;
    if (session == NULL || sessions_are_draining(server_sessions(listener->server))) {
        http_stream_end(listener->stream);
        on_gone(listener);
        return;
    }
    if (++listener->turn % PING_TURNS != 0)
        return;
    session_touch(session);
    (void)http_stream_write(listener->stream, SSE_PING, sizeof SSE_PING - 1);
}

void mcp_listen(struct server *server, struct http_request *request, struct session *session)
{
    static const struct timeval every    = {.tv_sec = LOOK_S};
    struct listener            *listener = calloc(1, sizeof *listener);

    if (listener == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a stream");
        return;
    }
    *listener = (struct listener){.server = server, .session = *session_id(session)};
    (void)event_assign(&listener->timer, sessions_base(server_sessions(server)), -1, EV_PERSIST, on_timer, listener);
    (void)event_add(&listener->timer, &every);
    http_request_add_header(request, "Cache-Control", "no-cache");
    http_request_add_header(request, "X-Accel-Buffering", "no");
    listener->stream = http_stream_begin(request, 200, "text/event-stream");
    http_stream_set_callbacks(listener->stream, 0, NULL, on_gone, listener);
    (void)http_stream_write(listener->stream, SSE_PING, sizeof SSE_PING - 1); /* the head, and that it is open */
}
