#define _GNU_SOURCE
#include "compat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api_error.h"
#include "compat_files.h"
#include "files_given.h"
#include "json_said.h"

/* Lives from the request until it is answered or its client has left. */
struct run {
    struct server         *server;
    struct http_request   *request;
    struct compat_job      job;
    struct id              id; /* of job.execution.id */
    struct session_request wanted;
    compat_on_result       on_result;
    compat_on_start        on_start;
    struct id              session; /* once has_session */
    bool                   has_session;
    struct execution      *execution; /* once submitted, until it has ended */
    struct compat_files   *files;     /* being read */
    json_t                *result;
};

struct compat_job compat_job_init(const struct policies *policies, bool variables)
{
    return (struct compat_job){.execution = {.code              = "",
                                             .timeout_ms        = policies->execution_time_ms,
                                             .grace_ms          = policies->interrupt_grace_ms,
                                             .include_variables = variables,
                                             .options           = variables ? NULL : json_pack("{s:b}", "includeVariables", 0)}};
}

void compat_job_limit(struct compat_job *job, const struct policies *policies, double memory, double storage, double cores)
{
    uint32_t most = policies->cpu_percent; /* 0: no quota */
    double   cpu  = cores * 100 < 1 && cores > 0 ? 1 : cores * 100;
    if (memory > 0 && memory < (double)policies->memory_per_session_bytes)
        job->limits.memory_bytes = (uint64_t)memory;
    if (storage > 0 && storage < (double)policies->storage_bytes)
        job->limits.workspace_bytes = (uint64_t)storage;
    if (cpu > 0 && cpu < (most > 0 ? most : 6400))
        job->limits.cpu_percent = (uint32_t)cpu;
}

void compat_job_done(struct compat_job *job)
{
    json_decref(job->execution.options);
    json_decref(job->execution.label);
    files_given_free(job->execution.files);
    job->execution.options = job->execution.label = NULL;
    job->execution.files                          = NULL;
}

void compat_job_read_code(struct compat_job *job, struct json_check *check, const json_t *json, size_t min, const struct policies *policies)
{
    json_check_require(check, json, "code");
    if (!json_field_string(check, json, "code", min, policies->code_chars, &job->execution.code))
        return;
    job->execution.code_length = json_string_length(json_object_get(json, "code"));
    if (strlen(job->execution.code) != job->execution.code_length)
        json_check_fail(check, "code", "must not contain NUL characters");
}

void compat_job_read_seconds(struct compat_job *job, struct json_check *check, const json_t *json, const char *field,
                             const struct policies *policies)
{
    double seconds = 0;
    if (json_field_number(check, json, field, 0.001, policies->execution_time_limit_ms / 1000.0, &seconds))
        job->execution.timeout_ms = (uint32_t)(seconds * 1000);
}

static void run_free(struct run *run)
{
    compat_files_cancel(run->files);
    json_decref(run->result);
    compat_job_done(&run->job);
    free(run);
}

static void leave(struct run *run, bool keep)
{
    struct session *session = run->has_session ? sessions_find(server_sessions(run->server), &run->session) : NULL;
    if (session != NULL)
        session_leave(session, keep);
}

static void on_client_gone(void *arg)
{
    struct run *run = arg;
    if (!run->has_session)
        sessions_cancel(server_sessions(run->server), run);
    if (run->execution != NULL)
        execution_set_waiter(run->execution, NULL, NULL);
    leave(run, false);
    run_free(run);
}

/* The request is about to be answered. */
static struct http_request *take_request(struct run *run)
{
    http_request_on_gone(run->request, NULL, NULL);
    return run->request;
}

static void answer(struct run *run, struct execution *execution, const json_t *files, const json_t *omitted)
{
    const struct compat_answer answer = {
        take_request(run), execution, sessions_find(server_sessions(run->server), &run->session), &run->job, run->result, files, omitted};
    run->on_result(&answer);
    leave(run, run->job.is_kept);
    run_free(run);
}

static void on_files(const json_t *files, const json_t *omitted, void *arg)
{
    struct run *run = arg;
    run->files      = NULL; /* it is gone after this */
    answer(run, NULL, files, omitted);
}

static void fail(struct run *run, const char *code, const char *message)
{
    api_error_unavailable(take_request(run), code, message);
    leave(run, false);
    run_free(run);
}

static void on_result(struct execution *execution, const struct bytes *result, void *arg)
{
    struct run     *run = arg;
    const char     *code, *failure = execution_failure(execution, &code);
    struct session *session = sessions_find(server_sessions(run->server), &run->session);

    run->execution = NULL;
    if (result == NULL) {
        fail(run, code, failure);
        return;
    }
    run->result = json_said_read(result->data, result->length);
    if (run->result == NULL) {
        fail(run, "RESULT_UNREADABLE", "The result has too many values");
        return;
    }
    if (!run->job.with_files || session == NULL) {
        answer(run, execution, NULL, NULL);
        return;
    }
    run->files = compat_files_read(session, json_object_get(run->result, "artifacts"), on_files, run);
    if (run->files == NULL)
        fail(run, "NO_MEMORY", "No memory for the files");
}

/* Nobody waits: what came of it is asked for later. */
static void on_background_result(struct execution *execution, const struct bytes *result, void *session)
{
    (void)execution;
    (void)result;
    session_leave(session, true);
}

static void refuse(struct run *run, const struct err *err)
{
    struct http_request *request = take_request(run);
    if (err->code == EEXIST)
        http_reply_error(request, 409, "EXECUTION_EXISTS", err->message, NULL, 0);
    else
        api_error_refused(request, err);
    leave(run, false);
    run_free(run);
}

static struct execution *submit(struct run *run, struct session *session, struct err *err)
{
    struct execution_request wanted = run->job.execution;
    struct execution        *execution;

    if (wanted.id != NULL && sessions_find_execution(server_sessions(run->server), wanted.id) != NULL) {
        (void)err_set(err, EEXIST, "There is an execution with this id already");
        return NULL;
    }
    run->job.execution.files = NULL; /* the execution's, if there will be one */
    execution                = run->on_start != NULL ? session_submit(session, &wanted, true, on_background_result, session, err)
                                                     : session_submit(session, &wanted, true, on_result, run, err);
    if (execution == NULL)
        run->job.execution.files = wanted.files;
    return execution;
}

static void on_session(struct session *session, const char *reason, void *arg)
{
    struct run       *run      = arg;
    compat_on_start   on_start = run->on_start;
    struct err        err      = {0};
    struct execution *execution;

    if (session == NULL) {
        fail(run, "SESSION_UNAVAILABLE", reason);
        return;
    }
    run->has_session = true;
    run->session     = *session_id(session);
    execution        = submit(run, session, &err);
    if (execution == NULL) {
        refuse(run, &err);
    } else if (on_start != NULL) {
        on_start(take_request(run), execution);
        run_free(run);
    } else if (!execution_has_ended(execution)) { /* else it is answered, and run gone */
        run->execution = execution;
    }
}

static void begin(struct run *run)
{
    struct sessions *sessions = server_sessions(run->server);
    struct err       err      = {0};

    run->wanted = (struct session_request){.limits = run->job.limits};
    if (!api_sign_request(run->request, server_config(run->server), &run->wanted)) {
        run_free(run);
        return;
    }
    run->job.execution.origin = &run->wanted.origin;
    http_request_on_gone(run->request, on_client_gone, run);
    http_request_gone_on_eof(run->request); /* nobody else can ask for the answer, so the run would be for nothing */
    if (sessions_create(sessions, &run->wanted, on_session, run, &err) < 0)
        refuse(run, &err);
}

static struct run *run_new(struct server *server, struct http_request *request, struct compat_job *job)
{
    struct run *run = sessions_are_draining(server_sessions(server)) ? NULL : calloc(1, sizeof *run);
    if (run == NULL) {
        if (sessions_are_draining(server_sessions(server)))
            api_error_unavailable(request, "DRAINING", "The service is about to stop");
        else
            api_error_unavailable(request, "NO_MEMORY", "No memory for an execution");
        compat_job_done(job);
        return NULL;
    }
    run->server  = server;
    run->request = request;
    run->job     = *job;
    if (job->execution.id != NULL) {
        run->id               = *job->execution.id;
        run->job.execution.id = &run->id;
    }
    return run;
}

void compat_run(struct server *server, struct http_request *request, struct compat_job *job, compat_on_result on_result)
{
    struct run *run = run_new(server, request, job);
    if (run == NULL)
        return;
    run->on_result = on_result;
    begin(run);
}

void compat_start(struct server *server, struct http_request *request, struct compat_job *job, compat_on_start on_start)
{
    struct run *run = run_new(server, request, job);
    if (run == NULL)
        return;
    run->on_start = on_start;
    begin(run);
}
