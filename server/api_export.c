#define _GNU_SOURCE
#include "api_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "archive_send.h"
#include "json.h"
#include "server.h"
#include "session_export.h"
#include "session_transfer.h"

/* From the beginning of an export that moves the session until it is there: then it is free again, and the move has failed. */
enum { MOVE_MS = 120 * 1000, DISPOSITION_BYTES = 96 };

struct asking {
    struct server       *server;
    struct http_request *request;
    struct exporting    *exporting;
    struct id            session;
    bool                 moves;
};

static void let_go(const struct asking *asking)
{
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    if (session != NULL && asking->moves)
        session_set_transfer(session, 0);
}

static void on_client_gone(void *arg)
{
    struct asking *asking = arg;
    session_export_forget(asking->exporting);
    let_go(asking);
    free(asking);
}

static void refuse(const struct asking *asking, const struct export_failure *failure)
{
    char text[ID_TEXT_BYTES];
    let_go(asking);
    id_format(&asking->session, text);
    if (strcmp(failure->code, "SESSION_GONE") == 0)
        api_error_no_session(asking->request, server_sessions(asking->server), text);
    else if (failure->status == 503)
        api_error_unavailable(asking->request, failure->code, failure->message);
    else
        http_reply_error(asking->request, failure->status, failure->code, failure->message, NULL, 0);
}

static void send_archive(const struct asking *asking, struct session_export *gathered)
{
    struct session *session = sessions_find(server_sessions(asking->server), &asking->session);
    char            text[ID_TEXT_BYTES], disposition[DISPOSITION_BYTES];

    id_format(&asking->session, text);
    if (session == NULL) {
        session_export_free(gathered);
        api_error_no_session(asking->request, server_sessions(asking->server), text);
        return;
    }
    (void)snprintf(disposition, sizeof disposition, "attachment; filename=\"session-%.8s.tar\"", text);
    http_request_add_header(asking->request, "Content-Disposition", disposition);
    http_request_add_header(asking->request, "Cache-Control", "no-store");
    archive_send_start(asking->server, session, asking->request, gathered);
}

static void on_gathered(struct session_export *gathered, const struct export_failure *failure, void *arg)
{
    struct asking *asking = arg;
    http_request_on_gone(asking->request, NULL, NULL);
    if (gathered == NULL)
        refuse(asking, failure);
    else
        send_archive(asking, gathered);
    free(asking);
}

/* ?move=true, for an operator: from now on nothing changes in the session. Returns false when the request was answered. */
static bool read_move(struct http_request *request, struct session *session, bool *ret_moves)
{
    static const char *const choices[] = {"false", "true", NULL};
    struct json_check        check     = JSON_CHECK_INIT;
    size_t                   moves     = 0;

    (void)json_text_choice(&check, "move", http_request_query(request, "move"), choices, &moves);
    if (json_check_reply(&check, request) || (moves == 1 && !api_require_operator(request)))
        return false;
    if (session_is_in_transfer(session)) {
        api_error_unavailable(request, "SESSION_MOVING", "The session is being moved");
        return false;
    }
    *ret_moves = moves == 1;
    return true;
}

void api_export(struct http_request *request, void *context)
{
    struct session *session = api_session_of_any(request, server_sessions(context));
    struct asking  *asking;
    struct err      err   = {0};
    bool            moves = false;

    if (session == NULL || !read_move(request, session, &moves))
        return;
    if (tenant_check_cpu(session_owner(session), json_time_monotonic(), &err) < 0) {
        api_error_refused(request, &err);
        return;
    }
    asking = calloc(1, sizeof *asking);
    if (asking == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for an archive");
        return;
    }
    *asking           = (struct asking){context, request, NULL, *session_id(session), moves};
    asking->exporting = session_export_begin(context, session, on_gathered, asking, &err);
    if (asking->exporting == NULL) {
        api_error_refused(request, &err);
        free(asking);
        return;
    }
    if (moves)
        session_set_transfer(session, MOVE_MS);
    http_request_on_gone(request, on_client_gone, asking);
}
