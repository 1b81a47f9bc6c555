#define _GNU_SOURCE
#include "fold.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "policies.h"

enum { RELIEF_MS = 1, TICK_MS = 100, REFUSALS_MAX = 32 /* a list of those who never can must not cost a walk each time */ };

TAILQ_HEAD(fold_list, fold);

struct folds {
    const struct fold_events *events;
    struct fold_list          resting, spare, asking; /* asking: in the order of asked_ms */
    size_t                    resting_count;
    int64_t                   limit_ms;
    size_t                    wanted;        /* descriptors that shall be given away soon */
    struct event             *relief, *tick; /* relief: a moment later, so that an answer goes first */
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How many of those that may be open no session gets. */
static rlim_t room_of(const struct rlimit *limit)
{
    return limit->rlim_cur / 8 < DESCRIPTORS_FOR_CONNECTIONS ? limit->rlim_cur / 8 : DESCRIPTORS_FOR_CONNECTIONS;
}

/* How many too many there are, when so many rooms shall stay free. */
static size_t excess(int fd, rlim_t rooms)
{
    struct rlimit limit = {0};
    if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd < limit.rlim_cur - rooms * room_of(&limit))
        return 0;
    return (size_t)((rlim_t)fd - (limit.rlim_cur - rooms * room_of(&limit)) + 1);
}

bool folds_is_full(int fd, unsigned rooms)
{
    return excess(fd, rooms) > 0;
}

static struct fold_list *list_of(struct folds *folds, enum fold_place place)
{
    return place == FOLD_ASKING ? &folds->asking : place == FOLD_SPARE ? &folds->spare : &folds->resting;
}

static void put(struct folds *folds, struct fold *fold, enum fold_place place)
{
    folds_forget(folds, fold);
    fold->place = place;
    TAILQ_INSERT_TAIL(list_of(folds, place), fold, entry);
    folds->resting_count += place != FOLD_ASKING;
}

void folds_forget(struct folds *folds, struct fold *fold)
{
    if (fold->place == FOLD_NOWHERE)
        return;
    TAILQ_REMOVE(list_of(folds, fold->place), fold, entry);
    folds->resting_count -= fold->place != FOLD_ASKING;
    fold->place = FOLD_NOWHERE;
}

void folds_rest(struct folds *folds, struct fold *fold, bool spare)
{
    put(folds, fold, spare ? FOLD_SPARE : FOLD_RESTING);
}

size_t folds_resting(const struct folds *folds)
{
    return folds->resting_count;
}

/* The first that can be. Those that can't at the moment come last in their list. */
static bool fold_one_of(struct folds *folds, struct fold_list *list)
{
    struct fold *fold, *refused = NULL;
    for (int i = 0; i < REFUSALS_MAX && (fold = TAILQ_FIRST(list)) != NULL && fold != refused; i++) {
        enum fold_place place = fold->place;
        folds_forget(folds, fold);
        if (folds->events->on_fold(fold))
            return true;
        put(folds, fold, place);
        refused = refused != NULL ? refused : fold;
    }
    return false;
}

bool folds_make_room(struct folds *folds, size_t count)
{
    for (size_t made = 0; made < count; made += FOLD_DESCRIPTORS)
        if (!fold_one_of(folds, &folds->resting) && !fold_one_of(folds, &folds->spare))
            return false;
    return true;
}

static void on_relief(evutil_socket_t fd, short what, void *arg)
{
    struct folds *folds = arg;
    (void)fd;
    (void)what;
    (void)folds_make_room(folds, folds->wanted); /* or there is none that rests: those who come to rest are looked at with the next one */
    folds->wanted = 0;
}

void folds_note(struct folds *folds, int fd)
{
    const struct timeval after = {.tv_usec = RELIEF_MS * 1000};
    size_t               more  = excess(fd, FOLD_ROOMS);
    if (more == 0)
        return;
    folds->wanted = more > folds->wanted ? more : folds->wanted;
    if (!evtimer_pending(folds->relief, NULL))
        (void)evtimer_add(folds->relief, &after);
}

/* ---- those that wait for their init ---- */

static void start_tick(struct folds *folds)
{
    const struct timeval after = {.tv_usec = TICK_MS * 1000};
    if (!evtimer_pending(folds->tick, NULL))
        (void)evtimer_add(folds->tick, &after);
}

void folds_ask(struct folds *folds, struct fold *fold)
{
    if (fold->place == FOLD_ASKING)
        return;
    put(folds, fold, FOLD_ASKING);
    fold->asked_ms = now_ms();
    fold->is_lost  = false;
    start_tick(folds);
    folds->events->on_ask(fold);
}

void folds_lost(struct folds *folds, struct fold *fold)
{
    (void)folds_make_room(folds, FOLD_DESCRIPTORS);
    if (fold->place == FOLD_ASKING)
        fold->is_lost = true;
}

static void end_late(struct folds *folds)
{
    struct fold *fold;
    while ((fold = TAILQ_FIRST(&folds->asking)) != NULL && now_ms() - fold->asked_ms >= folds->limit_ms) {
        folds_forget(folds, fold);
        folds->events->on_late(fold);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct folds *folds = arg;
    struct fold  *fold;
    (void)fd;
    (void)what;
    end_late(folds);
    TAILQ_FOREACH(fold, &folds->asking, entry)
    {
        if (!fold->is_lost)
            continue;
        fold->is_lost = false;
        folds->events->on_ask(fold);
    }
    if (!TAILQ_EMPTY(&folds->asking))
        start_tick(folds);
}

struct folds *folds_new(struct event_base *base, const struct fold_events *events, int64_t limit_ms)
{
    struct folds *folds = calloc(1, sizeof *folds);
    if (folds == NULL)
        return NULL;
    folds->events   = events;
    folds->limit_ms = limit_ms;
    TAILQ_INIT(&folds->resting);
    TAILQ_INIT(&folds->spare);
    TAILQ_INIT(&folds->asking);
    folds->relief = evtimer_new(base, on_relief, folds);
    folds->tick   = evtimer_new(base, on_tick, folds);
    if (folds->relief == NULL || folds->tick == NULL) {
        folds_free(folds);
        return NULL;
    }
    return folds;
}

void folds_free(struct folds *folds)
{
    if (folds == NULL)
        return;
    if (folds->relief != NULL)
        event_free(folds->relief);
    if (folds->tick != NULL)
        event_free(folds->tick);
    free(folds);
}
