#define _GNU_SOURCE
#include "api_forks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_body.h"
#include "session_fork.h"

/* A request that waits for its forks. */
struct forking {
    struct server         *server;
    struct http_request   *request;
    struct id              parent;
    struct session_request wanted;
    bool                   has_metadata;
};

static void forking_free(struct forking *forking)
{
    json_decref(forking->wanted.metadata);
    free(forking);
}

static struct session *parent_of(const struct forking *forking)
{
    return sessions_find(server_sessions(forking->server), &forking->parent);
}

static void on_client_gone(void *arg)
{
    struct forking *forking = arg;
    struct session *parent  = parent_of(forking);
    if (parent != NULL)
        session_fork_forget(parent, forking);
    forking_free(forking);
}

void api_forks_refuse(struct http_request *request, const struct fork_answer *answer)
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

/* What the forks are asked for like: everything as in the parent, but for what the request says. */
static void copy_parent(struct forking *forking, const struct session *parent)
{
    struct session_info info;
    session_get_info(parent, &info);
    if (!forking->has_metadata)
        forking->wanted.metadata = json_incref((json_t *)info.metadata);
    forking->wanted.environment     = (json_t *)info.environment;
    forking->wanted.limits          = info.limits;
    forking->wanted.idle_timeout_ms = info.idle_timeout_ms;
    forking->wanted.owner           = session_owner(parent);
    forking->wanted.has_checkpoints = true;
    forking->wanted.checkpoints     = info.checkpoints;
    (void)snprintf(forking->wanted.profile, sizeof forking->wanted.profile, "%s", info.profile);
}

/* All or none. */
static size_t make_sessions(struct forking *forking, const struct session *parent, const struct fork_answer *answer, struct session **ret,
                            struct err *err)
{
    struct sessions *sessions = server_sessions(forking->server);
    size_t           n        = 0;

    while (n < answer->count &&
           (ret[n] = sessions_add_fork(sessions, parent, &forking->wanted, answer->workers[n], answer->moment, err)) != NULL)
        n++;
    if (n == answer->count)
        return n;
    for (size_t i = n + 1; i < answer->count; i++)
        worker_release(answer->workers[i]);
    for (size_t i = 0; i < n; i++)
        session_end(ret[i], "could not be made with the others", NULL, NULL);
    return 0;
}

static void reply(struct forking *forking, struct session *const *made, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, session_body_write(made[i], server_policies(forking->server), server_isolation(forking->server)));
    http_reply_json(forking->request, 201, json_pack("{s:o}", "sessions", list));
}

static void on_answer(const struct fork_answer *answer, void *arg)
{
    struct forking *forking = arg;
    struct session *parent  = parent_of(forking), *made[FORK_COUNT_MAX];
    struct err      err     = {0};
    size_t          count;

    http_request_on_gone(forking->request, NULL, NULL);
    if (answer->end != FORK_DONE) {
        api_forks_refuse(forking->request, answer);
    } else {
        copy_parent(forking, parent);
        count = make_sessions(forking, parent, answer, made, &err);
        if (count > 0)
            reply(forking, made, count);
        else
            api_error_refused(forking->request, &err);
    }
    forking_free(forking);
}

void api_forks_create(struct http_request *request, void *context)
{
    struct server         *server    = context;
    struct session        *parent    = api_session_of(request, server_sessions(server));
    struct session_request signed_by = {0};
    struct json_check      check     = JSON_CHECK_INIT;
    struct err             err       = {0};
    struct session_info    info;
    struct forking        *forking;
    json_t                *metadata = NULL;
    int64_t                count    = 1;
    bool                   queue    = true;

    if (parent == NULL)
        return;
    (void)json_field_integer(&check, http_request_json(request), "count", 1, server_policies(server)->forks, &count);
    (void)json_field_object(&check, http_request_json(request), "metadata", &metadata);
    (void)json_field_bool(&check, http_request_json(request), "queue", &queue);
    if (json_check_reply(&check, request))
        return;
    if (sessions_are_draining(server_sessions(server))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    session_get_info(parent, &info);
    (void)snprintf(signed_by.profile, sizeof signed_by.profile, "%s", info.profile);
    if (!api_sign_request(request, server_config(server), &signed_by))
        return;
    forking = calloc(1, sizeof *forking);
    if (forking == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a fork");
        return;
    }
    *forking = (struct forking){.server = server, .request = request, .parent = *session_id(parent), .has_metadata = metadata != NULL};
    forking->wanted.metadata = json_incref(metadata);
    forking->wanted.origin   = signed_by.origin;
    http_request_on_gone(request, on_client_gone, forking);
    if (sessions_check_room(server_sessions(server), session_owner(parent), (size_t)count, &err) < 0 ||
        session_fork(parent, (size_t)count, queue, on_answer, forking, &err) < 0) {
        http_request_on_gone(request, NULL, NULL);
        api_error_refused(request, &err);
        forking_free(forking);
    }
}
