/*
 * keep.h: what outlives the server process, besides the sessions themselves and their logs: one shared mapping that the supervisor made
 * and hands to every server process it starts. kill -9 takes a process between two instructions, never its stores back; so an update is
 * a few stores in the right order and no system call. The machine's end takes it all.
 *
 * A `seat` is the record of one session. Beside the seats there is one inbox: the bytes that the present wake-up has taken from a
 * session's pipes and that no commit in its log covers yet (intake.h).
 */
#ifndef PENNY_KEEP_H
#define PENNY_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "id.h"

enum {
    KEEP_INBOX_BYTES  = 2 * 1024 * 1024,
    KEEP_SEGMENTS_MAX = 1024,
    KEEP_OWNER_BYTES  = 64,
};

/* The execution that runs, or ran last: what its log can't say before its first flush, and its clock. */
struct keep_run {
    uint64_t  serial; /* 0: none yet. Written last */
    struct id id;
    uint64_t  execution_count;
    uint32_t  epoch;
    uint32_t  timeout_ms, grace_ms;
    uint32_t  phase; /* of its timer */
    uint32_t  timed_out, interactive, include_variables, transactional;
    int64_t   made_us, started_us, deadline_us, left_us; /* monotonic */
};

/* The request that was sent to the worker last. */
enum keep_phase { KEEP_STILL, KEEP_FILLING, KEEP_MOVING };
struct keep_request {
    uint64_t count; /* of requests ever; written before anything of this one is sent */
    uint64_t execution;
    uint64_t record_at, bytes; /* of a long one: the record in the log that holds all of it; 0: it went with one write */
    uint64_t sent, target;     /* of a long one; see outlet.h for a move under way */
    uint32_t chunk, phase;
    uint32_t type;
    uint32_t folded; /* the worker rests, all it said has been handed on, and its pipes are with its init (fold.h) */
};

enum keep_use { KEEP_FREE, KEEP_TAKEN, KEEP_FILLED };
struct keep_seat {
    uint32_t            used;         /* enum keep_use */
    uint32_t            jail, member; /* the zygote's number of its jail, 0: it has none at the moment; which of those in it */
    struct id           id;
    char                owner[KEEP_OWNER_BYTES], profile[16];
    uint64_t            memory_limit, workspace_limit;
    uint32_t            cpu_percent, processes;
    uint32_t            idle_timeout_ms, failed_starts;
    uint32_t            variables_sent, profile_sent, notice, oom_kills;
    int64_t             created_us, last_activity_us, active_ms, changed_ms;
    uint64_t            executions;
    int64_t             deadline_ms, deadline_at_ms;
    struct id           forked_from;
    uint32_t            is_fork, is_part, is_casual, pauses, paused, checkpoint_mode;
    uint64_t            memory_bytes, cpu_us, jail_cpu_us;
    double              execution_ms;
    uint64_t            history_at; /* likewise: cells of before an import */
    uint64_t            record_at;  /* in its log: metadata and what waits for the next cell; 0: none */
    uint32_t            has_owner;
    uint32_t            is_unsaved; /* its log could not be written: what happened since its last commit is not kept */
    struct keep_run     run;
    struct keep_request request;
};

struct keep_segment {
    uint32_t source, length;
};

struct keep_inbox {
    uint64_t            turn; /* of the seat's commits: which turn they cover */
    uint32_t            seat; /* index + 1; 0: nobody's */
    uint32_t            count, current, phase;
    struct keep_segment segment[KEEP_SEGMENTS_MAX];
    char                bytes[KEEP_INBOX_BYTES];
};

struct keep;

/* The supervisor's part: a descriptor of an empty one for so many sessions. Returns -1 with err. */
int keep_make(uint32_t seats, struct err *err);

/* stage_fds: two pipes, read end before write end: what comes from sessions passes through the first, what goes to them through the second. */
struct keep *keep_open(int fd, const int stage_fds[4], struct err *err);
void         keep_close(struct keep *keep); /* NULL is fine */

/* A zeroed seat; where all are taken, or keep is NULL, one that only this process knows: never NULL but for want of memory. */
struct keep_seat *keep_take_seat(struct keep *keep);
void              keep_free_seat(struct keep *keep, struct keep_seat *seat);
bool              keep_is_shared(const struct keep *keep, const struct keep_seat *seat);
uint32_t          keep_index(const struct keep *keep, const struct keep_seat *seat); /* index + 1; 0: not shared */
/* The seats that are filled: for a process that starts. `after` NULL: the first. NULL at the end. */
struct keep_seat  *keep_next(struct keep *keep, const struct keep_seat *after);
struct keep_inbox *keep_inbox(struct keep *keep);
int                keep_stage(const struct keep *keep, int which); /* 0..3, as given to keep_open */
/* A number that has not been given before, by any process. */
uint64_t keep_next_serial(struct keep *keep);

/* Stores before this one are seen by whoever maps it when those after it are. */
static inline void keep_order(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

#endif
