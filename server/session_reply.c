#define _GNU_SOURCE
#include "session_reply.h"

#include <stdlib.h>

#include "api_error.h"
#include "json.h"
#include "session_body.h"
#include "session_inspect.h"

struct asking {
    struct server       *server;
    struct http_request *request;
    struct id            session;
    int                  status;
};

/* `variables` is owned; NULL: not known. */
static void reply(struct server *server, struct http_request *request, const struct session *session, int status, json_t *variables)
{
    json_t *json = session_body_write(session, server_policies(server), server_isolation(server));
    if (json != NULL && variables != NULL)
        (void)json_object_set(json, "variables", variables);
    json_decref(variables);
    http_reply_json(request, status, json);
}

static void on_reply(const struct inspect_reply *said, void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    char            text[ID_TEXT_BYTES];

    if (session != NULL) {
        json_t *variables = said->end == INSPECT_ANSWERED ? json_object_get(said->json, "variables") : NULL;
        reply(asking->server, asking->request, session, asking->status, json_is_object(variables) ? json_incref(variables) : NULL);
    } else {
        id_format(&asking->session, text);
        api_error_no_session(asking->request, server_sessions(asking->server), text);
    }
    free(asking);
}

static void on_asker_gone(void *arg)
{
    struct asking  *asking  = arg;
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    if (session != NULL)
        session_inspect_forget(session, asking);
    free(asking);
}

/* Returns false when it can't be asked. */
static bool ask(struct server *server, struct http_request *request, struct session *session, int status)
{
    struct asking *asking = calloc(1, sizeof *asking);
    struct err     err    = {0};
    if (asking == NULL || tenant_check_cpu(session_owner(session), json_time_monotonic(), &err) < 0) {
        free(asking);
        return false;
    }
    *asking = (struct asking){server, request, *session_id(session), status};
    if (session_inspect(session, json_pack("{s:s}", "op", "list"), false, on_reply, asking, &err) < 0) {
        free(asking);
        return false;
    }
    http_request_on_gone(request, on_asker_gone, asking);
    return true;
}

void session_reply(struct server *server, struct http_request *request, struct session *session, int status)
{
    struct session_info info;
    session_get_info(session, &info);
    http_request_on_gone(request, NULL, NULL);
    if (info.busy || info.is_empty || !ask(server, request, session, status))
        reply(server, request, session, status, info.is_empty ? json_object() : NULL);
}
