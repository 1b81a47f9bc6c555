#define _GNU_SOURCE
#include "api_forks.h"

#include <stdio.h>
#include <stdlib.h>

#include "api_error.h"
#include "forking.h"
#include "json.h"
#include "session_body.h"

struct asked {
    struct forking         forking; /* first */
    struct session_request wanted;
    bool                   has_metadata;
};

static void asked_free(struct forking *forking)
{
    struct asked *asked = (struct asked *)forking;
    json_decref(asked->wanted.metadata);
    free(asked);
}

/* What the forks are asked for like: everything as in the parent, but for what the request says. */
static void copy_parent(struct asked *asked, const struct session *parent)
{
    struct session_info info;
    session_get_info(parent, &info);
    if (!asked->has_metadata)
        asked->wanted.metadata = json_incref((json_t *)info.metadata);
    asked->wanted.environment     = (json_t *)info.environment;
    asked->wanted.limits          = info.limits;
    asked->wanted.idle_timeout_ms = info.idle_timeout_ms;
    asked->wanted.owner           = session_owner(parent);
    asked->wanted.has_checkpoints = true;
    asked->wanted.checkpoints     = info.checkpoints;
    (void)snprintf(asked->wanted.profile, sizeof asked->wanted.profile, "%s", info.profile);
}

/* All or none. */
static size_t make_sessions(const struct asked *asked, const struct session *parent, const struct fork_answer *answer, struct session **ret,
                            struct err *err)
{
    struct sessions *sessions = server_sessions(asked->forking.server);
    size_t           n        = 0;

    while (n < answer->count &&
           (ret[n] = sessions_add_fork(sessions, parent, &asked->wanted, answer->workers[n], answer->moment, err)) != NULL)
        n++;
    if (n == answer->count)
        return n;
    for (size_t i = n + 1; i < answer->count; i++)
        worker_release(answer->workers[i]);
    for (size_t i = 0; i < n; i++)
        session_end(ret[i], "could not be made with the others", NULL, NULL);
    return 0;
}

static void reply(const struct forking *forking, struct session *const *made, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, session_body_write(made[i], server_policies(forking->server), server_isolation(forking->server)));
    http_reply_json(forking->request, 201, json_pack("{s:o}", "sessions", list));
}

static void on_done(struct forking *forking, struct session *parent, const struct fork_answer *answer)
{
    struct asked   *asked = (struct asked *)forking;
    struct session *made[FORK_COUNT_MAX];
    struct err      err = {0};
    size_t          count;

    copy_parent(asked, parent);
    count = make_sessions(asked, parent, answer, made, &err);
    if (count > 0)
        reply(forking, made, count);
    else
        api_error_refused(forking->request, &err);
}

void api_forks_create(struct http_request *request, void *context)
{
    struct server         *server    = context;
    struct session        *parent    = api_session_of(request, server_sessions(server));
    struct session_request signed_by = {0};
    struct json_check      check     = JSON_CHECK_INIT;
    struct err             err       = {0};
    struct session_info    info;
    struct asked          *asked;
    json_t                *metadata = NULL;
    int64_t                count    = 1;
    bool                   queue    = true;

    if (parent == NULL)
        return;
    (void)json_field_integer(&check, http_request_json(request), "count", 1, server_policies(server)->forks, &count);
    (void)json_field_object(&check, http_request_json(request), "metadata", &metadata);
    (void)json_field_bool(&check, http_request_json(request), "queue", &queue);
    if (json_check_reply(&check, request) || forking_is_closed(request, server))
        return;
    session_get_info(parent, &info);
    (void)snprintf(signed_by.profile, sizeof signed_by.profile, "%s", info.profile);
    if (!api_sign_request(request, server_config(server), &signed_by))
        return;
    if (sessions_check_room(server_sessions(server), session_owner(parent), (size_t)count, &err) < 0) {
        api_error_refused(request, &err);
        return;
    }
    asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a fork");
        return;
    }
    *asked                 = (struct asked){.forking = {.on_done = on_done, .release = asked_free}, .has_metadata = metadata != NULL};
    asked->wanted.metadata = json_incref(metadata);
    asked->wanted.origin   = signed_by.origin;
    forking_begin(&asked->forking, server, request, parent, (size_t)count, queue);
}
