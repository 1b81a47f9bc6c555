#define _GNU_SOURCE
#include "jail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdio.h"
#include "jail_private.h"
#include "log.h"
#include "workers.h"
#include "zygote_client.h"

enum { END_LIMIT_S = 5 };

void jail_end_takeover(struct jail *jail)
{
    jail_on_member on_member = jail->on_member;
    jail->on_member          = NULL;
    if (on_member != NULL)
        on_member(jail, NULL, NULL, jail->found_arg);
}

static void drop(struct jail *jail)
{
    jail_close_control(jail);
    (void)evtimer_del(&jail->timer);
    workers_remove(jail->workers, jail->serial);
    free(jail);
}

void jail_free(struct jail *jail)
{
    struct jail_member *member;
    jail->state = JAIL_GONE;
    while ((member = TAILQ_FIRST(&jail->members)) != NULL)
        member->events->on_gone(member, NULL);
    drop(jail);
}

void jail_bury(struct jail *jail)
{
    struct jail_member *member;
    jail->state = JAIL_GONE;
    jail_end_takeover(jail);
    while ((member = TAILQ_FIRST(&jail->members)) != NULL)
        member->events->on_gone(member, &jail->death);
    drop(jail);
}

void jail_set_timer(struct jail *jail)
{
    const struct timeval after = {.tv_sec = END_LIMIT_S};
    (void)evtimer_add(&jail->timer, &after);
}

void jail_end(struct jail *jail)
{
    if (jail->state == JAIL_SPAWNING)
        jail->is_unwanted = true;
    if (jail->state != JAIL_UP)
        return;
    if (zygote_client_kill(workers_zygote(jail->workers), jail->serial) < 0) {
        struct control_message message = {.type = CONTROL_EXIT};
        (void)fdio_send(jail->control_fd, &message, sizeof message, NULL, 0);
    }
    jail->state = JAIL_ENDING;
    jail_set_timer(jail);
}

size_t jail_count(const struct jail *jail)
{
    struct jail_member *member;
    size_t              n = 0;
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        n += !member->is_ending && !member->is_guest;
    }
    return n;
}

void jail_fail(struct jail *jail, const char *reason)
{
    struct jail_member *member;
    jail_end(jail);
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        member->events->on_failed(member, reason);
    }
}

static void end_one(struct jail_member *member, struct control_message message)
{
    struct jail *jail = member->jail;
    message.member    = member->number;
    member->is_ending = true;
    if (jail_count(jail) == 0)
        jail_end(jail);
    else if (jail->state == JAIL_UP && fdio_send(jail->control_fd, &message, sizeof message, NULL, 0) < 0)
        jail_fail(jail, "its init does not answer");
    else if (jail->state == JAIL_UP)
        jail_set_timer(jail);
}

void jail_end_member(struct jail_member *member)
{
    end_one(member, (struct control_message){.type = CONTROL_END_MEMBER});
}

void jail_succeed(struct jail_member *member, const struct jail_member *heir)
{
    end_one(member, (struct control_message){.type = CONTROL_SUCCEED, .execution = heir->number});
}

struct jail_member *jail_find(const struct jail *jail, uint32_t number)
{
    struct jail_member *member;
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        if (member->number == number)
            return member;
    }
    return NULL;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct jail *jail = arg;
    (void)fd;
    (void)what;
    if (jail->state == JAIL_UP) { /* one of its members should be gone by now */
        jail_fail(jail, "its init does not answer");
        return;
    }
    log_error("jail %u: the zygote did not report its end in time", jail->serial);
    jail_bury(jail);
}

void jail_on_spawned(struct jail *jail, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    struct jail_member *first = TAILQ_FIRST(&jail->members);

    jail->state      = JAIL_UP;
    jail->pid        = message->pid;
    jail->uid        = message->uid;
    jail->control_fd = fds[SESSION_FD_CONTROL];
    if (!jail->is_unwanted && !jail_watch(jail)) {
        first->events->on_up(first, fds);
        first->events->on_failed(first, "cannot watch a jail's control socket");
        return;
    }
    first->events->on_up(first, fds);
    if (jail->is_unwanted) {
        jail_end(jail);
        jail_close_control(jail);
    }
}

void jail_on_spawn_failed(struct jail *jail, const char *reason)
{
    jail->death.spawn_failed = true;
    (void)snprintf(jail->death.reason, sizeof jail->death.reason, "%s", reason);
    jail_bury(jail);
}

void jail_on_exited(struct jail *jail, const struct zygote_message *message)
{
    jail->death.status = message->status;
    jail->death.oom    = message->value != 0;
    jail_bury(jail);
}

void jail_on_zygote(struct jail *jail, bool up)
{
    struct zygote_client *zygote = workers_zygote(jail->workers);
    struct jail_member   *member;
    if (!up && jail->pid == 0) {
        jail_on_spawn_failed(jail, "the zygote died while the session was made");
        return;
    }
    if (!up)
        return;
    (void)zygote_client_adopt(zygote, jail->serial, jail->pid, jail->uid, jail->control_fd);
    if (jail->state == JAIL_ENDING)
        (void)zygote_client_kill(zygote, jail->serial);
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        if (member->wants_worker && jail->state == JAIL_UP)
            jail_ask_worker(member);
    }
}

static struct jail *jail_new(struct workers *workers, uint32_t serial)
{
    struct jail *jail = calloc(1, sizeof *jail);
    if (jail == NULL)
        return NULL;
    jail->workers    = workers;
    jail->control_fd = -1;
    TAILQ_INIT(&jail->members);
    (void)evtimer_assign(&jail->timer, workers_base(workers), on_timer, jail);
    jail->serial = serial == 0 ? workers_add(workers, jail) : workers_add_as(workers, serial, jail);
    if (jail->serial == 0) {
        free(jail);
        return NULL;
    }
    return jail;
}

static struct zygote_message message_of(const struct worker_limits *limits)
{
    return (struct zygote_message){.memory_bytes    = limits->memory_bytes,
                                   .workspace_bytes = limits->workspace_bytes,
                                   .cpu_percent     = limits->cpu_percent,
                                   .processes       = limits->processes};
}

int jail_spawn(struct workers *workers, const struct worker_limits *limits, struct jail_member *first, const struct jail_events *events,
               struct err *err)
{
    struct jail          *jail;
    struct zygote_message message = message_of(limits);

    if (!zygote_client_is_ready(workers_zygote(workers)))
        return err_set(err, EAGAIN, "the zygote is not there at the moment");
    jail = jail_new(workers, 0);
    if (jail == NULL)
        return err_set(err, ENOMEM, "no memory for a session");
    message.session = jail->serial;
    jail->limits    = message;
    if (zygote_client_spawn(workers_zygote(workers), &message) < 0) {
        drop(jail);
        return err_set(err, EAGAIN, "the zygote takes no more requests at the moment");
    }
    *first = (struct jail_member){.jail = jail, .events = events};
    TAILQ_INSERT_TAIL(&jail->members, first, entry);
    return 0;
}

int jail_take_over(struct workers *workers, const struct zygote_message *found, const struct worker_limits *limits, int control_fd,
                   jail_on_member on_member, void *arg, struct err *err)
{
    const struct control_message message = {.type = CONTROL_DESCRIPTORS};
    struct jail                 *jail    = jail_new(workers, found->session);

    if (jail == NULL) {
        fdio_close(&control_fd);
        return err_set(err, ENOMEM, "no memory for a session");
    }
    jail->state      = JAIL_UP;
    jail->pid        = found->pid;
    jail->uid        = found->uid;
    jail->control_fd = control_fd;
    if (!jail_watch(jail) || fdio_send(control_fd, &message, sizeof message, NULL, 0) < 0) {
        drop(jail);
        return err_set(err, EPIPE, "a jail can't be reached");
    }
    jail->limits         = message_of(limits);
    jail->limits.session = jail->serial;
    jail->on_member      = on_member;
    jail->found_arg      = arg;
    jail_set_timer(jail);
    return 0;
}

void jail_add_as(struct jail *jail, struct jail_member *member, uint32_t number, const struct jail_events *events)
{
    *member = (struct jail_member){.jail = jail, .events = events, .number = number};
    if (number > jail->last_number)
        jail->last_number = number;
    TAILQ_INSERT_TAIL(&jail->members, member, entry);
}

void jail_end_unknown(struct jail *jail, uint32_t number)
{
    const struct control_message message = {.type = CONTROL_END_MEMBER, .member = number};
    if (number > jail->last_number)
        jail->last_number = number;
    if (fdio_send(jail->control_fd, &message, sizeof message, NULL, 0) < 0)
        jail_fail(jail, "its init does not answer");
}

int jail_add(struct jail *jail, struct jail_member *member, const struct jail_events *events, struct err *err)
{
    struct jail_member *other;
    size_t              n = 0;

    TAILQ_FOREACH(other, &jail->members, entry)
    {
        n++;
    }
    if (!jail_is_up(jail) || n >= FAMILY_MAX)
        return err_set(err, EAGAIN, n >= FAMILY_MAX ? "there are %d sessions in this jail already" : "the jail is about to end",
                       FAMILY_MAX);
    *member = (struct jail_member){.jail = jail, .events = events, .number = ++jail->last_number};
    TAILQ_INSERT_TAIL(&jail->members, member, entry);
    jail_tell_family(jail);
    return 0;
}

void jail_remove(struct jail_member *member)
{
    struct jail *jail = member->jail;
    TAILQ_REMOVE(&jail->members, member, entry);
    if (TAILQ_EMPTY(&jail->members) && jail->state != JAIL_GONE)
        drop(jail);
}

bool jail_is_up(const struct jail *jail)
{
    return jail->state == JAIL_UP;
}

struct workers *jail_workers(const struct jail *jail)
{
    return jail->workers;
}

uint32_t jail_serial(const struct jail *jail)
{
    return jail->serial;
}
