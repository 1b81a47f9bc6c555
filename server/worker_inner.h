/*
 * worker_inner.h: the body of a worker, for the rooms of worker.h's house: worker.c (its life), worker_heard.c (what comes from it, its
 * jail and its timer), worker_order.c (what it is told), worker_past.c (what it has before it from another server process), worker_fold.c (what it
 * gives away while descriptors are scarce). Nobody else includes it.
 */
#ifndef PENNY_WORKER_INNER_H
#define PENNY_WORKER_INNER_H

#include <event2/event_struct.h>

#include "fold.h"
#include "jail.h"
#include "worker.h"

enum { START_LIMIT_S = 30, FORK_LIMIT_S = 10, KILL_LIMIT_S = 5, PARK_LIMIT_S = 10, WAKE_LIMIT_S = 10 };

struct worker {
    struct jail_member          member; /* first, see worker_of */
    const struct worker_events *events; /* NULL: released */
    void                       *arg;
    enum worker_state           state;
    int32_t                     waking_pid;
    bool                        is_killing;            /* its interpreter */
    uint64_t                    execution;             /* the one that runs, or ran last */
    int                         fds[SESSION_FD_COUNT]; /* that of CONTROL is the jail's */
    struct pipes                pipes;
    struct event                timer;
    bool                        is_unsure; /* whether it has the request that it seems to have */
    void (*on_unsent)(enum worker_state was, void *arg);
    struct fold fold;
    bool        came_early; /* its pipes, when it was taken over folded and not opened yet: they are asked for again then */
    bool        has_exited; /* its interpreter, with exit_status, while its pipes are folded: on_exit comes when they have been read */
    int         exit_status;
    struct worker_death death;
    void (*on_file)(const struct control_file_reply *reply, int fd, void *arg); /* NULL: nobody */
    void *on_file_arg;
};

/* Without processes: the caller adds it to a jail. Returns NULL with err. */
struct worker *worker_new(struct workers *workers, const struct worker_events *events, void *arg, struct err *err);
/* Frees it and what it holds. */
void worker_drop(struct worker *worker);
void worker_close(struct worker *worker); /* its descriptors */
void worker_set_state(struct worker *worker, enum worker_state state);
void worker_set_timer(struct worker *worker, int seconds);

/* worker_heard.c: its part in its jail; its pipes, which are there; and its timer. */
extern const struct jail_events worker_jail_events;
int                             worker_watch(struct worker *worker, struct err *err);
void                            worker_on_timer(evutil_socket_t fd, short what, void *arg);
void                            worker_on_interpreter_exit(struct worker *worker, int status);

/* worker_fold.c */
void worker_rest(struct worker *worker);             /* whether it rests has changed */
void worker_note_descriptors(struct worker *worker); /* it has new ones */
void worker_forget_fold(struct worker *worker);
bool worker_is_folded(const struct worker *worker); /* its pipes are with its init */
void worker_unfold(struct worker *worker);          /* asks for its pipes, if they are folded; what it says is read then */
void worker_start_folded(struct worker *worker);    /* before its pipes are opened; or it stays as it is */
void worker_open_folded(struct worker *worker);     /* they are opened: what has happened since then is looked after */
void worker_on_unfolded(struct worker *worker, const int fds[MEMBER_FOLDED_FDS]); /* NULL: they found no room */

#endif
