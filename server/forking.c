#include "forking.h"

#include <stdio.h>

#include "api_error.h"

static void on_client_gone(void *arg)
{
    struct forking *forking = arg;
    struct session *parent  = sessions_find(server_sessions(forking->server), &forking->parent);
    if (parent != NULL)
        session_fork_forget(parent, forking);
    forking->release(forking);
}

static void on_answer(const struct fork_answer *answer, void *arg)
{
    struct forking *forking = arg;
    http_request_on_gone(forking->request, NULL, NULL);
    if (answer->end == FORK_DONE)
        forking->on_done(forking, sessions_find(server_sessions(forking->server), &forking->parent), answer);
    else
        forking_refuse(forking->request, answer);
    forking->release(forking);
}

void forking_begin(struct forking *forking, struct server *server, struct http_request *request, struct session *parent, size_t count,
                   bool may_wait)
{
    struct err err   = {0};
    forking->server  = server;
    forking->request = request;
    forking->parent  = *session_id(parent);
    if (session_fork(parent, count, may_wait, on_answer, forking, &err) == 0) {
        http_request_on_gone(request, on_client_gone, forking);
        return;
    }
    api_error_refused(request, &err);
    forking->release(forking);
}

bool forking_is_closed(struct http_request *request, struct server *server)
{
    bool closed = sessions_are_draining(server_sessions(server));
    if (closed)
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
    return closed;
}

void forking_refuse(struct http_request *request, const struct fork_answer *answer)
{
    char message[320];
    switch (answer->end) {
    case FORK_REFUSED:
        (void)snprintf(message, sizeof message, "The session can't be copied now: %s", answer->reason);
        http_reply_error(request, 409, "FORK_NOT_POSSIBLE", message, NULL, 0);
        break;
    case FORK_OVER: http_reply_error(request, 409, "SESSION_GONE", "The session has ended meanwhile", NULL, 0); break;
    case FORK_DIED: api_error_unavailable(request, "FORK_FAILED", "The interpreter died before it could be copied"); break;
    default:
        (void)snprintf(message, sizeof message, "The session could not be copied: %s", answer->reason);
        api_error_unavailable(request, "FORK_FAILED", message);
        break;
    }
}
