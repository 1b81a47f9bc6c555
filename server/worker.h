/*
 * worker.h: one jail with its interpreter, as the server sees it: two frame pipes, two raw pipes, a control socket to its init. The
 * worker is hostile: what it may say in which state is one table (worker_rule.h), and a word outside of it ends the jail.
 *
 * A worker belongs to its `struct workers` and has one owner (the pool, then a session) that is told what happens. It is freed
 * after on_gone, or, once released, when the zygote reports its end.
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

/* Of one jail; 0: the policy's. */
struct worker_limits {
    uint64_t memory_bytes, workspace_bytes;
    uint32_t cpu_percent, processes;
};

struct worker_death {
    bool spawn_failed; /* there never was a jail */
    bool oom;          /* the kernel ended a process of it for want of memory */
    int  status;       /* of init, as from waitpid(); 0 when not known */
    char reason[256];  /* why we ended it, or what failed; "" when it ended by itself */
};

/* Each may release the worker. on_gone is the last. */
struct worker_events {
    void (*on_ready)(void *arg);                            /* the interpreter takes requests */
    void (*on_frame)(const struct frame *frame, void *arg); /* text, values, INPUT_REQUEST, DONE: permitted in this state */
    void (*on_raw)(enum pipes_stream stream, const char *data, size_t length, void *arg);
    void (*on_turn)(void *arg);             /* all that one wake-up brought has been handed on */
    void (*on_exit)(int status, void *arg); /* the interpreter is dead and all it wrote has been handed on; init lives */
    void (*on_stats)(const struct session_stats *stats, void *arg);
    void (*on_gone)(const struct worker_death *death, void *arg);
};

/* Asks for a new jail. Its answer is on_ready or on_gone, never before this returns. Returns NULL with err when the zygote is away. */
struct worker *worker_spawn(struct workers *workers, const struct worker_limits *limits, const struct worker_events *events, void *arg,
                            struct err *err);
void           worker_set_owner(struct worker *worker, const struct worker_events *events, void *arg);
/* The owner wants it no more: ends every process of the jail. No callback comes from then on. NULL is fine. */
void worker_release(struct worker *worker);
/* As worker_release, but on_gone is called, with this reason, when all processes have ended. */
void worker_end(struct worker *worker, const char *reason);

enum worker_state worker_state(const struct worker *worker);
/* The descriptor of the event log (zygote_wire.h); the caller owns it from then on. -1 when it was taken. */
int worker_take_log(struct worker *worker);

/* When IDLE: runs a cell. `setup` may be NULL. Returns 0, or -1 with err. */
int worker_execute(struct worker *worker, uint64_t execution, const char *setup, size_t setup_length, const char *code, size_t code_length,
                   struct err *err);
/* When IDLE: asks about the interpreter's state (REQUEST_INSPECT); `serial` is one of the executions'. EVENT_REPLY follows as a frame. */
int worker_inspect(struct worker *worker, uint64_t serial, const char *request, size_t length, struct err *err);
/* When INPUT: answers input(). */
int worker_input(struct worker *worker, const char *text, size_t length, struct err *err);

/* To init. A failure ends the jail. */
void worker_interrupt(struct worker *worker);        /* SIGINT to the running cell */
void worker_kill_interpreter(struct worker *worker); /* SIGKILL to all but init; on_exit follows, or on_gone if it does not work */
void worker_respawn(struct worker *worker);          /* after on_exit: a fresh interpreter in the same jail; on_ready follows */

/*
 * Asks init something of the session's files; fd (borrowed, or -1) goes with it. Returns 0, or -1: not now. What init answers comes to
 * the receiver, which owns the descriptor that came with it, or -1; a reply is not matched with its request here.
 */
int  worker_file(struct worker *worker, const struct control_file *request, int fd);
void worker_set_file_receiver(struct worker *worker, void (*on_file)(const struct control_file_reply *reply, int fd, void *arg), void *arg);

/* on_stats follows, unless the zygote is away (returns false) or goes away. */
bool worker_ask_stats(struct worker *worker);
/* Reads nothing until the next worker_execute: back-pressure on what is written while nothing runs. */
void worker_pause(struct worker *worker);

/* From the zygote, by way of workers.c. */
void worker_on_spawned(struct worker *worker, const struct zygote_message *message, const int fds[SESSION_FD_COUNT]); /* fds are owned */
void worker_on_spawn_failed(struct worker *worker, const char *reason);
void worker_on_exited(struct worker *worker, const struct zygote_message *message);
void worker_on_stats(struct worker *worker, const struct session_stats *stats);
/* A new zygote is there, or the former one was lost. */
void worker_on_zygote(struct worker *worker, bool up);
/* Drops it without a callback and without ending the jail. */
void worker_free(struct worker *worker);

#endif
