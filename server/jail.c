#define _GNU_SOURCE
#include "jail.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdio.h"
#include "log.h"
#include "workers.h"
#include "zygote_client.h"

enum { END_LIMIT_S = 5 };

enum jail_state { JAIL_SPAWNING, JAIL_UP, JAIL_ENDING, JAIL_GONE };

struct jail {
    struct workers         *workers;
    enum jail_state         state;
    bool                    is_unwanted; /* while it is made: nobody waits for it any more */
    uint32_t                serial;
    int32_t                 pid; /* of init, on the host */
    uint32_t                uid;
    int                     control_fd;
    struct event            readable, timer;
    bool                    is_watched;
    struct zygote_message   limits; /* of one member */
    uint32_t                last_number;
    uint32_t                oom_kills; /* that members have been told of */
    struct worker_death     death;
    struct worker_reclaimed reclaimed;
    jail_on_member          on_member; /* while it is taken over */
    void                   *found_arg;
    TAILQ_HEAD(jail_members, jail_member) members;
};

union control_packet {
    struct control_message    message;
    struct control_file_reply file;
};

static void close_control(struct jail *jail)
{
    if (jail->is_watched)
        (void)event_del(&jail->readable);
    jail->is_watched = false;
    fdio_close(&jail->control_fd);
}

/* Nothing more is heard of its members. */
static void end_takeover(struct jail *jail)
{
    jail_on_member on_member = jail->on_member;
    jail->on_member          = NULL;
    if (on_member != NULL)
        on_member(jail, NULL, NULL, jail->found_arg);
}

static void drop(struct jail *jail)
{
    close_control(jail);
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

/* It has no process any more. Callbacks may release other members; then these are told nothing. */
static void bury(struct jail *jail)
{
    struct jail_member *member;
    jail->state = JAIL_GONE;
    end_takeover(jail);
    while ((member = TAILQ_FIRST(&jail->members)) != NULL)
        member->events->on_gone(member, &jail->death);
    drop(jail);
}

static void set_timer(struct jail *jail)
{
    const struct timeval after = {.tv_sec = END_LIMIT_S};
    (void)evtimer_add(&jail->timer, &after);
}

/* The zygote's EXITED, or the end of the control socket while there is no zygote, completes it. */
static void end(struct jail *jail)
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
    set_timer(jail);
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

/* Its init can't be reached: all members end with it. */
static void fail(struct jail *jail, const char *reason)
{
    struct jail_member *member;
    end(jail);
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
        end(jail);
    else if (jail->state == JAIL_UP && fdio_send(jail->control_fd, &message, sizeof message, NULL, 0) < 0)
        fail(jail, "its init does not answer");
    else if (jail->state == JAIL_UP)
        set_timer(jail);
}

void jail_end_member(struct jail_member *member)
{
    end_one(member, (struct control_message){.type = CONTROL_END_MEMBER});
}

void jail_succeed(struct jail_member *member, const struct jail_member *heir)
{
    end_one(member, (struct control_message){.type = CONTROL_SUCCEED, .execution = heir->number});
}

static void on_control_end(struct jail *jail)
{
    struct jail_member *member;

    (void)event_del(&jail->readable);
    jail->is_watched = false;
    if (!zygote_client_is_ready(workers_zygote(jail->workers))) {
        bury(jail);
        return;
    }
    jail->state = JAIL_ENDING;
    set_timer(jail);
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        member->events->on_init_gone(member);
    }
}

static struct jail_member *find(const struct jail *jail, uint32_t number)
{
    struct jail_member *member;
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        if (member->number == number)
            return member;
    }
    return NULL;
}

/* The limits of the jail's control group follow the number of its members. */
static void tell_family(struct jail *jail)
{
    (void)zygote_client_family(workers_zygote(jail->workers), jail->limits, (uint32_t)jail_count(jail));
}

static void on_member_gone(struct jail *jail, struct jail_member *member)
{
    static const struct worker_death none;
    struct jail_member              *other;
    bool                             waits = false;

    member->events->on_gone(member, &none); /* never the last one: its jail would be ending */
    TAILQ_FOREACH(other, &jail->members, entry)
    {
        waits |= other->is_ending;
    }
    if (!waits && jail->state == JAIL_UP)
        (void)evtimer_del(&jail->timer);
    if (jail->state == JAIL_UP)
        tell_family(jail);
}

/* Has the zygote send a fresh interpreter for a member that has none; at once, or as soon as there is a zygote. */
static void ask_worker(struct jail_member *member)
{
    struct jail *jail    = member->jail;
    member->wants_worker = true;
    (void)zygote_client_worker(workers_zygote(jail->workers), jail->limits, member->number); /* -1: jail_on_zygote asks again */
}

static void on_message(struct jail *jail, const struct control_message *message)
{
    struct jail_member *member = find(jail, message->member);
    if (member == NULL)
        return;
    if (message->type == CONTROL_WORKER_STARTED || message->type == CONTROL_WORKER_EXITED)
        member->wants_worker = false;
    if (message->type == CONTROL_MEMBER_GONE)
        on_member_gone(jail, member);
    else if (message->type == CONTROL_WORKER_WANTED)
        ask_worker(member);
    else
        member->events->on_control(member, message);
}

static void on_file(struct jail *jail, const struct control_file_reply *reply, int fd)
{
    struct jail_member *member = find(jail, reply->member);
    if (member != NULL)
        member->events->on_file(member, reply, fd);
    else
        fdio_close(&fd);
}

/* Returns whether it was one that is waited for; then its descriptors are owned by someone else. */
static bool on_descriptors(struct jail *jail, const struct control_message *reply, const int *fds, size_t fd_count)
{
    if (jail->on_member == NULL || reply->type != CONTROL_DESCRIPTORS_REPLY || fd_count != MEMBER_SERVER_FDS)
        return false;
    jail->on_member(jail, reply, fds, jail->found_arg);
    if (reply->execution != 0)
        return true;
    (void)evtimer_del(&jail->timer);
    end_takeover(jail);
    if (TAILQ_EMPTY(&jail->members))
        end(jail);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct jail         *jail = arg;
    union control_packet packet;
    int                  fds[MEMBER_SERVER_FDS], sent_fd;
    size_t               fd_count = MEMBER_SERVER_FDS;
    ssize_t              n        = fdio_receive(fd, &packet, sizeof packet, fds, &fd_count);

    (void)what;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n == (ssize_t)sizeof packet.message && on_descriptors(jail, &packet.message, fds, fd_count))
        return;
    for (size_t i = 1; i < fd_count; i++)
        fdio_close(&fds[i]);
    sent_fd  = fd_count > 0 ? fds[0] : -1;
    fd_count = fd_count > 0;
    if (n == (ssize_t)sizeof packet.file && packet.file.type == CONTROL_FILE_REPLY) {
        on_file(jail, &packet.file, fd_count == 1 ? sent_fd : -1);
        return;
    }
    if (fd_count == 1)
        fdio_close(&sent_fd);
    if (n == (ssize_t)sizeof packet.message)
        on_message(jail, &packet.message);
    else
        on_control_end(jail);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct jail *jail = arg;
    (void)fd;
    (void)what;
    if (jail->state == JAIL_UP) { /* one of its members should be gone by now */
        fail(jail, "its init does not answer");
        return;
    }
    log_error("jail %u: the zygote did not report its end in time", jail->serial);
    bury(jail);
}

void jail_on_spawned(struct jail *jail, const struct zygote_message *message, const int fds[SESSION_FD_COUNT])
{
    struct event_base  *base  = workers_base(jail->workers);
    struct jail_member *first = TAILQ_FIRST(&jail->members);

    jail->state      = JAIL_UP;
    jail->pid        = message->pid;
    jail->uid        = message->uid;
    jail->control_fd = fds[SESSION_FD_CONTROL];
    if (!jail->is_unwanted && (event_assign(&jail->readable, base, jail->control_fd, EV_READ | EV_PERSIST, on_readable, jail) < 0 ||
                               event_add(&jail->readable, NULL) < 0)) {
        first->events->on_up(first, fds);
        first->events->on_failed(first, "cannot watch a jail's control socket");
        return;
    }
    jail->is_watched = !jail->is_unwanted;
    first->events->on_up(first, fds);
    if (jail->is_unwanted) {
        end(jail);
        close_control(jail);
    }
}

void jail_on_spawn_failed(struct jail *jail, const char *reason)
{
    jail->death.spawn_failed = true;
    (void)snprintf(jail->death.reason, sizeof jail->death.reason, "%s", reason);
    bury(jail);
}

void jail_on_exited(struct jail *jail, const struct zygote_message *message)
{
    jail->death.status = message->status;
    jail->death.oom    = message->value != 0;
    bury(jail);
}

/* A process that was ended for want of memory is counted once, with the member whose interpreter is dead: the kernel does not say whose it was. */
static void tell_stats(struct jail *jail, struct jail_member *member, struct session_stats stats)
{
    if (stats.oom_kills > jail->oom_kills && (jail_count(jail) == 1 || member->is_absent)) {
        member->oom_kills += stats.oom_kills - jail->oom_kills;
        jail->oom_kills = stats.oom_kills;
    }
    stats.oom_kills = member->oom_kills;
    member->events->on_stats(member, &stats);
}

static struct jail_member *next_asking(const struct jail *jail)
{
    struct jail_member *member;
    TAILQ_FOREACH(member, &jail->members, entry)
    {
        if (member->asks)
            return member;
    }
    return NULL;
}

void jail_on_stats(struct jail *jail, const struct session_stats *stats)
{
    struct workers     *workers = jail->workers;
    uint32_t            serial  = jail->serial;
    struct jail_member *member;
    for (int i = 0; i < FAMILY_MAX && workers_find(workers, serial) == jail && (member = next_asking(jail)) != NULL; i++) {
        member->asks = false;
        tell_stats(jail, member, *stats);
    }
}

bool jail_ask_stats(struct jail_member *member)
{
    member->asks = true;
    return zygote_client_stats(workers_zygote(member->jail->workers), member->jail->serial) == 0;
}

bool jail_reclaim(struct jail_member *member)
{
    struct jail *jail = member->jail;
    if (jail_count(jail) != 1 || zygote_client_reclaim(workers_zygote(jail->workers), jail->serial) < 0)
        return false;
    jail->reclaimed = (struct worker_reclaimed){0};
    return true;
}

const struct worker_reclaimed *jail_reclaimed(const struct jail_member *member)
{
    return &member->jail->reclaimed;
}

void jail_on_reclaimed(struct jail *jail, const struct zygote_message *message)
{
    jail->reclaimed = (struct worker_reclaimed){.is_known = true, .error = message->error, .bytes = message->memory_bytes};
}

bool jail_limit_cpu(const struct jail_member *member, uint32_t cpu_percent)
{
    struct jail  *jail   = member->jail;
    const json_t *layers = json_object_get(workers_isolation(jail->workers), "layers");
    if (jail_count(jail) > 1) { /* a limit of the group would hold the others, too */
        tell_family(jail);
        return false;
    }
    return json_is_true(json_object_get(json_object_get(layers, "cgroupCpu"), "active")) &&
           zygote_client_limit(workers_zygote(jail->workers), jail->serial, cpu_percent) == 0;
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
            ask_worker(member);
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
    jail->is_watched = event_assign(&jail->readable, workers_base(workers), control_fd, EV_READ | EV_PERSIST, on_readable, jail) == 0 &&
                       event_add(&jail->readable, NULL) == 0;
    if (!jail->is_watched || fdio_send(control_fd, &message, sizeof message, NULL, 0) < 0) {
        drop(jail);
        return err_set(err, EPIPE, "a jail can't be reached");
    }
    jail->limits         = message_of(limits);
    jail->limits.session = jail->serial;
    jail->on_member      = on_member;
    jail->found_arg      = arg;
    set_timer(jail);
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
        fail(jail, "its init does not answer");
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
    tell_family(jail);
    return 0;
}

void jail_remove(struct jail_member *member)
{
    struct jail *jail = member->jail;
    TAILQ_REMOVE(&jail->members, member, entry);
    if (TAILQ_EMPTY(&jail->members) && jail->state != JAIL_GONE)
        drop(jail);
}

void jail_control(struct jail_member *member, struct control_message message)
{
    message.member = member->number;
    if (member->jail->state == JAIL_UP && fdio_send(member->jail->control_fd, &message, sizeof message, NULL, 0) < 0)
        fail(member->jail, "its init does not answer");
}

int jail_send(struct jail *jail, const void *packet, size_t length, const int *fds, size_t fd_count)
{
    if (jail->state != JAIL_UP) {
        errno = EPIPE;
        return -1;
    }
    return fdio_send(jail->control_fd, packet, length, fds, fd_count);
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
