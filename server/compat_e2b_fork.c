/* compat_e2b_fork.c: live copies of a sandbox, each a sandbox with an end and a token of its own; its files are the parent's. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "api_audit.h"
#include "api_error.h"
#include "compat_e2b.h"
#include "forking.h"
#include "json.h"

enum { TIMEOUT_DEFAULT_S = 300 };

struct asked {
    struct forking forking; /* first */
    int64_t        seconds;
};

static void asked_free(struct forking *forking)
{
    free(forking);
}

/* As the parent's, with a token of its own. */
static json_t *metadata_of(const struct session *parent)
{
    json_t *about = json_copy((json_t *)compat_e2b_about(parent));
    (void)json_object_set_new(about, "token", compat_e2b_token());
    return json_pack("{s:o}", "e2b", about);
}

static json_t *make(const struct asked *asked, struct session *parent, struct worker *worker, const struct fork_moment *moment)
{
    struct session_request wanted = {.owner = session_owner(parent), .metadata = metadata_of(parent)};
    struct session_info    info;
    struct session        *made;
    struct err             err = {0};

    session_get_info(parent, &info);
    wanted.limits = info.limits;
    compat_e2b_part(parent, asked->forking.request, &wanted);
    made = sessions_add_fork(server_sessions(asked->forking.server), parent, &wanted, worker, moment, &err);
    json_decref(wanted.metadata);
    if (made == NULL)
        return json_pack("{s:{s:i, s:s}}", "error", "code", err.code == EAGAIN || err.code == EDQUOT ? 429 : 503, "message", err.message);
    session_set_deadline(made, asked->seconds > 0 ? asked->seconds * 1000 : 1, info.pauses);
    return json_pack("{s:o}", "sandbox", compat_e2b_write(made));
}

static void on_done(struct forking *forking, struct session *parent, const struct fork_answer *answer)
{
    json_t *all = json_array();
    for (size_t i = 0; i < answer->count; i++)
        (void)json_array_append_new(all, make((struct asked *)forking, parent, answer->workers[i], answer->moment));
    http_reply_json(forking->request, 201, all);
}

void compat_e2b_fork(struct http_request *request, void *context)
{
    struct session     *parent = compat_e2b_sandbox_of(request, context);
    struct json_check   check  = JSON_CHECK_INIT;
    int64_t             count = 1, seconds = TIMEOUT_DEFAULT_S;
    struct asked       *asked;
    struct session_info info;

    if (parent == NULL)
        return;
    (void)json_field_integer(&check, http_request_json(request), "count", 1, server_policies(context)->forks, &count);
    (void)json_field_integer(&check, http_request_json(request), "timeout", 0, COMPAT_E2B_TIMEOUT_MAX_S, &seconds);
    if (json_check_reply(&check, request) || forking_is_closed(request, context))
        return;
    session_get_info(parent, &info);
    if (info.paused) {
        http_reply_error(request, 409, "SANDBOX_PAUSED", "The sandbox is paused: resume it first", NULL, 0);
        return;
    }
    asked = calloc(1, sizeof *asked);
    if (asked == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a fork");
        return;
    }
    *asked = (struct asked){.forking = {.on_done = on_done, .release = asked_free}, .seconds = seconds};
    forking_begin(&asked->forking, context, request, parent, (size_t)count, true);
}

void compat_e2b_snapshot(struct http_request *request, void *context)
{
    if (compat_e2b_sandbox_of(request, context) != NULL)
        http_reply_error(
            request, 400, "SNAPSHOTS_NOT_KEPT",
            "There are no snapshots that outlive a sandbox here: fork it, pause it, or keep a checkpoint of its session (/api/v1)", NULL,
            0);
}
