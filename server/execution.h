/*
 * execution.h: one run of one cell, from the queue to its terminal event. Whatever happens to the worker, the jail, the zygote or the
 * client, an execution that was made ends exactly once, with a status that is true.
 */
#ifndef PENNY_EXECUTION_H
#define PENNY_EXECUTION_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "audit.h"
#include "bytes.h"
#include "err.h"
#include "event_log.h"
#include "id.h"
#include "keep.h"
#include "outcome.h"
#include "output.h"
#include "tenant.h"
#include "worker.h"

/* Of one run, where it shall be held to less than its session; 0: as the session. */
struct execution_use {
    bool     network; /* it may reach what the policy allows */
    uint64_t memory_bytes;
    uint32_t cpu_percent; /* of one core */
};

struct execution_request {
    const char                *code; /* UTF-8, copied */
    size_t                     code_length;
    json_t                    *options;              /* the members of REQUEST_SETUP, or NULL; a reference is taken */
    uint32_t                   timeout_ms, grace_ms; /* until SIGINT; from SIGINT to SIGKILL */
    struct execution_use       use;
    bool                       include_variables;
    bool                       interactive;   /* someone may answer input(); else it sees the end of input */
    bool                       transactional; /* unless it ends well, the session is to be as it was before */
    json_t                    *packages;      /* requirements to be installed before it starts, or NULL; a reference is taken */
    struct files_given        *files;         /* to be written before it starts; taken over, unless NULL is returned */
    const struct audit_origin *origin;        /* for the audit log; NULL: not known */
    const struct id           *id;            /* which it shall have, when nobody has it; NULL: a new one */
    json_t                    *label;         /* what its maker wants to find again; NULL, or a reference is taken */
};

struct execution;
struct files_given; /* files_given.h */

/* Of the session. Called once, when the execution has ended and its events are in the log; it may start another one. */
typedef void (*execution_on_finished)(struct execution *execution, void *arg);

/* `result` is the whole ExecutionResult as JSON text, or NULL when the service failed: see execution_failure. */
typedef void (*execution_on_result)(struct execution *execution, const struct bytes *result, void *arg);

/* By which the session keeps it in its list, oldest first, and in its queue. */
struct execution_node {
    TAILQ_ENTRY(execution_node) all, queue;
    struct execution *execution;
};
TAILQ_HEAD(execution_list, execution_node);

/* Where an execution belongs: all borrowed, and for longer than it lives but for `session` and `limits`, which are copied. */
struct execution_place {
    struct event_base          *base;
    struct event_log           *log;
    const struct id            *session;
    struct tenant              *owner; /* NULL: nobody's */
    const struct output_limits *limits;
    execution_on_finished       on_finished;
    void                       *arg; /* of on_finished */
};

/* A queued execution with a track in the place's log. Returns NULL with err filled. */
struct execution      *execution_new(const struct execution_place *place, uint64_t serial, const struct execution_request *request,
                                     struct err *err);
void                   execution_free(struct execution *execution); /* frees its track too; NULL is fine */
struct execution_node *execution_node(struct execution *execution);

/* Someone waits for the whole result. Set before the start, or NULL when that one has left. */
void execution_set_waiter(struct execution *execution, execution_on_result on_result, void *arg);

/* Starts a queued one on an idle worker. `extra` (borrowed, may be NULL): options of the session, over which the request's own win. */
void execution_start(struct execution *execution, struct worker *worker, uint64_t execution_count, const json_t *extra);

/* What the worker says, while it runs. */
void execution_on_frame(struct execution *execution, const struct frame *frame);
void execution_on_raw(struct execution *execution, enum pipes_stream stream, const char *data, size_t length);
/* The interpreter died. The end waits for on_stats, for a while, and for execution_on_state. */
void execution_on_exit(struct execution *execution, int status);
/* After execution_on_exit, or while it is to be undone: what the session is left with. */
void execution_on_state(struct execution *execution, const struct execution_state *after);
/* oom: the kernel has ended a process of the jail since this was last asked; cpu_us: used since then. */
void execution_on_stats(struct execution *execution, const struct session_stats *stats, bool oom, uint64_t cpu_us);
/* The whole jail is gone. */
void execution_on_gone(struct execution *execution, const struct worker_death *death);

/* SIGINT; a queued one ends at once, as interrupted. On an ended one nothing happens. */
void execution_interrupt(struct execution *execution);
/* Ends a running or queued one now, as killed, with this reason; the worker is not touched. */
void execution_kill(struct execution *execution, const char *reason, const struct execution_state *after);
/* Ends a queued one that can't be run as it was asked for, as rejected. */
void execution_reject(struct execution *execution, const char *type, const char *message);
/* The files that are to be written first, the caller's from then on; NULL: none, or taken already. And back again. */
struct files_given *execution_take_files(struct execution *execution);
void                execution_give_files(struct execution *execution, struct files_given *files);
/* The packages that are to be installed first, the caller's from then on; NULL: none, or taken already. */
json_t *execution_take_packages(struct execution *execution);
/* The service could not do it: ends as lost, with an `error` event. */
void execution_fail(struct execution *execution, const char *code, const char *message);
/* Answers input(). Returns 0, or -1 when none is waited for. */
int execution_input(struct execution *execution, const char *text, size_t length, struct err *err);
/* Likewise; while none is waited for it is kept for when one is. Returns 0, or -1 with err: ENOBUFS, too much is kept already; EBUSY, nobody may answer. */
int execution_input_ahead(struct execution *execution, const char *text, size_t length, struct err *err);
/*
 * A run in a fork: its end decides whether what it did is kept, is_kept being asked once when it has sent its end. If not, the session is left
 * as it was after execution `restored_to`.
 */
void execution_set_judge(struct execution *execution, bool (*is_kept)(enum execution_status status, void *arg), void *arg,
                         uint64_t restored_to);
/* on_value is told of each plot and result while it runs. */
void execution_watch_values(struct execution *execution, output_on_value on_value, void *arg);
/* Called when it has ended, before anybody is told and before the end is written. */
void execution_set_on_end(struct execution *execution, void (*on_end)(struct execution *execution, void *arg));
/* Told to the client with the result: something it should know that is no part of the run. Copied; NULL: nothing. */
void execution_set_notice(struct execution *execution, const char *notice);

/* ---- for the server process that comes after this one (session_keep.h) ---- */

/* What of a running one is neither in its events nor in keep_run. Zeroed before. */
struct execution_kept {
    uint64_t               serial; /* 0: none */
    uint64_t               output_bytes, dropped_bytes;
    struct text_carry      carry[PIPES_STREAM_COUNT][OUTPUT_WAY_COUNT];
    uint32_t               plots, variables, dropped;
    uint32_t               is_dying;    /* its interpreter is dead, */
    uint32_t               is_undone;   /* or what it did is being taken back */
    uint32_t               knows_state; /* of a dying one: it is this, only what it has used is not known yet */
    struct execution_state state;
};
void execution_kept(const struct execution *execution, struct execution_kept *ret);
/* From its start on it writes down its clock here. Before execution_start. */
void execution_keep(struct execution *execution, struct keep_run *run);
/* Its files go to the log, and are held there until its end. */
void execution_keep_files(struct execution *execution);
/* What it is to be run with, for one that waits; NULL: no memory. */
json_t *execution_note(const struct execution *execution);

/* One that the process before left in the place's log. What is said of its end is in its events; of one that has not ended the caller goes on: */
struct execution *execution_restore(const struct execution_place *place, struct event_track *track, struct err *err);
/* ... it waits, with what its note says. Returns false when there is none. */
bool execution_restore_waiting(struct execution *execution);
/* ... or it runs. */
void execution_restore_running(struct execution *execution, struct worker *worker, struct keep_run *run, const struct execution_kept *kept,
                               bool waits_for_input);
/* ... which has ended, and is to be undone: what it did is being taken back. */
void execution_restore_undone(struct execution *execution);
/* The request that was thought to be sent was not. Returns true when it is queued again; else it has ended. input: that was the request. */
bool execution_on_unsent(struct execution *execution, bool input);

/* Writes what was appended to its log, so that a new watcher finds it. */
void execution_flush(struct execution *execution);

const struct id            *execution_id(const struct execution *execution);
const char                 *execution_id_text(const struct execution *execution);
const struct execution_use *execution_use(const struct execution *execution);
const struct id            *execution_session(const struct execution *execution);
const char                 *execution_session_text(const struct execution *execution);
struct tenant              *execution_owner(const struct execution *execution); /* NULL: there are no keys */
const json_t               *execution_label(const struct execution *execution); /* borrowed; NULL: none */
/* When it started and ended, ms since 1970; 0: not yet. */
void                  execution_times(const struct execution *execution, int64_t *ret_started_ms, int64_t *ret_ended_ms);
enum execution_status execution_status(const struct execution *execution);
bool                  execution_has_ended(const struct execution *execution);
bool                  execution_is_dying(const struct execution *execution); /* it runs no more, what it leaves is being found out */
bool execution_is_to_be_undone(const struct execution *execution);           /* its cell has failed; execution_on_state is waited for */
bool execution_is_transactional(const struct execution *execution);
const struct outcome *execution_outcome(const struct execution *execution); /* of an ended one: what it used; its error is gone */
struct event_track   *execution_track(const struct execution *execution);
/* Why the service failed; NULL when it did not. ret_code is a constant such as "SESSION_UNAVAILABLE". */
const char                   *execution_failure(const struct execution *execution, const char **ret_code);
const struct execution_state *execution_state(const struct execution *execution); /* of an ended one: what it left */
double                        execution_ms(const struct execution *execution);    /* how long it ran, or has run so far */

#endif
