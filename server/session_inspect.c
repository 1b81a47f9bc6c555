#define _GNU_SOURCE
#include "session_inspect.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "json_said.h"
#include "log.h"
#include "metrics.h"
#include "session_keep.h"
#include "session_private.h"
#include "sessions.h"
#include "wire.h"

enum phase { PHASE_SOON, PHASE_WAIT, PHASE_READ, PHASE_RUN, PHASE_GRACE, PHASE_KILL };

struct inspection {
    TAILQ_ENTRY(inspection) entry;
    struct session  *session;
    int64_t          asked_us;
    struct event     timer;
    enum phase       phase;
    json_t          *request;
    int64_t          started_us;     /* monotonic; 0: it waits */
    bool             changes, gives; /* gives: the variables that waited for the next cell go with it */
    inspect_on_reply on_reply;       /* NULL: who asked has left */
    void            *arg;
};

struct inspections {
    struct event_base *base;
    TAILQ_HEAD(inspection_queue, inspection) waiting;
    size_t             count;
    struct inspection *running;
    struct inspection *reading; /* what the session's copy is asked */
};

struct inspections *session_inspect_new(struct event_base *base)
{
    struct inspections *all = calloc(1, sizeof *all);
    if (all == NULL)
        return NULL;
    all->base = base;
    TAILQ_INIT(&all->waiting);
    return all;
}

static void inspection_free(struct inspection *inspection)
{
    if (inspection == NULL)
        return;
    (void)evtimer_del(&inspection->timer);
    json_decref(inspection->request);
    free(inspection);
}

static struct inspection *take_first(struct inspections *all)
{
    struct inspection *first = TAILQ_FIRST(&all->waiting);
    if (first != NULL) {
        TAILQ_REMOVE(&all->waiting, first, entry);
        all->count--;
    }
    return first;
}

void session_inspect_free(struct inspections *all)
{
    struct inspection *inspection;
    if (all == NULL)
        return;
    while ((inspection = take_first(all)) != NULL)
        inspection_free(inspection);
    inspection_free(all->running);
    inspection_free(all->reading);
    free(all);
}

static void answer(struct inspection *inspection, const struct inspect_reply *reply)
{
    inspect_on_reply on_reply = inspection->on_reply;
    void            *arg      = inspection->arg;
    inspection_free(inspection);
    if (on_reply != NULL)
        on_reply(reply, arg);
}

static void answer_without(struct inspection *inspection, enum inspect_end end)
{
    const struct inspect_reply reply = {.end = end};
    answer(inspection, &reply);
}

static void set_timer(struct inspection *inspection, enum phase phase, int milliseconds)
{
    struct timeval after = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    inspection->phase    = phase;
    (void)evtimer_add(&inspection->timer, &after);
}

static void leave_queue(struct inspection *inspection)
{
    struct inspections *all = inspection->session->inspections;
    TAILQ_REMOVE(&all->waiting, inspection, entry);
    all->count--;
}

/* What is no cell's doing (a copy being taken, an interpreter coming back) takes moments; a slow machine is no reason to say "busy". */
static void on_wait_limit(struct inspection *inspection)
{
    if (inspection->session->running == NULL && metrics_now_us() - inspection->asked_us < INSPECT_IDLE_WAIT_MS * 1000) {
        set_timer(inspection, PHASE_WAIT, INSPECT_WAIT_MS);
        return;
    }
    leave_queue(inspection);
    answer_without(inspection, INSPECT_BUSY);
}

static struct inspection *take_reading(struct inspections *all)
{
    struct inspection *reading = all->reading;
    int64_t            now_us  = metrics_now_us();
    if (reading != NULL)
        tenant_charge(reading->session->owner, (uint64_t)(now_us - reading->started_us), now_us / 1000);
    all->reading = NULL;
    return reading;
}

static void on_copy_answer(const struct frame *frame, const struct reader_moment *moment, void *arg)
{
    struct session      *session    = arg;
    struct inspection   *inspection = take_reading(session->inspections);
    json_t              *json       = frame != NULL ? json_said_read(frame->payload, frame->length) : NULL;
    struct inspect_reply reply      = {.end = INSPECT_ANSWERED, .json = json, .moment = moment};
    if (json_is_object(json)) {
        reply.text   = frame->payload;
        reply.length = frame->length;
        answer(inspection, &reply);
    } else { /* it has died over it, or before: what is left is to wait for the interpreter */
        TAILQ_INSERT_HEAD(&session->inspections->waiting, inspection, entry);
        session->inspections->count++;
        set_timer(inspection, PHASE_WAIT, INSPECT_WAIT_MS);
        session_go_on(session);
    }
    json_decref(json);
}

/* The cell is still running: the session's newest copy may know. */
static void on_soon(struct inspection *inspection)
{
    struct session     *session = inspection->session;
    struct inspections *all     = session->inspections;
    bool                may     = session->running != NULL && all->reading == NULL;
    char               *text    = may ? json_dumps(inspection->request, JSON_COMPACT) : NULL;
    if (text != NULL && session_reader_ask(session->reader, text, on_copy_answer, session)) {
        leave_queue(inspection);
        all->reading           = inspection;
        inspection->started_us = metrics_now_us();
        set_timer(inspection, PHASE_READ, INSPECT_READ_MS);
    } else if ((session->running == NULL || all->reading != NULL) && metrics_now_us() - inspection->asked_us < INSPECT_WAIT_MS * 1000) {
        set_timer(inspection, PHASE_SOON, INSPECT_SOON_MS); /* no cell, or another question is just being answered */
    } else {
        set_timer(inspection, PHASE_WAIT, INSPECT_WAIT_MS - INSPECT_SOON_MS);
    }
    free(text);
}

static void on_read_limit(struct inspection *inspection)
{
    session_reader_cancel(inspection->session->reader);
    (void)take_reading(inspection->session->inspections);
    answer_without(inspection, INSPECT_BUSY);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct inspection *inspection = arg;
    struct worker     *worker     = inspection->session->worker;
    (void)fd;
    (void)what;
    switch (inspection->phase) {
    case PHASE_SOON: on_soon(inspection); break;
    case PHASE_WAIT: on_wait_limit(inspection); break;
    case PHASE_READ: on_read_limit(inspection); break;
    case PHASE_RUN:
        set_timer(inspection, PHASE_GRACE, INSPECT_GRACE_MS);
        worker_interrupt(worker);
        break;
    case PHASE_GRACE:
        inspection->phase = PHASE_KILL; /* worker.c sees to it that it ends */
        worker_kill_interpreter(worker);
        break;
    case PHASE_KILL: break;
    }
}

int session_inspect(struct session *session, json_t *request, unsigned flags, inspect_on_reply on_reply, void *arg, struct err *err)
{
    struct inspections *all = session->inspections;
    struct inspection  *inspection;

    if (request == NULL || session->state == SESSION_ENDED || all->count >= INSPECT_QUEUE_MAX ||
        (inspection = calloc(1, sizeof *inspection)) == NULL) {
        int code = session->state == SESSION_ENDED ? EINVAL : all->count >= INSPECT_QUEUE_MAX ? ENOBUFS : ENOMEM;
        json_decref(request);
        return err_set(err, code, "%s",
                       code == EINVAL    ? "the session is over"
                       : code == ENOBUFS ? "too many requests about variables wait in this session already"
                                         : "no memory to ask the session");
    }
    *inspection = (struct inspection){
        .session = session, .request = request, .changes = (flags & INSPECT_CHANGES) != 0, .on_reply = on_reply, .arg = arg};
    (void)evtimer_assign(&inspection->timer, all->base, on_timer, inspection);
    TAILQ_INSERT_TAIL(&all->waiting, inspection, entry);
    all->count++;
    inspection->asked_us = metrics_now_us();
    if ((flags & INSPECT_STALE) != 0)
        set_timer(inspection, PHASE_SOON, INSPECT_SOON_MS);
    else
        set_timer(inspection, PHASE_WAIT, INSPECT_WAIT_MS);
    session_go_on(session);
    return 0;
}

static void forget(struct inspection *inspection, const void *arg)
{
    if (inspection != NULL && inspection->arg == arg)
        inspection->on_reply = NULL;
}

void session_inspect_forget(struct session *session, const void *arg)
{
    struct inspection *inspection;
    forget(session->inspections->running, arg);
    forget(session->inspections->reading, arg);
    TAILQ_FOREACH(inspection, &session->inspections->waiting, entry)
    {
        forget(inspection, arg);
    }
}

/* What was given with the session and no cell has brought to Python yet goes first. */
static int ask(struct session *session, struct inspection *inspection, struct err *err)
{
    char *text;
    int   result;
    inspection->gives = session->variables != NULL;
    if (inspection->gives)
        (void)json_object_set(inspection->request, "given", session->variables);
    text = json_dumps(inspection->request, JSON_COMPACT);
    if (text == NULL)
        return err_set(err, ENOMEM, "no memory for a request to the session");
    result = worker_inspect(session->worker, sessions_next_serial(session->sessions), text, strlen(text), err);
    free(text);
    return result;
}

bool session_inspect_waits(const struct session *session)
{
    return session->inspections->count > 0;
}

void session_inspect_on_unsent(struct session *session)
{
    inspection_free(session->inspections->running); /* nobody waits for it */
    session->inspections->running = NULL;
}

void session_inspect_resume(struct session *session)
{
    struct inspections *all        = session->inspections;
    struct inspection  *inspection = calloc(1, sizeof *inspection);
    if (inspection == NULL) {
        worker_end(session->worker, "no memory to hear an answer");
        return;
    }
    *inspection = (struct inspection){.session = session, .changes = true, .gives = session->variables != NULL};
    (void)evtimer_assign(&inspection->timer, all->base, on_timer, inspection);
    all->running = inspection;
    set_timer(inspection, PHASE_RUN, INSPECT_LIMIT_MS);
}

bool session_inspect_runs(const struct session *session)
{
    return session->inspections->running != NULL;
}

bool session_inspect_go_on(struct session *session)
{
    struct inspections *all = session->inspections;
    struct err          err = {0};

    if (all->running != NULL)
        return true;
    if (session->state != SESSION_READY || session->running != NULL || worker_state(session->worker) != WORKER_IDLE)
        return false;
    all->running = take_first(all);
    if (all->running == NULL)
        return false;
    if (ask(session, all->running, &err) < 0)
        worker_end(session->worker, err.message); /* its end answers */
    else
        set_timer(all->running, PHASE_RUN, INSPECT_LIMIT_MS);
    if (all->running != NULL)
        all->running->started_us = metrics_now_us();
    return true;
}

static struct inspection *take_running(struct session *session)
{
    struct inspection *running = session->inspections->running;
    int64_t            now_us  = metrics_now_us();
    if (running != NULL && running->started_us != 0) /* describing values runs their own code: at most what the clock says */
        tenant_charge(session->owner, (uint64_t)(now_us - running->started_us), now_us / 1000);
    session->inspections->running = NULL;
    return running;
}

static void note_change(struct session *session, const struct inspection *inspection, bool done)
{
    if (inspection->gives) {
        json_decref(session->variables);
        session->variables = NULL;
        session_keep_values(session);
    }
    if (inspection->gives || (inspection->changes && done)) {
        session_note_change(session); /* there is something now that a death would lose */
        session->changed_ms = json_time_now();
    }
}

void session_inspect_on_reply(struct session *session, const struct frame *frame)
{
    struct inspection   *inspection = take_running(session);
    json_t              *json       = json_said_read(frame->payload, frame->length);
    struct inspect_reply reply      = {.end = INSPECT_ANSWERED, .json = json, .text = frame->payload, .length = frame->length};

    if (!json_is_object(json)) {
        reply.end = INSPECT_GARBLED;
        log_warn("session %s: its answer about variables is not JSON of the agreed form", session->id_text);
    }
    note_change(session, inspection, json_is_true(json_object_get(json, "ok")));
    answer(inspection, &reply);
    json_decref(json);
    session_go_on(session);
}

void session_inspect_on_exit(struct session *session)
{
    struct inspection *running = session->inspections->running;
    if (running == NULL)
        return;
    running->phase = PHASE_KILL;
    (void)evtimer_del(&running->timer);
}

void session_inspect_on_state(struct session *session, const struct execution_state *after)
{
    struct inspection         *inspection = take_running(session);
    const struct inspect_reply reply      = {.end = INSPECT_DIED, .after = after};
    if (inspection != NULL)
        answer(inspection, &reply);
}

void session_inspect_end_all(struct session *session)
{
    struct inspection *inspection = take_running(session);
    struct inspection *reading    = take_reading(session->inspections);
    session_reader_cancel(session->reader);
    if (reading != NULL)
        answer_without(reading, INSPECT_GONE);
    while (inspection != NULL) {
        answer_without(inspection, INSPECT_GONE);
        inspection = take_first(session->inspections);
    }
    while ((inspection = take_first(session->inspections)) != NULL)
        answer_without(inspection, INSPECT_GONE);
}
