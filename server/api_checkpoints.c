#define _GNU_SOURCE
#include "api_checkpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "json.h"
#include "server.h"
#include "session_checkpoints.h"

enum { MESSAGE_MAX = 512, SHOWN_MAX = 80 /* of a name that is not one */ };

/* A request that waits for the session. */
struct asking {
    struct server       *server;
    struct http_request *request;
    struct id            session;
    bool                 is_rollback;
};

static void on_asker_gone(void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    if (session != NULL)
        session_checkpoints_forget(session, asking);
    free(asking);
}

static void reply_unknown(struct http_request *request, const char *given)
{
    char message[MESSAGE_MAX];
    if (given != NULL)
        (void)snprintf(message, sizeof message, "Checkpoint '%.*s' not found", SHOWN_MAX, given);
    else
        (void)snprintf(message, sizeof message, "The session has no checkpoint");
    http_reply_error(request, 404, "CHECKPOINT_NOT_FOUND", message, NULL, 0);
}

static void reply_gone(struct http_request *request)
{
    http_reply_error(request, 410, "CHECKPOINT_GONE", "The checkpoint's process has ended; there is nothing to go back to", NULL, 0);
}

static void reply_busy(struct http_request *request)
{
    http_reply_error(request, 409, "SESSION_BUSY", "The session runs a cell; wait for its end, or interrupt it", NULL, 0);
}

static void reply_full(const struct asking *asking)
{
    char message[MESSAGE_MAX];
    (void)snprintf(message, sizeof message, "The session has %u checkpoints already, which is the limit; delete one first",
                   server_policies(asking->server)->checkpoints);
    http_reply_error(asking->request, 409, "CHECKPOINT_LIMIT", message, NULL, 0);
}

static void reply_refused(struct http_request *request, const char *reason)
{
    char message[MESSAGE_MAX];
    (void)snprintf(message, sizeof message, "There can be no checkpoint of this session now: %s", reason);
    http_reply_error(request, 409, "CHECKPOINT_IMPOSSIBLE", message, json_pack("{s:s}", "reason", reason), 0);
}

static void reply_done(const struct asking *asking, const struct checkpoint *checkpoint)
{
    if (asking->is_rollback)
        http_reply_json(asking->request, 200,
                        json_pack("{s:s, s:s, s:I}", "checkpointId", checkpoint->id_text, "name", checkpoint->name, "restoredTo",
                                  (json_int_t)checkpoint->execution_count));
    else
        http_reply_json(asking->request, 201, checkpoint_write(checkpoint));
}

static void on_answer(const struct checkpoint_answer *answer, void *arg)
{
    struct asking *asking = arg;
    char           text[ID_TEXT_BYTES];
    id_format(&asking->session, text);
    switch (answer->end) {
    case CHECKPOINT_DONE: reply_done(asking, answer->checkpoint); break;
    case CHECKPOINT_BUSY: reply_busy(asking->request); break;
    case CHECKPOINT_REFUSED: reply_refused(asking->request, answer->reason); break;
    case CHECKPOINT_FULL: reply_full(asking); break;
    case CHECKPOINT_UNKNOWN: reply_unknown(asking->request, answer->given); break;
    case CHECKPOINT_GONE: reply_gone(asking->request); break;
    case CHECKPOINT_DIED:
        http_reply_error(asking->request, 409, "INTERPRETER_DIED", "The session's interpreter died over this request", NULL, 0);
        break;
    case CHECKPOINT_OVER:
        if (sessions_find(server_sessions(asking->server), &asking->session) == NULL)
            api_error_no_session(asking->request, server_sessions(asking->server), text);
        else
            http_reply_error(asking->request, 409, "SESSION_RESTARTED", "The session was restarted meanwhile", NULL, 0);
        break;
    }
    free(asking);
}

static void ask(struct http_request *request, struct server *server, struct session *session, bool is_rollback, const char *which)
{
    struct asking *asking = api_wait(request, sizeof *asking, on_asker_gone);
    struct err     err    = {0};
    int            asked;
    if (asking == NULL)
        return;
    *asking = (struct asking){.server = server, .request = request, .session = *session_id(session), .is_rollback = is_rollback};
    if (is_rollback)
        asked = session_rollback(session, which, on_answer, asking, &err);
    else
        asked = session_checkpoint(session, which, on_answer, asking, &err);
    if (asked < 0) {
        api_error_refused(request, &err);
        free(asking);
    }
}

void api_checkpoints_create(struct http_request *request, void *context)
{
    struct session   *session = api_session_of(request, server_sessions(context));
    struct json_check check   = JSON_CHECK_INIT;
    const char       *name    = "";
    if (session == NULL)
        return;
    if (json_field_string(&check, http_request_json(request), "name", 1, CHECKPOINT_NAME_CHARS, &name) &&
        strlen(name) != json_string_length(json_object_get(http_request_json(request), "name")))
        json_check_fail(&check, "name", "must not contain NUL characters");
    if (!json_check_reply(&check, request))
        ask(request, context, session, false, name);
}

void api_checkpoints_rollback(struct http_request *request, void *context)
{
    struct session   *session = api_session_of(request, server_sessions(context));
    struct json_check check   = JSON_CHECK_INIT;
    const char       *which   = NULL;
    if (session == NULL)
        return;
    (void)json_field_string(&check, http_request_json(request), "checkpointId", 1, CHECKPOINT_NAME_CHARS, &which);
    if (!json_check_reply(&check, request))
        ask(request, context, session, true, which);
}

void api_checkpoints_delete(struct http_request *request, void *context)
{
    struct session *session = api_session_of(request, server_sessions(context));
    const char     *which   = http_request_parameter(request, 1);
    if (session == NULL)
        return;
    switch (session_checkpoint_drop(session, which)) {
    case CHECKPOINT_DONE: http_reply_json(request, 200, json_pack("{s:b, s:s}", "success", 1, "message", "Checkpoint deleted")); break;
    case CHECKPOINT_BUSY:
        http_reply_error(request, 409, "SESSION_BUSY", "The session is just going back to this checkpoint", NULL, 0);
        break;
    case CHECKPOINT_GONE: reply_gone(request); break;
    default: reply_unknown(request, which); break;
    }
}

json_t *api_checkpoints_status(const struct session *session)
{
    struct checkpoints_info info;
    json_t                 *json;
    session_checkpoints_info(session, &info);
    json = json_pack("{s:s, s:I, s:b}", "mode", checkpoint_mode_name(info.mode), "named", (json_int_t)checkpoints_count_named(info.all),
                     "upToDate", info.is_up_to_date);
    if (json != NULL && info.newest != NULL) {
        (void)json_object_set_new(json, "executionCount", json_integer((json_int_t)info.newest->execution_count));
        (void)json_object_set_new(json, "createdAt", json_time(info.newest->created_ms));
    }
    if (json != NULL && info.reason != NULL)
        (void)json_object_set_new(json, "reason", json_string(info.reason));
    return json;
}

void api_checkpoints_list(struct http_request *request, void *context)
{
    struct session         *session = api_session_of(request, server_sessions(context));
    struct checkpoints_info info;
    if (session == NULL)
        return;
    session_checkpoints_info(session, &info);
    http_reply_json(request, 200,
                    json_pack("{s:o, s:o}", "checkpoints", checkpoints_write(info.all), "state", api_checkpoints_status(session)));
}
