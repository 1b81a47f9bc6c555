/* worker_fold.c: a worker whose pipes are with its init while descriptors are scarce (fold.h), and how it gets them back. */
#define _GNU_SOURCE
#include <stddef.h>

#include "fdio.h"
#include "metrics.h"
#include "worker_inner.h"
#include "workers.h"

/* What a worker is read from, in the order of CONTROL_UNFOLDED. */
static const enum session_fd read_from[MEMBER_FOLDED_FDS] = {SESSION_FD_EVENT, SESSION_FD_STDOUT, SESSION_FD_STDERR};

static struct folds *folds_of(const struct worker *worker)
{
    return workers_folds(jail_workers(worker->member.jail));
}

static struct worker *worker_of(struct fold *fold)
{
    return (struct worker *)((char *)fold - offsetof(struct worker, fold));
}

/* One that was taken over so, and not opened yet, has nothing to be read from either. */
bool worker_is_folded(const struct worker *worker)
{
    return worker->state != WORKER_ENDING && worker->fds[SESSION_FD_EVENT] < 0 && worker->fds[SESSION_FD_REQUEST] >= 0;
}

void worker_rest(struct worker *worker)
{
    if (worker->state == WORKER_IDLE && worker->pipes.open && !worker->pipes.folded)
        folds_rest(folds_of(worker), &worker->fold, worker->pipes.request == NULL);
    else if (worker->fold.place != FOLD_ASKING || worker->state == WORKER_ENDING)
        folds_forget(folds_of(worker), &worker->fold);
}

void worker_forget_fold(struct worker *worker)
{
    folds_forget(folds_of(worker), &worker->fold);
}

void worker_note_descriptors(struct worker *worker)
{
    int highest = -1;
    for (int i = 0; i < SESSION_FD_COUNT; i++)
        highest = worker->fds[i] > highest ? worker->fds[i] : highest;
    folds_note(folds_of(worker), highest);
}

static int tell_init(const struct worker *worker, enum control_type type, int status)
{
    const struct control_message message = {.type = type, .member = worker->member.number, .status = status};
    return jail_send(worker->member.jail, &message, sizeof message, NULL, 0);
}

static bool on_fold(struct fold *fold)
{
    struct worker *worker = worker_of(fold);
    if (worker->state != WORKER_IDLE || worker->is_unsure || worker->is_killing || !pipes_can_fold(&worker->pipes) ||
        tell_init(worker, CONTROL_FOLD, worker->pipes.paused ? FOLD_BLIND : 0) < 0)
        return false;
    pipes_fold(&worker->pipes);
    for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
        fdio_close(&worker->fds[read_from[i]]);
    metrics_add(METRICS_FOLDS, 1);
    return true;
}

static void on_ask(struct fold *fold)
{
    struct worker *worker = worker_of(fold);
    if (tell_init(worker, CONTROL_UNFOLD, 0) < 0)
        fold->is_lost = true; /* its socket is full, or it ends */
}

static void on_late(struct fold *fold)
{
    worker_end(worker_of(fold), "its init does not answer");
}

const struct fold_events worker_fold_events = {on_fold, on_ask, on_late};

void worker_unfold(struct worker *worker)
{
    if (pipes_is_folded(&worker->pipes) && worker->state != WORKER_ENDING)
        folds_ask(folds_of(worker), &worker->fold);
}

void worker_start_folded(struct worker *worker)
{
    if (tell_init(worker, CONTROL_FOLD, 0) < 0)
        return;
    for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
        fdio_close(&worker->fds[read_from[i]]);
}

void worker_open_folded(struct worker *worker)
{
    if (worker->came_early || worker->has_exited)
        worker_unfold(worker);
    worker->came_early = false;
}

/* The death that was told while its last words could not be read. */
static void tell_exit(struct worker *worker)
{
    bool has_exited    = worker->has_exited;
    worker->has_exited = false;
    if (has_exited)
        worker_on_interpreter_exit(worker, worker->exit_status);
}

void worker_on_unfolded(struct worker *worker, const int fds[MEMBER_FOLDED_FDS])
{
    struct err err = {0};

    worker->came_early = !worker->pipes.open; /* init has left off watching */
    if (fds == NULL) {
        worker_unfold(worker); /* sent because something was said: init has left off watching */
        folds_lost(folds_of(worker), &worker->fold);
        return;
    }
    if (!pipes_is_folded(&worker->pipes)) { /* asked for twice, or not opened yet, or it ends */
        for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
            fdio_close(&(int){fds[i]});
        return;
    }
    for (int i = 0; i < MEMBER_FOLDED_FDS; i++)
        worker->fds[read_from[i]] = fds[i];
    worker_note_descriptors(worker);
    worker_forget_fold(worker);
    if (folds_is_full(fds[MEMBER_FOLDED_FDS - 1], 1)) /* else after the answer is given, see folds_note */
        (void)folds_make_room(folds_of(worker), MEMBER_FOLDED_FDS);
    if (pipes_unfold(&worker->pipes, fds[0], fds[1], fds[2], &err) < 0) {
        worker_end(worker, err.message);
        return;
    }
    worker_rest(worker);
    tell_exit(worker);
}
