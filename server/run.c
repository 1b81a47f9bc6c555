#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "api_error.h"
#include "api_network.h"
#include "execute_body.h"
#include "files_given.h"
#include "tenant.h"
#include "watcher_http.h"

/* Lives from the request until it is answered or its client has left. */
struct run {
    struct server       *server;
    struct http_request *request;
    enum run_answer      answer;
    struct execute_body  body;
    struct id            wanted;    /* its execution's, where the caller has chosen one */
    struct id            execution; /* once submitted */
    bool                 submitted;
};

static void run_free(struct run *run)
{
    execute_body_done(&run->body);
    free(run);
}

/* The client has left before its answer. */
static void on_client_gone(void *arg)
{
    struct run       *run       = arg;
    struct sessions  *sessions  = server_sessions(run->server);
    struct execution *execution = run->submitted ? sessions_find_execution(sessions, &run->execution) : NULL;
    if (!run->submitted)
        sessions_cancel(sessions, run);
    if (execution != NULL) {
        execution_set_waiter(execution, NULL, NULL);
        if (run->body.interrupt_on_disconnect)
            execution_interrupt(execution);
    }
    run_free(run);
}

/* While the stream lives its execution does, too. */
static void on_stream_gone(void *arg)
{
    execution_interrupt(arg);
}

static void on_result(struct execution *execution, const struct bytes *result, void *arg)
{
    struct run *run = arg;
    const char *code, *failure = execution_failure(execution, &code);
    http_request_add_header(run->request, "X-Execution-Id", execution_id_text(execution));
    if (result != NULL)
        http_reply_bytes(run->request, 200, "application/json; charset=utf-8", result->data, result->length);
    else
        api_error_unavailable(run->request, code, failure);
    run_free(run);
}

static void answer_id(struct run *run, const struct execution *execution)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "executionId", execution_id_text(execution), "sessionId", execution_session_text(execution),
                             "status", execution_status_name(execution_status(execution)));
    http_reply_json(run->request, 202, json);
    run_free(run);
}

static void answer_stream(struct run *run, struct execution *execution, struct session *session)
{
    struct err err = {0};
    event_log_flush(session_log(session));
    http_request_on_gone(run->request, NULL, NULL);
    http_request_add_header(run->request, "X-Execution-Id", execution_id_text(execution)); /* for who is cut off before the first event */
    if (watcher_http_start(server_watchers(run->server), execution_track(execution), run->request,
                           run->body.interrupt_on_disconnect ? on_stream_gone : NULL, execution, &err) < 0)
        api_error_unavailable(run->request, "STREAM_FAILED", err.message);
    run_free(run);
}

static void submit(struct run *run, struct session *session)
{
    bool              waits = run->answer == RUN_ANSWER_RESULT;
    struct err        err   = {0};
    struct execution *execution;

    struct execution_request wanted = run->body.execution;
    run->body.execution.files       = NULL; /* the execution's, if there will be one */
    execution = session_submit(session, &wanted, run->body.may_queue, waits ? on_result : NULL, waits ? run : NULL, &err);
    if (execution == NULL) {
        files_given_free(wanted.files);
        api_error_refused(run->request, &err);
        run_free(run);
        return;
    }
    if (waits && execution_has_ended(execution))
        return; /* answered already: run is gone */
    run->execution = *execution_id(execution);
    run->submitted = true;
    execute_body_done(&run->body);
    if (run->answer == RUN_ANSWER_ID)
        answer_id(run, execution);
    else if (run->answer == RUN_ANSWER_STREAM)
        answer_stream(run, execution, session);
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct run *run = arg;
    if (session != NULL) {
        submit(run, session);
        return;
    }
    api_error_unavailable(run->request, "SESSION_UNAVAILABLE", reason);
    run_free(run);
}

static void find_or_make(struct run *run)
{
    struct sessions              *sessions = server_sessions(run->server);
    const struct session_request *wanted   = &run->body.session;
    struct session               *session  = wanted->has_id ? sessions_find(sessions, &wanted->id) : NULL;
    struct err                    err      = {0};
    char                          text[ID_TEXT_BYTES];

    if (session != NULL && session_owner(session) != wanted->owner) {
        id_format(&wanted->id, text);
        api_error_no_session(run->request, sessions, text);
        run_free(run);
    } else if (session != NULL) {
        submit(run, session);
    } else if (wanted->has_id && sessions_find_ended(sessions, &wanted->id) != NULL) {
        id_format(&wanted->id, text);
        api_error_no_session(run->request, sessions, text);
        run_free(run);
    } else if (wanted->has_id && !id_is_own(&wanted->id) && id_instance(&wanted->id) != ID_NO_INSTANCE) {
        id_format(&wanted->id, text);
        (void)api_error_elsewhere(run->request, text);
        run_free(run);
    } else if (sessions_create(sessions, wanted, on_session, run, &err) < 0) {
        api_error_refused(run->request, &err);
        run_free(run);
    }
}

static void start(struct server *server, struct http_request *request, enum run_answer answer, const struct id *id, json_t *label)
{
    struct run *run;
    if (sessions_are_draining(server_sessions(server))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    run = calloc(1, sizeof *run);
    if (run == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for an execution");
        return;
    }
    run->server  = server;
    run->request = request;
    run->answer  = answer;
    if (!execute_body_read(&run->body, request, server_policies(server))) {
        run_free(run);
        return;
    }
    if (!api_sign_request(request, server_config(server), &run->body.session)) {
        run_free(run);
        return;
    }
    if (run->body.execution.use.network && !api_network_check(request, server)) {
        run_free(run);
        return;
    }
    run->body.execution.origin      = &run->body.session.origin;
    run->body.execution.interactive = answer != RUN_ANSWER_RESULT && label == NULL;
    run->body.execution.label       = json_incref(label);
    if (id != NULL && sessions_find_execution(server_sessions(server), id) == NULL) {
        run->wanted            = *id;
        run->body.execution.id = &run->wanted;
    }
    http_request_on_gone(request, on_client_gone, run);
    find_or_make(run);
}

void run_start(struct server *server, struct http_request *request, enum run_answer answer)
{
    start(server, request, answer, NULL, NULL);
}

void run_start_for(struct server *server, struct http_request *request, const struct id *id, json_t *label)
{
    start(server, request, RUN_ANSWER_ID, id, label);
}
