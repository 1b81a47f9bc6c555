/*
 * worker.h: one interpreter, as the server sees it: two frame pipes, two raw pipes, a place in a jail (jail.h). The worker is hostile:
 * what it may say in which state is one table (worker_rule.h), and a word outside of it ends it, with all that it has started.
 *
 * A worker belongs to its jail and has one owner (the pool, then a session) that is told what happens. It is freed after on_gone, or,
 * once released, when none of its processes is left. Where a jail has one worker, its end is the jail's.
 */
#ifndef PENNY_WORKER_H
#define PENNY_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "frame.h"
#include "pipes.h"
#include "wire.h"
#include "worker_rule.h"
#include "zygote_wire.h"

struct workers; /* workers.h */
struct worker;
struct jail; /* jail.h */
struct fold_events;
extern const struct fold_events worker_fold_events; /* for workers.c */

/* Of one jail; 0: the policy's. */
struct worker_limits {
    uint64_t memory_bytes, workspace_bytes;
    uint32_t cpu_percent, processes;
};

struct worker_death {
    bool spawn_failed; /* there never was an interpreter */
    bool oom;          /* the kernel ended a process of the jail for want of memory */
    int  status;       /* of init, as from waitpid(); 0 when not known */
    char reason[256];  /* why we ended it, or what failed; "" when it ended by itself */
};

/* Each may release the worker. on_gone is the last, and must be there; whoever does not care for another leaves it NULL. */
struct worker_events {
    void (*on_ready)(void *arg);                            /* the interpreter takes requests */
    void (*on_frame)(const struct frame *frame, void *arg); /* text, values, INPUT_REQUEST, DONE: permitted in this state */
    void (*on_raw)(enum pipes_stream stream, const char *data, size_t length, void *arg);
    void (*on_turn)(void *arg);             /* all that one wake-up brought has been handed on */
    void (*on_exit)(int status, void *arg); /* the interpreter is dead and all it wrote has been handed on; init lives */
    void (*on_stats)(const struct session_stats *stats, void *arg);
    void (*on_gone)(const struct worker_death *death, void *arg);
    void (*on_copy_gone)(int32_t pid, int status, void *arg); /* a parked copy is dead, or there is none with this pid; in any state */
};

/* Asks for a new jail. Its answer is on_ready or on_gone, never before this returns. Returns NULL with err when the zygote is away. */
struct worker *worker_spawn(struct workers *workers, const struct worker_limits *limits, const struct worker_events *events, void *arg,
                            struct err *err);
/*
 * Asks for a live copy of an interpreter in its own jail, by way of a parked copy of it, `pid`, which is that worker's word (below). With
 * `keep` the parked copy stays parked; else it is the new interpreter. Answer and result as for worker_spawn; on_gone has spawn_failed.
 */
struct worker *worker_fork(struct worker *parent, int32_t pid, bool keep, const struct worker_events *events, void *arg, struct err *err);
/* Asks for a fresh interpreter in the jail of another, whatever that one does at the moment. Answer and result as for worker_fork. */
struct worker *worker_join(struct worker *relative, const struct worker_events *events, void *arg, struct err *err);
/* How many workers live in its jail. More than one: they share files, and the limits of the jail. */
size_t worker_family(const struct worker *worker);
/* It is there for a moment only: it does not count in the family, and keeps no jail alive. */
void worker_be_guest(struct worker *worker);
bool worker_is_relative(const struct worker *worker, const struct worker *other); /* of the same jail */
void worker_set_owner(struct worker *worker, const struct worker_events *events, void *arg);
/* The owner wants it no more: ends every process of it. No callback comes from then on. NULL is fine. */
void worker_release(struct worker *worker);
/* As worker_release, but its parked copies live on, as those of the heir, a worker of the same jail: worker_wake_copy knows them. */
void worker_succeed(struct worker *worker, struct worker *heir);
/* As worker_release, but on_gone is called, with this reason, when all processes have ended. */
void worker_end(struct worker *worker, const char *reason);

enum worker_state worker_state(const struct worker *worker);
/* The descriptor of the event log (zygote_wire.h); the caller owns it from then on. -1 when it was taken. */
int worker_take_log(struct worker *worker);

/* From now on nothing of this worker is lost with the server process (pipes.h). All is borrowed. */
void     worker_keep(struct worker *worker, struct keep *keep, uint32_t seat, struct keep_request *request, const struct pipes_store *store,
                     void *arg);
int      worker_commit(struct worker *worker, struct pipes_position *ret); /* see pipes_commit */
bool     worker_needs_commit(const struct worker *worker);
uint64_t worker_execution(const struct worker *worker); /* of the request that it has, or had last */
int32_t  worker_waking(const struct worker *worker);    /* while WAKING: which copy */
void     worker_place(const struct worker *worker, uint32_t *ret_jail, uint32_t *ret_member);
/* Init keeps this log (borrowed) in the place of its own. */
void worker_give_log(struct worker *worker, int log_fd);

/*
 * A member of a jail that is taken over (jail.h), with the descriptors init has given back (owned from then on, also on failure). Nothing is
 * read before worker_resume; on_gone may come. folded: it rested when the server process died, and its pipes were with its init (keep.h);
 * there they stay. Returns NULL with err.
 */
struct worker *worker_take_over(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS], bool folded,
                                const struct worker_events *events, void *arg, struct err *err);
/* Before worker_keep: its pipes can be read from now on. Returns 0 or -1. */
int worker_open(struct worker *worker, struct err *err);
/* After worker_resume: there is no interpreter. */
void worker_interpreter_is_gone(struct worker *worker, int status);
/* What it was doing, as far as that is known. unsure: the last request may not have been sent; it is found out. */
struct worker_past {
    enum worker_state state;
    uint64_t          execution;
    int32_t           waking_pid;
    bool              unsure;
    void (*on_unsent)(enum worker_state was, void *arg); /* the owner's: the request that seemed to have brought it there was not sent */
    const struct pipes_position *position;
    const struct bytes          *pending;
    const char                  *rest; /* of a long request */
    size_t                       rest_length;
};
/* After worker_keep: it goes on. May call back at once. Returns 0, or -1: it was ended. */
int worker_resume(struct worker *worker, const struct worker_past *past);

/* When IDLE: runs a cell. `setup` may be NULL. Returns 0, or -1 with err. */
int worker_execute(struct worker *worker, uint64_t execution, const char *setup, size_t setup_length, const char *code, size_t code_length,
                   struct err *err);
/* When IDLE: asks about the interpreter's state (REQUEST_INSPECT); `serial` is one of the executions'. EVENT_REPLY follows as a frame. */
int worker_inspect(struct worker *worker, uint64_t serial, const char *request, size_t length, struct err *err);
/* When IDLE: asks for a parked copy (REQUEST_PARK). EVENT_PARKED follows as a frame; if not in time, the interpreter is ended. */
int worker_park(struct worker *worker, struct err *err);
/* Nothing has been asked of it yet, nor will be for now: it may give back memory that only makes its first cell faster. Returns whether it was told. */
bool worker_shed(struct worker *worker);
/* When INPUT: answers input(). */
int worker_input(struct worker *worker, const char *text, size_t length, struct err *err);

/* To init. A failure ends the jail. */
void worker_interrupt(struct worker *worker);        /* SIGINT to the running cell */
void worker_kill_interpreter(struct worker *worker); /* SIGKILL to all but init; on_exit follows, or on_gone if it does not work */
void worker_respawn(struct worker *worker);          /* after on_exit: a fresh interpreter in the same jail; on_ready follows */
/*
 * Parked copies. `pid` is what EVENT_PARKED said, which is the worker's word: init only believes it of a child of its own, and answers
 * with on_copy_gone when it is none.
 */
void worker_keep_copy(struct worker *worker, int32_t pid); /* it is one from now on: worker_kill_interpreter spares it */
void worker_drop_copy(struct worker *worker, int32_t pid);
/* After on_exit: it becomes the interpreter. on_ready follows; or on_copy_gone with this pid, or on_exit: then it is none any more. */
void worker_wake_copy(struct worker *worker, int32_t pid);

/*
 * Asks init something of the session's files; fd (borrowed, or -1) goes with it. Returns 0, or -1: not now. What init answers comes to
 * the receiver, which owns the descriptor that came with it, or -1; a reply is not matched with its request here.
 */
int  worker_file(struct worker *worker, const struct control_file *request, int fd);
void worker_set_file_receiver(struct worker *worker, void (*on_file)(const struct control_file_reply *reply, int fd, void *arg), void *arg);

/* on_stats follows, unless the zygote is away (returns false) or goes away. */
bool worker_ask_stats(struct worker *worker);
/* Per cent of one core that the whole jail may use from now on; 0: no limit. Returns false when it is not held: without a
 * control group, or while the zygote is away. */
bool worker_limit_cpu(struct worker *worker, uint32_t cpu_percent);
/* Has the kernel take back the memory of its jail that is not used. Returns false when it can't be asked: others live in the jail, the
 * zygote is away. What came of it is known later. */
struct worker_reclaimed {
    bool     is_known;
    int      error; /* errno: nothing could be done; else */
    uint64_t bytes; /* less */
};
bool                           worker_reclaim(struct worker *worker);
const struct worker_reclaimed *worker_reclaimed(const struct worker *worker);
/* Reads nothing until the next worker_execute: back-pressure on what is written while nothing runs. */
void worker_pause(struct worker *worker);

#endif
