/* compat_e2b_fork.c: live copies of a sandbox, each a sandbox with an end and a token of its own; its files are the parent's. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "api_audit.h"
#include "api_error.h"
#include "api_forks.h"
#include "compat_e2b.h"
#include "json.h"
#include "session_fork.h"

enum { TIMEOUT_DEFAULT_S = 300 };

/* A request that waits for its forks. */
struct forking {
    struct server       *server;
    struct http_request *request;
    struct id            parent;
    int64_t              seconds;
};

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
    free(forking);
}

/* As the parent's, with a token of its own. */
static json_t *metadata_of(const struct session *parent)
{
    json_t *about = json_copy((json_t *)compat_e2b_about(parent));
    (void)json_object_set_new(about, "token", compat_e2b_token());
    return json_pack("{s:o}", "e2b", about);
}

static json_t *make(const struct forking *forking, struct session *parent, struct worker *worker, const struct fork_moment *moment)
{
    struct session_request wanted = {.owner = session_owner(parent), .metadata = metadata_of(parent)};
    struct session_info    info;
    struct session        *made;
    struct err             err = {0};

    session_get_info(parent, &info);
    wanted.limits = info.limits;
    compat_e2b_part(parent, forking->request, &wanted);
    made = sessions_add_fork(server_sessions(forking->server), parent, &wanted, worker, moment, &err);
    json_decref(wanted.metadata);
    if (made == NULL)
        return json_pack("{s:{s:i, s:s}}", "error", "code", err.code == EAGAIN || err.code == EDQUOT ? 429 : 503, "message", err.message);
    session_set_deadline(made, forking->seconds > 0 ? forking->seconds * 1000 : 1, info.pauses);
    return json_pack("{s:o}", "sandbox", compat_e2b_write(made));
}

static void on_answer(const struct fork_answer *answer, void *arg)
{
    struct forking *forking = arg;
    struct session *parent  = parent_of(forking);
    json_t         *all;

    if (answer->end != FORK_DONE) {
        http_request_on_gone(forking->request, NULL, NULL);
        api_forks_refuse(forking->request, answer);
        free(forking);
        return;
    }
    all = json_array();
    for (size_t i = 0; i < answer->count; i++)
        (void)json_array_append_new(all, make(forking, parent, answer->workers[i], answer->moment));
    http_request_on_gone(forking->request, NULL, NULL);
    http_reply_json(forking->request, 201, all);
    free(forking);
}

void compat_e2b_fork(struct http_request *request, void *context)
{
    struct session     *parent = compat_e2b_sandbox_of(request, context);
    struct json_check   check  = JSON_CHECK_INIT;
    int64_t             count = 1, seconds = TIMEOUT_DEFAULT_S;
    struct err          err = {0};
    struct forking     *forking;
    struct session_info info;

    if (parent == NULL)
        return;
    (void)json_field_integer(&check, http_request_json(request), "count", 1, server_policies(context)->forks, &count);
    (void)json_field_integer(&check, http_request_json(request), "timeout", 0, COMPAT_E2B_TIMEOUT_MAX_S, &seconds);
    if (json_check_reply(&check, request))
        return;
    if (sessions_are_draining(server_sessions(context))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    session_get_info(parent, &info);
    if (info.paused) {
        http_reply_error(request, 409, "SANDBOX_PAUSED", "The sandbox is paused: resume it first", NULL, 0);
        return;
    }
    forking = calloc(1, sizeof *forking);
    if (forking == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a fork");
        return;
    }
    *forking = (struct forking){context, request, *session_id(parent), seconds};
    if (session_fork(parent, (size_t)count, true, on_answer, forking, &err) < 0) {
        free(forking);
        api_error_refused(request, &err);
        return;
    }
    http_request_on_gone(request, on_client_gone, forking);
}

void compat_e2b_snapshot(struct http_request *request, void *context)
{
    if (compat_e2b_sandbox_of(request, context) != NULL)
        http_reply_error(
            request, 400, "SNAPSHOTS_NOT_KEPT",
            "There are no snapshots that outlive a sandbox here: fork it, pause it, or keep a checkpoint of its session (/api/v1)", NULL,
            0);
}
