#define _GNU_SOURCE
#include "analysis.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "fdio.h"
#include "json_said.h"
#include "json_slice.h"
#include "log.h"
#include "metrics.h"
#include "wire.h"
#include "worker.h"

enum { FAILURES_MAX = 3 /* workers in a row that die before they are ready; then who waits is told */ };

struct question {
    TAILQ_ENTRY(question) entry;
    json_t            *request;
    struct tenant     *owner; /* who pays for it; NULL: nobody */
    int64_t            asked_us;
    analysis_on_result on_result; /* NULL: who asked has left */
    void              *arg;
};

struct analysis {
    struct event_base *base;
    struct pool       *pool;
    struct pool_claim *claim;
    struct worker     *worker; /* NULL until the first question */
    struct event       limit;
    TAILQ_HEAD(questions, question) waiting;
    size_t           count;
    struct question *asked; /* of the worker */
    uint64_t         serial;
    unsigned         uses, failures;
    bool             stopped;
};

static void go_on(struct analysis *analysis);

static void answer(struct question *question, enum analysis_end end, const char *text, size_t length)
{
    if (question->on_result != NULL)
        question->on_result(end, text, length, question->arg);
    json_decref(question->request);
    free(question);
}

static struct question *take_asked(struct analysis *analysis)
{
    struct question *asked  = analysis->asked;
    int64_t          now_us = metrics_now_us();
    analysis->asked         = NULL;
    if (asked != NULL)
        tenant_charge(asked->owner, (uint64_t)(now_us - asked->asked_us), now_us / 1000);
    (void)evtimer_del(&analysis->limit);
    return asked;
}

static void fail_asked(struct analysis *analysis, const char *reason)
{
    struct question *asked = take_asked(analysis);
    if (asked != NULL)
        answer(asked, ANALYSIS_FAILED, reason, strlen(reason));
}

static void fail_waiting(struct analysis *analysis, const char *reason)
{
    struct question *question;
    while ((question = TAILQ_FIRST(&analysis->waiting)) != NULL) {
        TAILQ_REMOVE(&analysis->waiting, question, entry);
        analysis->count--;
        answer(question, ANALYSIS_UNAVAILABLE, reason, strlen(reason));
    }
}

/* ---- the worker ---- */

static void drop_worker(struct analysis *analysis)
{
    worker_release(analysis->worker);
    analysis->worker = NULL;
    analysis->uses   = 0;
}

static void on_ready(void *arg)
{
    (void)arg; /* only a respawned interpreter says it again, and this one is replaced instead */
}

static void on_reply(struct analysis *analysis, const struct frame *frame)
{
    static const char failed[] = "the analysis of this code failed";
    struct question  *asked    = take_asked(analysis);
    json_t           *json     = json_said_read(frame->payload, frame->length);
    const char       *text;
    size_t            length;

    if (asked == NULL) {
        json_decref(json);
        return;
    }
    if (json_is_true(json_object_get(json, "ok")) && json_slice_member(frame->payload, frame->length, "result", &text, &length))
        answer(asked, ANALYSIS_DONE, text, length);
    else
        answer(asked, ANALYSIS_FAILED, failed, sizeof failed - 1);
    json_decref(json);
    analysis->failures = 0;
    if (++analysis->uses >= ANALYSIS_WORKER_USE)
        drop_worker(analysis);
    go_on(analysis);
}

static void on_frame(const struct frame *frame, void *arg)
{
    if (frame->type == EVENT_REPLY)
        on_reply(arg, frame);
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    (void)arg;
    log_debug("the analysis worker writes on its %s: %.*s", stream == PIPES_STDERR ? "stderr" : "stdout",
              (int)(length < 200 ? length : 200), data);
}

static void replace(struct analysis *analysis)
{
    fail_asked(analysis, "the interpreter that looked at this code died of it");
    if (++analysis->failures >= FAILURES_MAX)
        fail_waiting(analysis, "no interpreter can be had to look at code");
    go_on(analysis);
}

static void on_exit_of_interpreter(int status, void *arg)
{
    struct analysis *analysis = arg;
    log_warn("the analysis worker died (status %d) and is replaced", status);
    drop_worker(analysis);
    replace(analysis);
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct analysis *analysis = arg;
    log_warn("the jail of the analysis worker is gone%s%s", death->reason[0] != '\0' ? ": " : "", death->reason);
    analysis->worker = NULL;
    analysis->uses   = 0;
    replace(analysis);
}

static const struct worker_events worker_events = {
    .on_ready = on_ready, .on_frame = on_frame, .on_raw = on_raw, .on_exit = on_exit_of_interpreter, .on_gone = on_gone};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct analysis *analysis = arg;
    (void)fd;
    (void)what;
    drop_worker(analysis);
    fail_asked(analysis, "the analysis of this code took too long");
    go_on(analysis);
}

static void on_worker(struct worker *worker, const char *reason, void *arg)
{
    struct analysis *analysis = arg;
    int              log_fd;
    analysis->claim = NULL;
    if (worker == NULL) {
        fail_waiting(analysis, reason);
        return;
    }
    log_fd = worker_take_log(worker); /* it has no events to keep */
    fdio_close(&log_fd);
    analysis->worker = worker;
    worker_set_owner(worker, &worker_events, analysis);
    go_on(analysis);
}

/* Returns whether there is a worker now. */
static bool have_worker(struct analysis *analysis)
{
    struct err     err    = {0};
    struct worker *worker = NULL;
    if (analysis->worker != NULL || analysis->claim != NULL)
        return analysis->worker != NULL;
    worker = pool_take(analysis->pool);
    if (worker != NULL) {
        on_worker(worker, NULL, analysis);
        return false; /* on_worker has gone on already */
    }
    analysis->claim = pool_wait(analysis->pool, NULL, on_worker, analysis, &err);
    if (analysis->claim == NULL)
        fail_waiting(analysis, err.message);
    return false;
}

/* ---- questions ---- */

static void ask_first(struct analysis *analysis)
{
    static const struct timeval limit = {.tv_sec = ANALYSIS_LIMIT_MS / 1000};
    struct question            *first = TAILQ_FIRST(&analysis->waiting);
    struct err                  err   = {0};
    char                       *text  = json_dumps(first->request, JSON_COMPACT);

    TAILQ_REMOVE(&analysis->waiting, first, entry);
    analysis->count--;
    if (text == NULL || worker_inspect(analysis->worker, ++analysis->serial, text, strlen(text), &err) < 0) {
        if (text == NULL)
            (void)err_set(&err, ENOMEM, "no memory for the analysis");
        free(text);
        drop_worker(analysis);
        answer(first, ANALYSIS_UNAVAILABLE, err.message, strlen(err.message));
        return;
    }
    free(text);
    first->asked_us = metrics_now_us();
    analysis->asked = first;
    (void)evtimer_add(&analysis->limit, &limit);
}

static void go_on(struct analysis *analysis)
{
    while (!analysis->stopped && analysis->asked == NULL && !TAILQ_EMPTY(&analysis->waiting) && have_worker(analysis))
        ask_first(analysis);
}

int analysis_ask(struct analysis *analysis, json_t *request, struct tenant *owner, analysis_on_result on_result, void *arg, struct err *err)
{
    struct question *question = NULL;
    int              code     = analysis->stopped ? ESHUTDOWN : analysis->count >= ANALYSIS_QUEUE_MAX ? ENOBUFS : ENOMEM;

    if (code == ENOMEM && request != NULL)
        question = calloc(1, sizeof *question);
    if (question == NULL) {
        json_decref(request);
        return err_set(err, code, "%s",
                       code == ESHUTDOWN ? "The service is about to stop"
                       : code == ENOBUFS ? "too many analyses wait already"
                                         : "no memory for an analysis");
    }
    *question = (struct question){.request = request, .owner = owner, .on_result = on_result, .arg = arg};
    TAILQ_INSERT_TAIL(&analysis->waiting, question, entry);
    analysis->count++;
    go_on(analysis);
    return 0;
}

void analysis_forget(struct analysis *analysis, const void *arg)
{
    struct question *question;
    if (analysis->asked != NULL && analysis->asked->arg == arg)
        analysis->asked->on_result = NULL;
    TAILQ_FOREACH(question, &analysis->waiting, entry)
    {
        if (question->arg == arg) /* cppcheck-suppress uninitvar ; TAILQ_FOREACH sets it */
            question->on_result = NULL;
    }
}

struct analysis *analysis_new(struct event_base *base, struct pool *pool, struct err *err)
{
    struct analysis *analysis = calloc(1, sizeof *analysis);
    if (analysis == NULL) {
        (void)err_set(err, ENOMEM, "no memory for analyses");
        return NULL;
    }
    analysis->base = base;
    analysis->pool = pool;
    TAILQ_INIT(&analysis->waiting);
    (void)evtimer_assign(&analysis->limit, base, on_limit, analysis);
    return analysis;
}

void analysis_stop(struct analysis *analysis)
{
    analysis->stopped = true;
    pool_cancel(analysis->claim);
    analysis->claim = NULL;
    drop_worker(analysis);
    fail_asked(analysis, "the service stops");
    fail_waiting(analysis, "the service stops");
}

void analysis_free(struct analysis *analysis)
{
    struct question *question;
    if (analysis == NULL)
        return;
    pool_cancel(analysis->claim);
    worker_release(analysis->worker);
    if ((question = take_asked(analysis)) != NULL) {
        question->on_result = NULL;
        answer(question, ANALYSIS_UNAVAILABLE, "", 0);
    }
    while ((question = TAILQ_FIRST(&analysis->waiting)) != NULL) {
        TAILQ_REMOVE(&analysis->waiting, question, entry);
        question->on_result = NULL;
        answer(question, ANALYSIS_UNAVAILABLE, "", 0);
    }
    free(analysis);
}
