/* execution_private.h: what execution*.c share. Nobody else includes it. */
#ifndef PENNY_EXECUTION_PRIVATE_H
#define PENNY_EXECUTION_PRIVATE_H

#include <event2/event_struct.h>

#include "execution.h"

/*
 * What the timer is for: the time limit, the grace after it, nothing while SIGKILL does its work, the wait for stats. DEAD: only the state
 * is waited for. UNDO: the cell has ended, and what it did is being taken back.
 */
enum phase { PHASE_RUN, PHASE_GRACE, PHASE_KILL, PHASE_STATS, PHASE_DEAD, PHASE_UNDO };

struct execution {
    struct execution_node node;
    struct event_base    *base;
    struct event_log     *log;
    struct tenant        *owner;
    struct audit_run     *audit;  /* until its end; NULL: there is no audit log */
    struct worker        *worker; /* while running */
    execution_on_finished on_finished;
    void                 *arg;
    execution_on_result   on_result;
    void                 *result_arg;
    struct id             id, session;
    char                  id_text[ID_TEXT_BYTES], session_text[ID_TEXT_BYTES];
    uint64_t              serial, execution_count;
    enum execution_status status;
    struct bytes          code;
    json_t               *options, *label;
    json_t               *ahead; /* answers that came before they were asked for; NULL: none */
    size_t                ahead_bytes;
    struct files_given   *files;
    json_t               *files_kept; /* where the log has them, for the next server process; false: it could not take them */
    struct execution_use  use;
    json_t               *packages;
    uint32_t              timeout_ms, grace_ms;
    struct event          timer;
    enum phase            phase;
    bool                  timed_out, interactive, transactional, knows_state, spared;
    int64_t               made_us, started_us, ended_us;
    int64_t               made_at_ms;    /* since 1970 */
    int64_t        deadline_us, left_us; /* of the time limit, or the grace; what was left of the limit when a wait for input() began */
    struct output  output;
    struct outcome outcome;
    bool (*is_kept)(enum execution_status status, void *arg); /* NULL: what it does is kept when it sends its end */
    void                  *judge_arg;
    uint64_t               before; /* restored to, when not */
    struct execution_state state;
    struct outcome_death   death;
    char                  *notice;                          /* owned */
    void (*on_end)(struct execution *execution, void *arg); /* with on_finished's arg; NULL: nobody */
    struct keep_run *run;                                   /* its own from its start on; NULL: not kept */
    const char      *failure_code;
    char             failure[256];
};

/* execution.c */
/* One without code and track. NULL: no memory. */
struct execution *execution_make(const struct execution_place *place, const struct id *id, uint64_t serial);
int64_t           execution_now_us(void); /* monotonic */
/* The only writer of the status. */
void execution_set_status(struct execution *execution, enum execution_status status);
void execution_set_timer(struct execution *execution, enum phase phase, int64_t after_us);

/* execution_keep.c */
void execution_begin_run(struct execution *execution);                                     /* fills execution->run */
void execution_keep_done(struct execution *execution, const char *payload, size_t length); /* EVENT_DONE of one that is to be undone */

/* execution_keep_files.c */
void execution_restore_files_kept(struct execution *execution, const json_t *note);
bool execution_restore_files(struct execution *execution); /* false: they can't be had */
void execution_forget_files_kept(struct execution *execution);

/* execution_run.c */
void execution_run_clock(struct execution *execution);
void execution_end_input(struct execution *execution);
void execution_on_timer(evutil_socket_t fd, short what, void *execution);

/* execution_end.c */
void execution_finish(struct execution *execution, const struct execution_state *state); /* its outcome is known */
void execution_finish_dead(struct execution *execution);                                 /* its interpreter is dead; see execution->death */
void execution_know_stats(struct execution *execution);                                  /* or that there will be none */
void execution_undo(struct execution *execution);                                        /* its outcome is known, the state is to follow */

#endif
