#define _GNU_SOURCE
#include "resume.h"

#include <errno.h>
#include <stdlib.h>

#include "fdio.h"
#include "intake.h"
#include "jail.h"
#include "log.h"
#include "session_resume.h"

/* A member of a jail that the zygote named, until all are there. */
struct found {
    struct resume         *resume;
    struct session_remains remains;
    bool                   is_there;
};

struct resume {
    struct keep     *keep;
    struct workers  *workers;
    struct sessions *sessions;
    struct tenants  *tenants;
    struct found   **found;
    size_t           count, waiting;
    bool             listed;
    uint32_t         first; /* the seat whose bytes are in the inbox */
    void (*on_done)(size_t resumed, size_t lost, void *arg);
    void *arg;
};

static struct keep_seat *seat_of(const struct resume *resume, uint32_t jail, uint32_t member)
{
    struct keep_seat *seat = NULL;
    while ((seat = keep_next(resume->keep, seat)) != NULL)
        if (seat->jail == jail && seat->member == member)
            return seat;
    return NULL;
}

/* Any of those in this jail: all have its limits. NULL: nobody wants it. */
static struct keep_seat *seat_in(const struct resume *resume, uint32_t jail)
{
    struct keep_seat *seat = NULL;
    while ((seat = keep_next(resume->keep, seat)) != NULL)
        if (seat->jail == jail)
            return seat;
    return NULL;
}

/* ---- when all are there ---- */

static bool take(struct resume *resume, struct found *found)
{
    struct err      err     = {0};
    struct session *session = session_restore(resume->sessions, &found->remains, &err);
    if (session != NULL && sessions_take_over(resume->sessions, session) == 0) {
        session_resume(session, &found->remains);
        return true;
    }
    log_error("a session can't be resumed: %s", session == NULL ? err.message : "no memory");
    session_free(session);
    return false;
}

/* Those that nobody has claimed are gone. */
static size_t lose_rest(struct resume *resume)
{
    struct keep_seat *seat = NULL, *next;
    size_t            lost = 0;
    for (seat = keep_next(resume->keep, NULL); seat != NULL; seat = next) {
        next = keep_next(resume->keep, seat);
        if (sessions_find(resume->sessions, &seat->id) != NULL)
            continue;
        sessions_note_lost(resume->sessions, seat, seat->has_owner != 0 ? tenants_named(resume->tenants, seat->owner) : NULL);
        keep_free_seat(resume->keep, seat);
        lost++;
    }
    return lost;
}

static void finish(struct resume *resume)
{
    size_t resumed = 0;
    for (int turn = 0; turn < 2; turn++) { /* what is in the inbox first: others would write over it */
        for (size_t i = 0; i < resume->count; i++) {
            struct found *found = resume->found[i];
            bool          first = found->is_there && keep_index(resume->keep, found->remains.seat) == resume->first;
            if (found->is_there && first == (turn == 0))
                resumed += take(resume, found);
        }
    }
    resume->on_done(resumed, lose_rest(resume), resume->arg);
}

static void go_on(struct resume *resume)
{
    if (resume->listed && resume->waiting == 0)
        finish(resume);
}

/* ---- one after the other ---- */

/* Before its session is there. */
static void on_gone(const struct worker_death *death, void *arg)
{
    struct found *found = arg;
    (void)death;
    fdio_close(&found->remains.log_fd);
    found->is_there = false;
}

/* Likewise: it is as if init had named it without one. */
static void on_exit_of(int status, void *arg)
{
    struct found *found        = arg;
    found->remains.interpreter = false;
    found->remains.status      = status;
}

static const struct worker_events events = {.on_exit = on_exit_of, .on_gone = on_gone};

static struct tenant *owner_of(const struct resume *resume, const struct keep_seat *seat, bool *ret_is_there)
{
    struct tenant *owner = seat->has_owner != 0 ? tenants_named(resume->tenants, seat->owner) : NULL;
    *ret_is_there        = seat->has_owner == 0 || owner != NULL;
    if (!*ret_is_there)
        log_warn("a session's owner '%.*s' is not in the keys file any more: it ends", (int)sizeof seat->owner - 1, seat->owner);
    return owner;
}

static struct found *new_found(struct resume *resume, struct keep_seat *seat)
{
    bool           has_owner = false;
    struct found  *found     = seat != NULL ? calloc(1, sizeof *found) : NULL;
    struct found **grown     = found != NULL ? realloc(resume->found, (resume->count + 1) * sizeof(struct found *)) : NULL;

    if (grown != NULL) {
        resume->found        = grown;
        found->resume        = resume;
        found->remains.seat  = seat;
        found->remains.owner = owner_of(resume, seat, &has_owner);
    }
    if (!has_owner) {
        free(found);
        return NULL;
    }
    resume->found[resume->count++] = found;
    return found;
}

static void on_member(struct jail *jail, const struct control_message *reply, const int fds[MEMBER_SERVER_FDS], void *arg)
{
    struct resume *resume = arg;
    struct found  *found;
    struct err     err = {0};

    if (reply == NULL) {
        resume->waiting--;
        go_on(resume);
        return;
    }
    found = new_found(resume, seat_of(resume, jail_serial(jail), reply->member));
    if (found == NULL) { /* it had ended, or was half made */
        for (int i = 0; i < MEMBER_SERVER_FDS; i++)
            fdio_close(&(int){fds[i]});
        jail_end_unknown(jail, reply->member);
        return;
    }
    found->remains.worker =
        worker_take_over(jail, reply, fds, reply->pid != 0 && found->remains.seat->request.folded != 0, &events, found, &err);
    if (found->remains.worker == NULL) {
        log_error("a session can't be resumed: %s", err.message);
        jail_end_unknown(jail, reply->member);
        return;
    }
    found->remains.log_fd      = worker_take_log(found->remains.worker);
    found->remains.interpreter = reply->pid != 0;
    found->remains.status      = reply->status;
    found->is_there            = true;
}

static void on_found(const struct zygote_message *message, int control_fd, void *arg)
{
    struct resume       *resume = arg;
    struct keep_seat    *seat   = seat_in(resume, message->session);
    struct worker_limits limits;
    struct err           err = {0};

    if (seat == NULL) {
        fdio_close(&control_fd);
        workers_end(resume->workers, message->session); /* of the pool, or half made, or ended */
        return;
    }
    limits = (struct worker_limits){.memory_bytes    = seat->memory_limit,
                                    .workspace_bytes = seat->workspace_limit,
                                    .cpu_percent     = seat->cpu_percent,
                                    .processes       = seat->processes};
    resume->waiting++;
    if (jail_take_over(resume->workers, message, &limits, control_fd, on_member, resume, &err) < 0) {
        resume->waiting--;
        workers_end(resume->workers, message->session);
        log_error("a jail can't be taken over: %s", err.message);
    }
}

static void on_listed(void *arg)
{
    struct resume *resume = arg;
    resume->listed        = true;
    go_on(resume);
}

struct resume *resume_start(struct keep *keep, struct workers *workers, struct sessions *sessions, struct tenants *tenants,
                            void (*on_done)(size_t resumed, size_t lost, void *arg), void *arg, struct err *err)
{
    struct resume *resume = calloc(1, sizeof *resume);
    if (resume == NULL) {
        (void)err_set(err, ENOMEM, "no memory to resume sessions");
        return NULL;
    }
    *resume = (struct resume){.keep = keep, .workers = workers, .sessions = sessions, .tenants = tenants, .on_done = on_done, .arg = arg};
    resume->first = intake_recover(keep);
    if (keep_next(keep, NULL) == NULL)
        on_done(0, 0, arg);
    else
        workers_expect(workers, on_found, on_listed, resume);
    return resume;
}

void resume_free(struct resume *resume)
{
    if (resume == NULL)
        return;
    for (size_t i = 0; i < resume->count; i++)
        free(resume->found[i]);
    free(resume->found);
    free(resume);
}
