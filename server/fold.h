/*
 * fold.h: what is done when descriptors get scarce. A worker needs its three pipes (events, raw stdout and stderr) while it says something;
 * its init holds duplicates of them. So a worker that rests can be folded: the server closes them, init watches them and sends them again
 * when bytes have come or when it is asked. Two lists: the workers that can be folded, those nobody owns yet behind the others and each
 * in the order of their last use; and those that wait for their init.
 *
 * The kernel gives the lowest free number, so that all below a new descriptor's are in use: nothing has to be counted, and below a share
 * of the limit nothing is done. Folding is only done from the loop, never inside a call that reads a worker's pipes.
 */
#ifndef PENNY_FOLD_H
#define PENNY_FOLD_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct folds;

enum fold_place { FOLD_NOWHERE, FOLD_RESTING, FOLD_SPARE, FOLD_ASKING };

/* By which a worker is in one of the lists. Embedded in struct worker. */
struct fold {
    TAILQ_ENTRY(fold) entry;
    enum fold_place place;
    int64_t         asked_ms; /* monotonic */
    bool            is_lost;  /* what init sent found no room: it is asked again */
};

struct fold_events {
    bool (*on_fold)(struct fold *fold); /* it closes them now; false: not at the moment */
    void (*on_ask)(struct fold *fold);  /* it asks its init; where it can't at the moment it sets is_lost */
    void (*on_late)(struct fold *fold); /* its init has not answered for limit_ms: it is in no list any more */
};

enum { FOLD_ROOMS = 2, FOLD_DESCRIPTORS = 3, FOLD_LIMIT_MS = 30000 /* of an init on a machine that is overloaded */ };

/* Returns NULL for want of memory. */
struct folds *folds_new(struct event_base *base, const struct fold_events *events, int64_t limit_ms);
void          folds_free(struct folds *folds); /* NULL is fine */

/* It rests from now on, used last of all; `spare`: nobody owns it, it is folded after those that have an owner. */
void folds_rest(struct folds *folds, struct fold *fold, bool spare);
/* It is folded and shall not be: on_ask is called now, and again when folds_lost is called; on_late if that does not help. */
void folds_ask(struct folds *folds, struct fold *fold);
/* Its descriptors have not all found room in our table. */
void folds_lost(struct folds *folds, struct fold *fold);
/* It is in no list: it is used, has its descriptors again, or ends. */
void folds_forget(struct folds *folds, struct fold *fold);

/* A descriptor with this number is new: when there are more than a share of the limit, workers are folded soon, until there are not. */
void folds_note(struct folds *folds, int fd);
/* A descriptor with this number leaves less free than so many rooms (policies.h), each of which is for those who are connected, or who run. */
bool folds_is_full(int fd, unsigned rooms);
/* Folds workers for so many descriptors, now. Returns whether there were enough. */
bool folds_make_room(struct folds *folds, size_t count);
/* Rests at present; spare ones, too. */
size_t folds_resting(const struct folds *folds);

#endif
