#define _GNU_SOURCE
#include "session_race.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "json.h"
#include "session_fork.h"
#include "session_packages.h"
#include "session_private.h"
#include "sessions.h"

static const char BEATEN[] = "another candidate of the race was first";

struct candidate {
    struct session_race *race;
    struct execution    *execution; /* NULL: it has ended */
    struct worker       *worker;    /* NULL: not yet, or not any more */
    struct bytes         result;
    bool                 has_started;
};

struct session_race {
    TAILQ_ENTRY(session_race) entry;
    struct session  *session;
    struct candidate candidates[RACE_MAX];
    size_t           count, left; /* not yet ended */
    bool             first_ok;
    int              winner;
    bool             holds;       /* nothing else may run in the session */
    bool             is_settling; /* several end at once: who began that sees to what follows */
    bool             had_profile;
    void (*on_end)(const struct race_answer *answer, void *arg); /* NULL: who asked has left */
    void *arg;
};

static void race_free(struct session_race *race)
{
    TAILQ_REMOVE(&race->session->races, race, entry);
    for (size_t i = 0; i < race->count; i++) {
        worker_release(race->candidates[i].worker);
        bytes_done(&race->candidates[i].result);
    }
    free(race);
}

static void release(struct session_race *race)
{
    if (race->holds)
        race->session->held--;
    race->holds = false;
}

static void answer(struct session_race *race, const struct fork_answer *fork)
{
    struct bytes       results[RACE_MAX];
    struct race_answer answer = {.fork = fork, .winner = race->winner, .count = race->count, .results = results};
    for (size_t i = 0; i < race->count; i++)
        results[i] = race->candidates[i].result;
    if (race->on_end != NULL)
        race->on_end(&answer, race->arg);
}

static void conclude(struct session_race *race)
{
    struct session *session = race->session;
    if (race->winner < 0 && race->holds) { /* what was told to the candidates was not told to the session's own interpreter */
        session->profile_sent   = race->had_profile;
        session->variables_sent = false;
        session_packages_on_fresh(session);
    }
    release(race);
    answer(race, NULL);
    race_free(race);
    if (session->state != SESSION_ENDED) {
        session_touch(session);
        session_go_on(session);
    }
    sessions_on_progress(session->sessions);
}

/* ---- the end of one ---- */

static bool is_kept(enum execution_status status, void *arg)
{
    struct candidate    *candidate = arg;
    struct session_race *race      = candidate->race;
    if (!race->first_ok || race->winner >= 0 || status != EXECUTION_OK || race->session->state == SESSION_ENDED)
        return false;
    race->winner = (int)(candidate - race->candidates);
    return true;
}

static struct execution_state state_before(const struct session *session)
{
    if (session->state == SESSION_ENDED || session->worker == NULL)
        return (struct execution_state){.kind = STATE_LOST};
    return (struct execution_state){.kind = STATE_ROLLED_BACK, .restored_to = session->executions};
}

static void end_others(struct session_race *race, const char *reason)
{
    struct execution_state after = state_before(race->session);
    race->is_settling            = true;
    for (size_t i = 0; i < race->count; i++) {
        if (race->candidates[i].execution != NULL)
            execution_kill(race->candidates[i].execution, reason, &after);
        if ((int)i != race->winner || race->session->state == SESSION_ENDED) {
            worker_release(race->candidates[i].worker);
            race->candidates[i].worker = NULL;
        }
    }
    race->is_settling = false;
}

/* The winner's interpreter is the session's from now on. */
static void adopt(struct session_race *race, const struct outcome *outcome)
{
    struct session *session = race->session;
    struct worker  *worker  = race->candidates[race->winner].worker;

    race->candidates[race->winner].worker = NULL;
    session->executions++;
    session_restore_on_exchange(session);
    session_note_execution(session, outcome);
    session->changed_ms   = json_time_now();
    session->profile_sent = true;
    if (session->variables_sent) {
        json_decref(session->variables);
        session->variables = NULL;
    }
    session->variables_sent = false;
    session_exchange_worker(session, worker);
}

static void note_use(struct session *session, const struct execution *execution)
{
    const struct outcome *outcome = execution_outcome(execution);
    session->execution_ms += execution_ms(execution);
    session->cpu_us += outcome->cpu_user_us + outcome->cpu_system_us;
}

static void on_finished(struct execution *execution, void *arg)
{
    struct candidate    *candidate = arg;
    struct session_race *race      = candidate->race;
    struct session      *session   = race->session;

    candidate->execution = NULL;
    race->left--;
    note_use(session, execution);
    if (candidate->has_started)
        sessions_on_stop(session->sessions, session);
    else
        sessions_on_queued(session->sessions, -1);
    if (race->is_settling)
        return;
    if (race->winner == (int)(candidate - race->candidates)) {
        end_others(race, BEATEN);
        adopt(race, execution_outcome(execution));
    } else if (candidate->worker != NULL) {
        worker_release(candidate->worker);
        candidate->worker = NULL;
    }
    if (race->left == 0)
        conclude(race);
}

/* Before on_finished, while it can be had. */
static void on_result(struct execution *execution, const struct bytes *result, void *arg)
{
    struct candidate *candidate = arg;
    const char       *code, *failure = execution_failure(execution, &code);
    json_t           *json;
    char             *text;

    if (result != NULL) {
        (void)bytes_append(&candidate->result, result->data, result->length);
        return;
    }
    json = json_pack("{s:b, s:s, s:s, s:s, s:{s:s, s:s}}", "success", 0, "status", execution_status_name(execution_status(execution)),
                     "executionId", execution_id_text(execution), "sessionId", execution_session_text(execution), "error", "type",
                     failure != NULL ? code : "LOST", "message", failure != NULL ? failure : "the service failed");
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text != NULL)
        (void)bytes_append(&candidate->result, text, strlen(text));
    free(text);
    json_decref(json);
}

/* ---- what a candidate's interpreter says ---- */

static bool takes_output(const struct candidate *candidate)
{
    return candidate->execution != NULL && candidate->has_started && !execution_is_dying(candidate->execution);
}

static void on_frame(const struct frame *frame, void *arg)
{
    struct candidate *candidate = arg;
    if (takes_output(candidate))
        execution_on_frame(candidate->execution, frame);
}

static void on_raw(enum pipes_stream stream, const char *data, size_t length, void *arg)
{
    struct candidate *candidate = arg;
    if (takes_output(candidate))
        execution_on_raw(candidate->execution, stream, data, length);
}

static void on_turn(void *arg)
{
    struct event_log *log = ((struct candidate *)arg)->race->session->log;
    if (event_log_is_dirty(log))
        event_log_flush(log);
}

static void on_exit_of(int status, void *arg)
{
    struct candidate      *candidate = arg;
    struct execution_state after     = state_before(candidate->race->session);
    struct execution      *execution = takes_output(candidate) ? candidate->execution : NULL;
    if (execution == NULL)
        return;
    execution_on_exit(execution, status);
    if (candidate->execution != NULL)
        execution_on_state(candidate->execution, &after);
}

static void on_stats(const struct session_stats *stats, void *arg)
{
    struct candidate *candidate = arg;
    if (candidate->execution != NULL && candidate->has_started)
        execution_on_stats(candidate->execution, stats, stats->oom_kills > 0, 0);
}

static void on_gone(const struct worker_death *death, void *arg)
{
    struct candidate      *candidate = arg;
    struct execution_state after     = state_before(candidate->race->session);
    candidate->worker                = NULL;
    if (candidate->execution != NULL)
        execution_kill(candidate->execution, death->reason[0] != '\0' ? death->reason : "its processes were ended", &after);
}

static const struct worker_events events = {
    .on_frame = on_frame, .on_raw = on_raw, .on_turn = on_turn, .on_exit = on_exit_of, .on_stats = on_stats, .on_gone = on_gone};

/* ---- the start ---- */

static void start(struct session_race *race, const struct fork_answer *forks)
{
    struct session *session = race->session;
    json_t         *options;

    race->had_profile = session->profile_sent;
    options           = session_own_options(session);
    race->is_settling = true;
    for (size_t i = 0; i < race->count; i++) {
        struct candidate *candidate = &race->candidates[i];
        candidate->worker           = forks->workers[i];
        worker_set_owner(candidate->worker, &events, candidate);
        if (candidate->execution == NULL) /* cancelled meanwhile */
            continue;
        candidate->has_started = true;
        sessions_on_queued(session->sessions, -1);
        sessions_on_start(session->sessions, session);
        execution_start(candidate->execution, candidate->worker, session->executions + 1, options);
    }
    race->is_settling = false;
    json_decref(options);
    event_log_flush(session->log);
    if (race->left == 0)
        conclude(race);
}

static void refuse(struct session_race *race, const struct fork_answer *fork)
{
    race->is_settling = true;
    for (size_t i = 0; i < race->count; i++)
        if (race->candidates[i].execution != NULL)
            execution_reject(race->candidates[i].execution, "ForkError", fork->reason != NULL ? fork->reason : "no fork could be made");
    release(race);
    answer(race, fork);
    race_free(race);
}

static void on_forked(const struct fork_answer *forks, void *arg)
{
    struct session_race *race    = arg;
    struct session      *session = race->session;
    if (forks->end == FORK_DONE) {
        race->holds = true;
        start(race, forks);
        return;
    }
    race->holds = forks->holds;
    refuse(race, forks);
    if (session->state != SESSION_ENDED)
        session_go_on(session);
}

static int make_executions(struct session_race *race, const struct race_request *request, struct execution **ret, struct err *err)
{
    for (size_t i = 0; i < request->count; i++) {
        struct candidate *candidate = &race->candidates[i];
        candidate->race             = race;
        candidate->execution        = session_add_execution(race->session, &request->candidates[i], on_finished, candidate, err);
        if (candidate->execution == NULL)
            return -1;
        ret[i] = candidate->execution;
        race->count++;
        race->left++;
        sessions_on_queued(race->session->sessions, 1);
        execution_set_waiter(candidate->execution, on_result, candidate);
        execution_set_judge(candidate->execution, is_kept, candidate, race->session->executions);
    }
    return 0;
}

static void undo(struct session_race *race)
{
    race->is_settling = true;
    for (size_t i = 0; i < race->count; i++)
        execution_reject(race->candidates[i].execution, "ForkError", "the race could not be begun");
    race_free(race);
}

int session_race(struct session *session, const struct race_request *request, struct execution **ret_executions, struct err *err)
{
    struct session_race *race;
    if (tenant_check_run(session->owner, request->may_wait, sessions_settings(session->sessions)->max_queue, json_time_monotonic(), err) <
        0)
        return -1;
    if (!request->may_wait && session_has_work(session))
        return err_set(err, EBUSY, "the session runs something else");
    race = calloc(1, sizeof *race);
    if (race == NULL)
        return err_set(err, ENOMEM, "no memory for a race");
    race->session  = session;
    race->first_ok = request->first_ok;
    race->winner   = -1;
    race->on_end   = request->on_end;
    race->arg      = request->arg;
    TAILQ_INSERT_TAIL(&session->races, race, entry);
    if (make_executions(race, request, ret_executions, err) < 0 ||
        session_fork_and_hold(session, request->count, on_forked, race, err) < 0) {
        undo(race);
        return -1;
    }
    return 0;
}

void session_race_forget(struct session *session, const void *arg)
{
    struct session_race *race;
    TAILQ_FOREACH(race, &session->races, entry)
    {
        if (race->arg == arg)
            race->on_end = NULL;
    }
}

bool session_race_interrupt(struct session *session)
{
    struct session_race *race = TAILQ_FIRST(&session->races);
    struct execution    *running[RACE_MAX];
    size_t               count = 0;
    if (race == NULL || !race->holds)
        return false;
    for (size_t i = 0; i < race->count; i++)
        if (race->candidates[i].execution != NULL)
            running[count++] = race->candidates[i].execution;
    for (size_t i = 0; i < count; i++)
        execution_interrupt(running[i]);
    return count > 0;
}

void session_race_end_all(struct session *session, const char *reason)
{
    struct session_race *race;
    while ((race = TAILQ_FIRST(&session->races)) != NULL) {
        session_fork_forget(session, race);
        end_others(race, reason);
        release(race);
        answer(race, NULL);
        race_free(race);
    }
}

void session_race_free_all(struct session *session)
{
    struct session_race *race;
    while ((race = TAILQ_FIRST(&session->races)) != NULL)
        race_free(race);
}
