/* session_private.h: what session*.c share. Nobody else includes it. */
#ifndef PENNY_SESSION_PRIVATE_H
#define PENNY_SESSION_PRIVATE_H

#include "bytes.h"
#include "keep.h"
#include "pool.h"
#include "session.h"
#include "session_checkpoints.h"
#include "session_files.h"
#include "session_fork.h"
#include "session_inspect.h"
#include "session_join.h"
#include "session_packages.h"
#include "session_plots.h"
#include "session_race.h"
#include "stats_wait.h"

TAILQ_HEAD(join_list, join);

struct session {
    struct session_node   node;
    struct sessions      *sessions;
    struct tenant        *owner;
    struct id             id;
    char                  id_text[ID_TEXT_BYTES];
    enum session_state    state;
    struct worker        *worker; /* NULL while a new jail is waited for, and when the last one is gone */
    struct pool_claim    *claim;
    struct event_log     *log;
    struct execution_list all, queue; /* oldest first */
    size_t                all_count, queue_count;
    struct execution     *running;
    json_t               *metadata, *environment;
    json_t               *variables; /* for the next cell; kept until one has ended well with them */
    bool                  variables_sent, profile_sent;
    bool                  cpu_is_limited;           /* for the execution that runs */
    bool                  is_sampled, has_too_much; /* no control group holds its memory; what runs is ended for having too much */
    char                  profile[16];
    struct worker_limits  limits;
    uint32_t              idle_timeout_ms;
    int64_t               created_us, last_activity_us, ended_ms; /* since 1970 */
    int64_t               active_ms;                              /* monotonic */
    uint64_t              executions;                             /* started ever */
    int64_t               deadline_ms, deadline_at_ms;            /* monotonic, and since 1970; 0: none */
    bool                  pauses, paused;
    int64_t               transfer_ms; /* monotonic: until then it is on its way; 0: it is not */
    struct id             moved_to;    /* what it is elsewhere, */
    bool                  has_moved;   /* if it is */
    uint64_t              history_at;  /* record of cells that another session had run, + 1 */
    bool                  hibernated;  /* its memory was asked back and nothing has used it since */
    bool                  has_shed;    /* what only a first cell needs was asked back */
    unsigned              failed_starts;
    bool                  is_kept; /* although ended, for a while */
    struct bytes          late[PIPES_STREAM_COUNT];
    char                 *notice;                     /* for the next execution; owned */
    bool                  late_changed, late_is_kept; /* since the last commit; there is a record of it, */
    uint64_t              late_at, request_at;        /* here; of the last long request */
    struct bytes          copies;                     /* as recorded last, */
    uint64_t              copies_at;                  /* here */
    struct keep_seat     *seat;                       /* what another process goes on with; NULL: ended */
    uint64_t              memory_bytes, cpu_us, jail_cpu_us;
    uint32_t              oom_kills;
    double                execution_ms;
    struct stats_wait     stats;
    struct inspections   *inspections;
    struct session_forks *forks;
    struct race_list      races;
    unsigned              held; /* races that run, or take their copy: nothing else may run */
    struct id             forked_from;
    bool                  is_fork, is_part;
    struct join_list      joins; /* interpreters that will be its parts */
    struct session_plots *plots;
    struct session_files *files;
    struct files_writing *writing;    /* of the files that came with the next execution */
    struct files_given   *given;      /* these */
    struct execution     *given_to;   /* whose they are; NULL when it is gone */
    json_t               *uploads;    /* paths written since the last execution began: no doing of the program's; NULL: none */
    int64_t               changed_ms; /* when a cell or a request may have changed variables last; since 1970 */
    void (*on_gone)(void *arg);
    void *gone_arg;

    struct session_packages *packages;
    uint64_t                 network_grant; /* of the execution that runs; 0: none */

    struct session_checkpoints *checkpoints;
    struct session_reader      *reader;
    bool                        is_casual; /* made for one execution; nobody asked for a session */
};

/* session.c */
void session_begin(struct session *session, struct sessions *sessions);      /* a zeroed one */
bool session_make_parts(struct session *session, enum checkpoint_mode mode); /* after its owner, limits and times; false: no memory */

/* The only writer of the state. */
void session_set_state(struct session *session, enum session_state state);

/* Copied; NULL: none. */
void session_set_notice(struct session *session, const char *notice);

/* session_run.c */
bool session_has_work(const struct session *session); /* something runs or waits */
void session_end_executions(struct session *session, const char *reason);
void session_forget_execution(struct session *session, struct execution *execution);
/* One that is found by its id, and is in no queue. Returns NULL with err. */
struct execution *session_add_execution(struct session *session, const struct execution_request *request, execution_on_finished on_finished,
                                        void *arg, struct err *err);
/* Where the session's executions belong. */
struct execution_place session_execution_place(struct session *session, execution_on_finished on_finished, void *arg);
/* Makes it one of the session's that is found by its id. Returns 0 or -1. */
int session_list_execution(struct session *session, struct execution *execution, struct err *err);
/* Options that the session adds to those of its next execution, which is told them from now on; owned, NULL: none. */
json_t *session_own_options(struct session *session);

void session_on_finished(struct execution *execution, void *session);
void session_on_run_end(struct execution *execution, void *session);
void session_on_value(enum event_kind kind, const json_t *value, uint64_t seq, void *session);

/* session_worker.c */
void session_take_worker(struct session *session, struct worker *worker);     /* a ready one */
void session_exchange_worker(struct session *session, struct worker *worker); /* a ready one; the former is ended */
void session_tell_gone(struct session *session);                              /* no process of it is left */
void session_own_worker(struct session *session);                             /* is told from now on what session->worker does */

#endif
