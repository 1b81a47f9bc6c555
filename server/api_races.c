#define _GNU_SOURCE
#include "api_races.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_audit.h"
#include "api_error.h"
#include "execute_body.h"
#include "forking.h"
#include "json.h"
#include "race_stream.h"
#include "server.h"
#include "session_race.h"

/* Lives from the request until it is answered or its client has left. */
struct racing {
    struct server       *server;
    struct http_request *request; /* NULL: it is a stream */
    struct race_stream  *stream;
    struct id            session;
    struct execute_body  body;
    struct id            executions[RACE_MAX];
};

static void racing_free(struct racing *racing)
{
    execute_body_done(&racing->body);
    free(racing);
}

static void on_client_gone(void *arg)
{
    struct racing  *racing  = arg;
    struct session *session = sessions_find(server_sessions(racing->server), &racing->session);
    if (session != NULL) {
        session_race_forget(session, racing);
        if (racing->body.interrupt_on_disconnect)
            (void)session_race_interrupt(session);
    }
    racing_free(racing);
}

static bool literal(struct bytes *out, const char *text)
{
    return bytes_append(out, text, strlen(text));
}

static bool write_answer(const struct racing *racing, const struct race_answer *answer, struct bytes *out)
{
    char text[96], id[ID_TEXT_BYTES];
    bool fine = literal(out, "{\"results\":[");
    for (size_t i = 0; fine && i < answer->count; i++)
        fine =
            literal(out, i > 0 ? "," : "") &&
            (answer->results[i].length > 0 ? bytes_append(out, answer->results[i].data, answer->results[i].length) : literal(out, "null"));
    id_format(&racing->session, id);
    if (answer->winner >= 0)
        (void)snprintf(text, sizeof text, "],\"winner\":%d,\"sessionId\":\"%s\"}", answer->winner, id);
    else
        (void)snprintf(text, sizeof text, "],\"winner\":null,\"sessionId\":\"%s\"}", id);
    return fine && literal(out, text);
}

static void reply(struct racing *racing, const struct race_answer *answer)
{
    struct bytes out = {0};
    if (write_answer(racing, answer, &out))
        http_reply_bytes(racing->request, 200, "application/json; charset=utf-8", out.data, out.length);
    else
        api_error_unavailable(racing->request, "NO_MEMORY", "No memory for the answer");
    bytes_done(&out);
}

/* The results have gone as events already: what is left to say. */
static json_t *summary(const struct racing *racing, const struct race_answer *answer)
{
    json_t *list = json_array();
    for (size_t i = 0; i < answer->count; i++) {
        struct execution *execution = sessions_find_execution(server_sessions(racing->server), &racing->executions[i]);
        char              text[ID_TEXT_BYTES];
        id_format(&racing->executions[i], text);
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "executionId", text, "status",
                                                    execution != NULL ? execution_status_name(execution_status(execution)) : "lost",
                                                    "success", execution != NULL && execution_status(execution) == EXECUTION_OK));
    }
    return json_pack("{s:o, s:o}", "results", list, "winner", answer->winner >= 0 ? json_integer(answer->winner) : json_null());
}

static void on_end(const struct race_answer *answer, void *arg)
{
    struct racing *racing = arg;
    if (racing->request == NULL) {
        race_stream_end(racing->stream, summary(racing, answer));
        racing_free(racing);
        return;
    }
    http_request_on_gone(racing->request, NULL, NULL);
    if (answer->fork != NULL)
        forking_refuse(racing->request, answer->fork);
    else
        reply(racing, answer);
    racing_free(racing);
}

static bool wants_stream(const struct http_request *request)
{
    const char *accept = http_request_header(request, "Accept");
    return accept != NULL &&
           (strcasestr(accept, "text/event-stream") != NULL || strcasestr(accept, "ndjson") != NULL || strcasestr(accept, "jsonl") != NULL);
}

static void begin_stream(struct racing *racing, struct session *session, struct execution *const *executions, size_t count)
{
    struct err err = {0};
    http_request_on_gone(racing->request, NULL, NULL);
    event_log_flush(session_log(session));
    racing->stream = race_stream_begin(server_watchers(racing->server), executions, count, racing->request, on_client_gone, racing, &err);
    if (racing->stream != NULL) {
        racing->request = NULL;
        return;
    }
    session_race_forget(session, racing);
    (void)session_race_interrupt(session);
    api_error_unavailable(racing->request, "STREAM_FAILED", err.message);
    racing_free(racing);
}

static size_t read_candidates(struct json_check *check, const json_t *json, const struct policies *policies, struct execute_body *body,
                              struct execution_request *ret)
{
    json_t *list = NULL, *code;
    size_t  max  = policies->forks < RACE_MAX ? policies->forks : RACE_MAX, i;
    json_check_require(check, json, "candidates");
    if (!json_field_array(check, json, "candidates", max, &list))
        return 0;
    if (json_array_size(list) == 0)
        json_check_fail(check, "candidates", "must not be empty");
    json_array_foreach(list, i, code)
    {
        ret[i] = body->execution;
        execute_body_check_code(check, "candidates", code, policies, &ret[i]);
    }
    return json_array_size(list);
}

static void submit(struct racing *racing, struct session *session, const struct execution_request *candidates, size_t count, bool first_ok)
{
    struct execution   *executions[RACE_MAX];
    struct err          err    = {0};
    bool                stream = wants_stream(racing->request);
    struct race_request wanted = {.candidates = candidates,
                                  .count      = count,
                                  .first_ok   = first_ok,
                                  .may_wait   = racing->body.may_queue,
                                  .on_end     = on_end,
                                  .arg        = racing};

    if (session_race(session, &wanted, executions, &err) < 0) {
        api_error_refused(racing->request, &err);
        racing_free(racing);
        return;
    }
    for (size_t i = 0; i < count; i++)
        racing->executions[i] = *execution_id(executions[i]);
    if (stream)
        begin_stream(racing, session, executions, count);
    else
        http_request_on_gone(racing->request, on_client_gone, racing);
}

void api_races_create(struct http_request *request, void *context)
{
    static const char *const keeps[] = {"firstOk", "none", NULL};
    struct server           *server  = context;
    struct session          *session = api_session_of(request, server_sessions(server));
    struct execution_request candidates[RACE_MAX];
    struct json_check        check = JSON_CHECK_INIT;
    struct audit_origin      origin;
    struct racing           *racing;
    size_t                   keep = 0, count;

    if (session == NULL)
        return;
    if (sessions_are_draining(server_sessions(server))) {
        api_error_unavailable(request, "DRAINING", "The service is about to stop");
        return;
    }
    racing = calloc(1, sizeof *racing);
    if (racing == NULL) {
        api_error_unavailable(request, "NO_MEMORY", "No memory for a race");
        return;
    }
    origin          = api_audit_origin(request);
    racing->server  = server;
    racing->request = request;
    racing->session = *session_id(session);
    execute_body_read_common(&check, http_request_json(request), server_policies(server), &racing->body);
    racing->body.execution.origin = &origin;
    count                         = read_candidates(&check, http_request_json(request), server_policies(server), &racing->body, candidates);
    (void)json_field_choice(&check, http_request_json(request), "keep", keeps, &keep);
    if (json_check_reply(&check, request)) {
        racing_free(racing);
        return;
    }
    submit(racing, session, candidates, count, keep == 0);
}
